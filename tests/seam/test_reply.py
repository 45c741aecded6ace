"""Replies: read, changed, counted, and ended exactly once however they end."""

import asyncio
import gc
import json
import logging
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import pytest

from gateway.seam import (
    Batch,
    Call,
    Chunk,
    Given,
    Head,
    InvalidRequest,
    Outcome,
    Reply,
    Request,
    Tasks,
    UpstreamError,
    Usage,
    fold,
    unfold,
)
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.messages import MESSAGES_ANSWER
from gateway.wire.sse import DONE, frame


def event(*choices: Any, **top: Any) -> bytes:
    return frame(json.dumps({"id": "c", "choices": list(choices), **top}).encode())


def said(text: str) -> bytes:
    return event({"index": 0, "delta": {"content": text}})


FINISH = event({"index": 0, "delta": {}, "finish_reason": "stop"})
TRAILER = event(usage={"prompt_tokens": 3, "completion_tokens": 4})
WHOLE = (
    b'{"id":"c","choices":[{"index":0,"message":{"content":"ab"}}],"usage":{"prompt_tokens":3,"completion_tokens":4}}'
)


def batch(*events: bytes) -> Batch:
    return Batch(b"".join(events), CHAT_EVENT)


def make_call(stream: bool = True, raw: bytes = b'{"model":"m"}') -> Call:
    return Call(Request("chat", raw, model="m", stream=stream), Tasks(logging.getLogger("test")))


class Source:
    """Batches, then perhaps an error or a wait for ever; counts how often it is closed."""

    def __init__(self, *reads: Any) -> None:
        self.reads = list(reads)
        self.closed = 0
        self.waiting = asyncio.Event()

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        if not self.reads:
            raise StopAsyncIteration
        if isinstance(self.reads[0], BaseException):
            raise self.reads.pop(0)  # a name for it would make a cycle: error, traceback, frame, error
        read = self.reads.pop(0)
        if read is FOREVER:
            self.waiting.set()
            await asyncio.Event().wait()
        assert isinstance(read, Batch)
        return read

    async def aclose(self) -> None:
        self.closed += 1


FOREVER = object()


def watched(reply: Reply) -> list[Outcome]:
    outcomes: list[Outcome] = []
    reply.on_end(outcomes.append)
    return outcomes


async def texts(reply: Reply) -> bytes:
    return b"".join([batch.raw async for batch in reply])


class Double:
    """A filter that sends each event twice, and one more at the end."""

    def feed(self, chunk: Chunk) -> Sequence[Chunk]:
        return [chunk, chunk]

    def end(self) -> Sequence[Chunk]:
        return [Chunk(said("tail"), CHAT_EVENT)]


class Swallow:
    def feed(self, chunk: Chunk) -> Sequence[Chunk]:
        return []

    def end(self) -> Sequence[Chunk]:
        return []


class Broken:
    def __init__(self, at_end: bool = False) -> None:
        self.at_end = at_end

    def feed(self, chunk: Chunk) -> Sequence[Chunk]:
        if not self.at_end:
            raise UpstreamError("a filter broke")
        return [chunk]

    def end(self) -> Sequence[Chunk]:
        raise UpstreamError("a filter broke at the end")


# ---- reading


async def test_what_nobody_touches_leaves_as_it_came() -> None:
    first, second = batch(said("a")), batch(FINISH, DONE)
    reply = Reply(make_call(), Source(first, second))
    read = [batch async for batch in reply]
    assert read[0] is first
    assert read[1] is second
    assert [batch async for batch in reply] == []


async def test_a_tap_sees_each_batch_and_alters_nothing() -> None:
    first, seen = batch(said("a")), []
    reply = Reply(make_call(), Source(first, batch(DONE))).tap(seen.append)
    read = [batch async for batch in reply]
    assert seen == read
    assert read[0] is first


async def test_stages_run_in_the_order_in_which_they_were_added() -> None:
    before: list[int] = []
    after: list[int] = []
    reply = Reply(make_call(), Source(batch(said("a"), said("b"))))
    reply.tap(lambda batch: before.append(len(batch.chunks)))
    reply.pipe(Double())
    reply.tap(lambda batch: after.append(len(batch.chunks)))
    reply.pipe(Double())
    out = [len(batch.chunks) async for batch in reply]
    assert before == [2]
    assert after == [4, 1]  # the first filter's tail passes what stands behind it
    assert out == [8, 3]


async def test_a_filter_that_changes_nothing_leaves_the_batch() -> None:
    class Same:
        def feed(self, chunk: Chunk) -> Sequence[Chunk]:
            return (chunk,)

        def end(self) -> Sequence[Chunk]:
            return ()

    first = batch(said("a"), said("b"))
    reply = Reply(make_call(), Source(first)).pipe(Same())
    assert [batch async for batch in reply] == [first]


async def test_a_batch_of_which_nothing_is_left_is_not_delivered() -> None:
    seen: list[Batch] = []
    reply = Reply(make_call(), Source(batch(said("a")), batch(said("b")))).pipe(Swallow()).tap(seen.append)
    outcomes = watched(reply)
    assert await texts(reply) == b""
    assert seen == []
    assert [outcome.kind for outcome in outcomes] == ["ok"]


async def test_given_is_what_is_there_and_then_the_rest() -> None:
    rest = Source(batch(said("c")))
    given = Given([batch(said("a")), batch(said("b"))], rest)
    assert [b.raw async for b in given] == [said("a"), said("b"), said("c")]
    await given.aclose()
    assert rest.closed == 1
    await Given([]).aclose()


async def test_heads_are_copied_for_each_follower() -> None:
    head = Head(201, {b"a": b"1"}, model="m", provider="p")
    copy = head.copy()
    copy.headers.setdefault(b"a", b"2")
    copy.headers[b"b"] = b"3"
    assert head.headers == {b"a": b"1"}
    assert (copy.status, copy.model, copy.provider, copy.headers[b"a"]) == (201, "m", "p", b"1")


# ---- endings


async def read_to_its_end(reply: Reply, source: Source) -> None:
    await texts(reply)


async def folded(reply: Reply, source: Source) -> None:
    await reply.whole()


async def closed(reply: Reply, source: Source) -> None:
    await reply.aclose()


async def closed_half_read(reply: Reply, source: Source) -> None:
    await reply.__anext__()
    await reply.aclose()


async def source_breaks(reply: Reply, source: Source) -> None:
    source.reads.append(UpstreamError("broke"))
    with pytest.raises(UpstreamError, match="broke"):
        await texts(reply)


async def refused(reply: Reply, source: Source) -> None:
    source.reads.append(UpstreamError("no", status=429))
    with pytest.raises(UpstreamError):
        await texts(reply)


async def filter_breaks(reply: Reply, source: Source) -> None:
    reply.pipe(Broken())
    with pytest.raises(UpstreamError, match="a filter broke"):
        await texts(reply)


async def filter_breaks_at_the_end(reply: Reply, source: Source) -> None:
    reply.pipe(Broken(at_end=True))
    with pytest.raises(UpstreamError, match="at the end"):
        await texts(reply)


async def tap_breaks(reply: Reply, source: Source) -> None:
    def broken(_: Batch) -> None:
        raise ValueError("a tap broke")

    reply.tap(broken)
    with pytest.raises(ValueError, match="a tap broke"):
        await texts(reply)


async def reader_is_cancelled(reply: Reply, source: Source) -> None:
    source.reads.append(FOREVER)
    task = Tasks(logging.getLogger("test")).spawn(texts(reply))
    await source.waiting.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


WAYS: list[tuple[Callable[[Reply, Source], Awaitable[None]], str, int]] = [
    (read_to_its_end, "ok", 0),
    (folded, "ok", 0),
    (closed, "cancelled", 1),
    (closed_half_read, "cancelled", 1),
    (source_breaks, "failed", 1),
    (refused, "refused", 1),
    (filter_breaks, "failed", 1),
    (filter_breaks_at_the_end, "failed", 0),
    (tap_breaks, "failed", 1),
    (reader_is_cancelled, "cancelled", 1),
]


@pytest.mark.parametrize(("way", "kind", "closings"), WAYS, ids=lambda value: getattr(value, "__name__", None))
async def test_a_reply_ends_exactly_once(
    way: Callable[[Reply, Source], Awaitable[None]], kind: str, closings: int
) -> None:
    source = Source(batch(said("a")), batch(TRAILER))
    reply = Reply(make_call(), source)
    outcomes = watched(reply)
    await way(reply, source)
    assert [outcome.kind for outcome in outcomes] == [kind]
    assert (outcomes[0].error is None) is (way in (read_to_its_end, folded, closed, closed_half_read))
    assert source.closed == closings  # whoever ends by itself has nothing to close
    await reply.aclose()
    assert [batch async for batch in reply] == []
    assert len(outcomes) == 1
    assert source.closed == closings


@pytest.mark.parametrize(("way", "kind", "closings"), WAYS, ids=lambda value: getattr(value, "__name__", None))
async def test_what_is_further_in_ends_first(
    way: Callable[[Reply, Source], Awaitable[None]], kind: str, closings: int
) -> None:
    order: list[str] = []
    source = Source(batch(said("a")), batch(TRAILER))
    call = make_call()
    inner = Reply(call.child(), source)
    inner.on_end(lambda _: order.append("inner"))
    inner.call.on_end(lambda _: order.append("inner call, first"))
    inner.call.on_end(lambda _: order.append("inner call, second"))
    inner.on_end(inner.call.end)
    outer = Reply(call, inner, inner=inner)
    outer.on_end(lambda _: order.append("outer"))
    call.on_end(lambda _: order.append("call"))
    outer.on_end(call.end)
    await way(outer, source)
    # What was put on a call later was put on it further in.
    assert order == ["inner", "inner call, second", "inner call, first", "outer", "call"]


async def test_a_reply_dropped_unread_warns_and_ends_all_the_same() -> None:
    source = Source(batch(said("a")))
    call = make_call()
    outcomes = watched(reply := Reply(call, source))
    with pytest.warns(ResourceWarning, match="dropped unread"):
        del reply
    await call.tasks.drain()
    assert [outcome.kind for outcome in outcomes] == ["cancelled"]
    assert source.closed == 1


async def test_a_reply_dropped_where_warnings_are_errors_ends_all_the_same() -> None:
    source = Source(batch(said("a")))
    call = make_call()
    outcomes = watched(reply := Reply(call, source))
    seen: list[Any] = []
    with warnings.catch_warnings(), pytest.MonkeyPatch.context() as patch:
        warnings.simplefilter("error")
        patch.setattr("sys.unraisablehook", lambda args: seen.append(args.exc_value))
        del reply
    await call.tasks.drain()
    assert [type(error) for error in seen] == [ResourceWarning]
    assert [outcome.kind for outcome in outcomes] == ["cancelled"]
    assert source.closed == 1


def test_a_reply_dropped_without_a_loop_ends_all_the_same() -> None:
    call = make_call()
    outcomes = watched(reply := Reply(call, Given([])))
    with pytest.warns(ResourceWarning):
        del reply
    assert [outcome.kind for outcome in outcomes] == ["cancelled"]


async def test_dropped_half_read_with_an_inner_reply() -> None:
    source = Source(batch(said("a")), batch(said("b")))
    call = make_call()
    order: list[str] = []
    inner = Reply(call.child(), source).on_end(lambda _: order.append("inner"))
    outer = Reply(call, inner, inner=inner).on_end(lambda _: order.append("outer"))
    await outer.__anext__()
    del inner
    with pytest.warns(ResourceWarning):
        del outer
    await call.tasks.drain()
    assert order == ["inner", "outer"]
    assert source.closed == 1


async def test_an_ending_that_comes_late_is_told_at_once() -> None:
    reply = Reply(make_call(), Source(batch(said("a")), UpstreamError("broke")))
    with pytest.raises(UpstreamError):
        await texts(reply)
    (late,) = watched(reply)
    assert late.kind == "failed"
    assert late.error is None


async def test_an_ending_that_raises_is_logged_and_the_others_run(caplog: pytest.LogCaptureFixture) -> None:
    def broken(_: Outcome) -> None:
        raise ValueError("an ending broke")

    reply = Reply(make_call(), Source()).on_end(broken)
    outcomes = watched(reply)
    await texts(reply)
    assert len(outcomes) == 1
    assert "an ending broke" in caplog.text


async def test_what_an_ending_returns_to_await_settles_in_a_task() -> None:
    may, settled = asyncio.Event(), []

    async def settle(outcome: Outcome) -> None:
        await may.wait()
        settled.append(outcome.kind)

    call = make_call()
    reply = Reply(call, Source(batch(DONE))).on_end(settle)
    assert await texts(reply) == DONE  # the last byte does not wait for it
    assert settled == []
    assert len(call.tasks) == 1
    may.set()
    await call.tasks.drain()
    assert settled == ["ok"]


async def test_closed_by_another_while_a_read_waits() -> None:
    class Woken(Source):
        async def aclose(self) -> None:
            await super().aclose()
            self.reads.clear()
            self.woken.set()

        async def __anext__(self) -> Batch:
            if not self.reads:
                await self.woken.wait()
                raise self.ending
            return await super().__anext__()

        woken: asyncio.Event
        ending: BaseException

    for ending in (UpstreamError("connection closed"), StopAsyncIteration()):
        source = Woken(batch(said("a")))
        source.woken, source.ending = asyncio.Event(), ending
        call = make_call()
        reply = Reply(call, source)
        outcomes = watched(reply)
        await reply.__anext__()
        task = call.tasks.spawn(texts(reply))
        await asyncio.sleep(0)
        await reply.aclose()
        await asyncio.wait([task])
        _ = task.exception()
        assert [outcome.kind for outcome in outcomes] == ["cancelled"]
        assert source.closed == 1


# ---- usage


async def test_usage_is_what_the_stream_reports() -> None:
    reply = Reply(make_call(), Source(batch(said("a")), batch(TRAILER, DONE)))
    outcomes = watched(reply)
    assert reply.usage()[1] is True
    await texts(reply)
    assert outcomes[0].usage == Usage(3, 4)
    assert outcomes[0].estimated is False


async def test_usage_is_inherited_from_the_reply_within() -> None:
    call = make_call()
    inner = Reply(call.child(), Source(batch(TRAILER)))
    middle = Reply(call, inner, inner=inner)
    outer = Reply(call, middle, inner=middle)
    outcomes = watched(outer)
    assert await texts(outer) == TRAILER
    assert outcomes[0] == Outcome("ok", Usage(3, 4))


async def test_what_a_reply_has_cost_is_its_own_to_say() -> None:
    class Costly(Reply):
        def usage(self) -> tuple[Usage, bool]:
            return Usage(40, 2), True

    call = make_call()
    inner = Costly(call, Given([]))
    middle = Reply(call, inner, inner=inner)
    outer = Reply(call, middle, inner=middle)
    outcomes = watched(outer)
    await texts(outer)
    assert outcomes[0] == Outcome("ok", Usage(40, 2), estimated=True)


async def test_usage_that_nobody_reports_is_estimated() -> None:
    streamed = Reply(make_call(raw=b" " * 400), Source(batch(said("a") * 100)))
    outcomes = watched(streamed)
    await texts(streamed)
    assert outcomes[0].estimated
    assert outcomes[0].usage.input == 100
    assert 20 < outcomes[0].usage.output < 100
    whole = Reply(make_call(stream=False, raw=b" " * 400), Source(Batch(b'{"x":"%s"}' % (b"a" * 400), CHAT_ANSWER)))
    outcomes = watched(whole)
    await texts(whole)
    assert outcomes[0].usage == Usage(100, 102)


async def test_usage_is_estimated_by_the_call_that_was_made() -> None:
    """A chain may stream what it asks whole: the inner request is what was paid."""
    call = make_call(stream=True)
    inner = Reply(make_call(stream=False, raw=b" " * 400), Source(Batch(b" " * 400, CHAT_ANSWER)))
    outer = Reply(call, inner, inner=inner)
    await texts(outer)
    assert outer.usage() == (Usage(100, 100), True)


async def test_usage_of_a_broken_stream_is_what_passed() -> None:
    reply = Reply(make_call(), Source(batch(said("a") * 50), UpstreamError("broke")))
    outcomes = watched(reply)
    with pytest.raises(UpstreamError):
        await texts(reply)
    assert outcomes[0].estimated
    assert outcomes[0].usage.output > 5


async def test_usage_that_a_filter_adds_at_the_end_counts() -> None:
    class Report:
        def feed(self, chunk: Chunk) -> Sequence[Chunk]:
            return [chunk]

        def end(self) -> Sequence[Chunk]:
            return [Chunk(TRAILER, CHAT_EVENT)]

    reply = Reply(make_call(), Source(batch(said("a")))).pipe(Report())
    outcomes = watched(reply)
    await texts(reply)
    assert outcomes[0] == Outcome("ok", Usage(3, 4))


# ---- whole


async def test_whole_folds_a_stream() -> None:
    reply = Reply(make_call(), Source(batch(said("a"), said("b")), batch(b": ping\n\n", FINISH), batch(TRAILER, DONE)))
    whole = await reply.whole()
    assert whole.whole
    assert whole.parts() == [(0, "text", 0, "ab")]
    assert whole.finish == "stop"
    assert whole.usage == Usage(3, 4)


async def test_whole_of_a_whole_answer_is_itself() -> None:
    chunk = Chunk(WHOLE, CHAT_ANSWER)
    reply = Reply.of(make_call(), chunk, Head(203))
    outcomes = watched(reply)
    assert await reply.whole() is chunk
    assert reply.head.status == 203
    assert outcomes == [Outcome("ok", Usage(3, 4))]
    other = Chunk(b"{}", MESSAGES_ANSWER)
    reply = Reply.of(make_call(), other)
    assert reply.surface == "messages"
    assert await reply.whole() is other


@pytest.mark.parametrize("given", [True, False])
async def test_whole_passes_the_stages_and_ends_once(given: bool) -> None:
    batches = [batch(said("a"))]
    reply = Reply(make_call(), Given(batches) if given else Source(*batches)).pipe(Double())
    outcomes = watched(reply)
    assert (await reply.whole()).parts() == [(0, "text", 0, "aatail")]
    assert [outcome.kind for outcome in outcomes] == ["ok"]


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("at_end", [True, False])
async def test_whole_where_a_filter_breaks(given: bool, at_end: bool) -> None:
    batches = [batch(said("a"))]
    reply = Reply(make_call(), Given(batches) if given else Source(*batches)).pipe(Broken(at_end))
    outcomes = watched(reply)
    with pytest.raises(UpstreamError, match="a filter broke"):
        await reply.whole()
    assert [outcome.kind for outcome in outcomes] == ["failed"]


@pytest.mark.parametrize("raw", [b"data: {\n\n", b"data: 1\n\n", b'data: {"choices":[1]}\n\n', DONE, b": ping\n\n"])
async def test_what_does_not_fold_is_the_providers_fault(raw: bytes) -> None:
    with pytest.raises(UpstreamError):
        await Reply(make_call(), Source(batch(raw))).whole()


def test_fold_and_unfold() -> None:
    chunks = unfold(Chunk(WHOLE, CHAT_ANSWER))
    assert chunks[-1].raw == DONE
    assert not any(chunk.whole for chunk in chunks)
    folded = fold([Batch.of(chunks)], "chat")
    assert folded.parts() == [(0, "text", 0, "ab")]
    assert folded.usage == Usage(3, 4)
    with pytest.raises(UpstreamError):
        unfold(Chunk(b"[]", CHAT_ANSWER))
    with pytest.raises(UpstreamError):
        fold([], "chat")


# ---- memory


async def test_nothing_of_a_call_waits_for_the_garbage_collector() -> None:
    class Thing:
        pass

    async def one(end: str) -> list[weakref.ref[Any]]:
        call, thing, source = make_call(), Thing(), Source(batch(said("a")), batch(DONE))
        call.put(thing)
        if end == "error":
            source.reads.append(UpstreamError("broke"))
        inner = Reply(call.child(), source)
        reply = Reply(call, inner, inner=inner)
        # Endings and stages know the call and the reply, as they do in middlewares.
        call.on_end(lambda outcome: setattr(thing, "call", (call.id, outcome.kind)))
        reply.on_end(lambda outcome: setattr(thing, "reply", (reply.head, outcome.kind)))
        reply.tap(lambda batch: setattr(thing, "model", reply.head.model))
        reply.on_end(call.end)
        seen: list[weakref.ref[Any]] = [weakref.ref(thing), weakref.ref(reply), weakref.ref(inner), weakref.ref(source)]
        try:
            if end == "close":
                await reply.aclose()
            elif end == "whole":
                await reply.whole()
            else:
                await texts(reply)
        except UpstreamError:
            pass
        return seen

    gc.collect()
    gc.disable()
    try:
        for end in ("read", "close", "whole", "error"):
            assert [ref() for ref in await one(end)] == [None] * 4, end
    finally:
        gc.enable()


# ---- answers of one's own


@pytest.mark.parametrize("surface", ["chat", "messages"])
async def test_a_text_said_in_each_dialect(surface: str) -> None:
    call = Call(Request(surface, b"{}", model="m"), Tasks(logging.getLogger("test")), id="req_1")
    outcomes: list[Outcome] = []
    reply = Reply.saying(call, 'Not "now".').on_end(outcomes.append)
    chunk = await reply.whole()
    assert [(part.kind, part.text) for part in chunk.parts()] == [("text", 'Not "now".')]
    assert chunk.codec.surface == surface
    assert json.loads(chunk.raw)["model"] == "m"
    assert outcomes == [Outcome("ok", Usage(0, 0))]


def test_where_answers_are_no_texts_nothing_can_be_said() -> None:
    call = Call(Request("embeddings", b"{}"), Tasks(logging.getLogger("test")))
    with pytest.raises(InvalidRequest, match="embeddings"):
        Reply.saying(call, "x")
