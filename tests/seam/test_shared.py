"""One call, several followers: all see the same, none disturbs another, and the last one to leave ends it."""

import asyncio
import gc
import json
import logging
import warnings
import weakref
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.seam import (
    Batch,
    Call,
    Given,
    Head,
    Inbound,
    ModelNotFound,
    Outcome,
    Reply,
    Request,
    Shared,
    Tasks,
    Unavailable,
    UpstreamError,
    Usage,
)
from gateway.seam.shared import WEIGHT
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.sse import DONE, frame

SIZE = 1 << 20


def said(text: str) -> bytes:
    return frame(b'{"id":"c","choices":[{"index":0,"delta":{"content":%b}}]}' % json.dumps(text).encode())


def batch(text: str) -> Batch:
    return Batch(said(text), CHAT_EVENT)


TRAILER = Batch(frame(b'{"id":"c","choices":[],"usage":{"prompt_tokens":3,"completion_tokens":4}}'), CHAT_EVENT)
END = Batch(DONE, CHAT_EVENT)
FULL = object()
"""The clean end of a source."""


def make_call() -> Call:
    return Call(Request("chat", b'{"model":"m"}', model="m", stream=True), Tasks(logging.getLogger("test")), id="req_1")


class Pulled:
    """A source that gives what is put into it, and notes how often it is read and closed."""

    def __init__(self, *items: Any) -> None:
        self.items = list(items)
        self.taken = 0
        self.closed = 0
        self._waiter: asyncio.Future[None] | None = None

    def put(self, *items: Any) -> None:
        self.items += items
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        while not self.items:
            self._waiter = asyncio.get_running_loop().create_future()
            await self._waiter
        if isinstance(self.items[0], BaseException):
            raise self.items.pop(0)
        item = self.items.pop(0)
        if item is FULL:
            raise StopAsyncIteration
        self.taken += 1
        assert isinstance(item, Batch)
        return item

    async def aclose(self) -> None:
        self.closed += 1


class Pushed(Pulled):
    """The same, that pushes from `put` itself, as a socket's callback does."""

    _push: Callable[[Batch], bool] | None = None
    _refused = False
    _trouble: BaseException | None = None

    def put(self, *items: Any) -> None:
        self.items += items
        while self._push is not None and self.items and isinstance(self.items[0], Batch):
            self.taken += 1
            try:
                self._refused = not self._push(self.items.pop(0))
            except BaseException as error:
                self._trouble = error
            if self._refused or self._trouble is not None:
                self._push = None
        super().put()

    async def flow(self, push: Callable[[Batch], bool]) -> bool:
        while True:
            while self.items:
                if self.items[0] is FULL:
                    self.items.pop(0)
                    return True
                if isinstance(self.items[0], BaseException):
                    raise self.items.pop(0)
                self.taken += 1
                if not push(self.items.pop(0)):
                    return False
            self._push, self._refused = push, False
            self._waiter = asyncio.get_running_loop().create_future()
            try:
                await self._waiter
            finally:
                self._push = None
            if self._trouble is not None:
                raise self._trouble
            if self._refused:
                return False


SOURCES = pytest.mark.parametrize("kind", [Pulled, Pushed])


class Opened:
    """A shared call over a source, and what became of it."""

    def __init__(self, source: Pulled, size: int = SIZE, head: Head | None = None) -> None:
        self.outcomes: list[Outcome] = []
        self.replies: list[Outcome] = []
        self.outer = make_call()
        self.tasks = self.outer.tasks
        inner = self.outer.apart()
        inner.on_end(self.outcomes.append)

        async def handler(call: Call) -> Reply:
            return Reply(call, source, head).on_end(self.replies.append)

        self.shared = Shared(handler, inner, size)

    async def join(self) -> Reply:
        return await self.shared.join(self.outer)

    async def nothing_left(self, kind: str) -> None:
        await turns()
        assert [outcome.kind for outcome in self.outcomes] == [kind]
        assert [outcome.kind for outcome in self.replies] == [kind]
        assert len(self.tasks) == 0


async def turns(count: int = 12) -> None:
    """Let all that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def read(reply: Reply) -> list[bytes]:
    return [batch.raw async for batch in reply]


async def flowed(reply: Reply) -> list[bytes]:
    seen: list[bytes] = []

    def push(batch: Batch) -> bool:
        seen.append(batch.raw)
        return True

    assert await reply.flow(push)
    return seen


WAYS = pytest.mark.parametrize("way", [read, flowed])
Way = Callable[[Reply], Awaitable[list[bytes]]]


# ---- reading


@SOURCES
@WAYS
async def test_each_follower_reads_all_of_it(kind: type[Pulled], way: Way) -> None:
    source = kind()
    opened = Opened(source)
    early = [opened.tasks.spawn(way(await opened.join())) for _ in range(2)]  # type: ignore[arg-type]
    await turns()
    source.put(batch("a"), batch("b"))
    await turns()
    late = await opened.join()
    source.put(TRAILER, END, FULL)
    expected = [said("a"), said("b"), TRAILER.raw, END.raw]
    assert [await task for task in early] == [expected, expected]
    assert await way(late) == expected
    assert await way(await opened.join()) == expected  # it is over, and still there
    await opened.nothing_left("ok")
    assert source.taken == 4


@SOURCES
async def test_a_whole_answer_is_shared_as_well(kind: type[Pulled]) -> None:
    raw = b'{"id":"c","choices":[{"index":0,"message":{"content":"ab"}}]}'
    opened = Opened(kind(Batch(raw, CHAT_ANSWER), FULL))
    first, second = await opened.join(), await opened.join()
    assert (await first.whole()).raw == raw
    assert (await second.whole()).raw == raw
    await opened.nothing_left("ok")


async def test_an_empty_answer_ends() -> None:
    opened = Opened(Pulled(FULL))
    assert await flowed(await opened.join()) == []


@SOURCES
async def test_it_is_read_as_its_fastest_follower_reads(kind: type[Pulled]) -> None:
    source = kind(*(batch(str(number)) for number in range(9)))
    opened = Opened(source)
    fast, slow = await opened.join(), await opened.join()
    await turns()
    assert source.taken == 0
    for number in range(1, 4):
        await anext(fast)
        await turns()
        assert source.taken == number
    await anext(slow)
    await turns()
    assert source.taken == 3
    await fast.aclose()
    await slow.aclose()


@SOURCES
async def test_who_wants_no_more_is_not_pushed(kind: type[Pulled]) -> None:
    source = kind(*(batch(str(number)) for number in range(9)))
    opened = Opened(source)
    reply = await opened.join()
    seen: list[bytes] = []

    def push(batch: Batch) -> bool:
        seen.append(batch.raw)
        return len(seen) % 2 == 1

    assert not await reply.flow(push)
    await turns()
    assert (len(seen), source.taken) == (2, 2)
    assert not await reply.flow(push)
    await turns()
    assert (len(seen), source.taken) == (4, 4)
    await reply.aclose()


async def test_a_batch_is_pushed_from_where_it_comes() -> None:
    """No task runs between the source and those who wait: all have it when `put` returns."""
    source = Pushed()
    opened = Opened(source)
    seen: list[tuple[int, bytes]] = []

    def push(number: int) -> Callable[[Batch], bool]:
        return lambda batch: seen.append((number, batch.raw)) is None

    readers = [opened.tasks.spawn((await opened.join()).flow(push(number))) for number in range(2)]
    await turns()
    source.put(batch("a"))
    assert seen == [(0, said("a")), (1, said("a"))]
    source.put(FULL)
    assert [await reader for reader in readers] == [True, True]


async def test_a_follower_is_a_reply_like_any_other() -> None:
    class Upper:
        def feed(self, text: str) -> str:
            return text.upper()

        def end(self) -> str:
            return ""

    opened = Opened(Pulled(batch("a"), batch("b"), END, FULL))
    plain, changed = await opened.join(), await opened.join()
    tapped: list[Batch] = []
    ended: list[Outcome] = []
    plain.tap(tapped.append)
    changed.rewrite(lambda key: Upper()).on_end(ended.append)
    assert await flowed(changed) == [said("a").replace(b'"a"', b'"A"'), said("b").replace(b'"b"', b'"B"'), DONE]
    assert await read(plain) == [batch.raw for batch in tapped] == [said("a"), said("b"), DONE]
    assert [outcome.kind for outcome in ended] == ["ok"]


async def test_documents_are_not_kept() -> None:
    opened = Opened(Pushed(batch("kept?")))
    first = await opened.join()
    looked = first.tap(lambda batch: [chunk.doc for chunk in batch.chunks])
    await anext(looked)
    gc.collect()
    assert not [thing for thing in gc.get_objects() if isinstance(thing, Batch) and thing.raw == said("kept?")]
    await first.aclose()


async def test_each_head_is_its_followers_own() -> None:
    opened = Opened(Pulled(FULL), head=Head(201, {b"x-a": b"1"}, model="m", provider="p"))
    first, second = await opened.join(), await opened.join()
    first.head.headers[b"x-b"] = b"2"
    assert (second.head.status, second.head.headers, second.head.model) == (201, {b"x-a": b"1"}, "m")
    assert first.surface == "chat"
    assert await read(first) == await read(second) == []


async def test_usage_is_that_of_the_call() -> None:
    opened = Opened(Pulled(batch("a"), TRAILER, END, FULL))
    ended: list[Outcome] = []
    for _ in range(2):
        await flowed((await opened.join()).on_end(ended.append))
    expected = Usage(3, 4)
    assert [(outcome.usage, outcome.estimated) for outcome in (*ended, *opened.outcomes)] == [(expected, False)] * 3


async def test_what_was_put_is_seen_further_in() -> None:
    outer = make_call()
    outer.put(Inbound([(b"x-session", b"7")]))
    inner = outer.apart()
    inner.put(Usage(1, 1))
    found = inner.get(Inbound)
    assert found is not None
    assert found.header(b"x-session") == b"7"
    assert outer.get(Usage) is None
    assert (inner.id, inner.depth, inner.tasks) == (outer.id, 0, outer.tasks)
    assert inner.request is not outer.request
    assert inner.request.raw is outer.request.raw


# ---- leaving


@SOURCES
@WAYS
async def test_who_leaves_leaves_alone(kind: type[Pulled], way: Way) -> None:
    source = kind(batch("a"))
    opened = Opened(source)
    stays, leaves = await opened.join(), await opened.join()
    reading = opened.tasks.spawn(way(leaves))  # type: ignore[arg-type]
    staying = opened.tasks.spawn(way(stays))  # type: ignore[arg-type]
    await turns()
    reading.cancel()
    await turns()
    assert reading.cancelled()
    assert not opened.outcomes
    source.put(batch("b"), FULL)
    assert await staying == [said("a"), said("b")]
    await opened.nothing_left("ok")


@SOURCES
@WAYS
async def test_the_last_one_to_leave_ends_the_call_at_once(kind: type[Pulled], way: Way) -> None:
    source = kind(batch("a"))
    opened = Opened(source)
    followers = [await opened.join() for _ in range(3)]
    readings = [opened.tasks.spawn(way(follower)) for follower in followers]  # type: ignore[arg-type]
    await turns()
    for reading in readings:
        assert source.closed == 0
        reading.cancel()
        await turns()
    assert source.closed == 1
    assert not opened.shared.joinable
    assert opened.shared.over
    await opened.nothing_left("cancelled")


async def test_the_call_ends_before_its_last_follower() -> None:
    opened = Opened(Pulled())
    order: list[str] = []
    opened.shared.call.on_end(lambda outcome: order.append("call"))
    follower = (await opened.join()).on_end(lambda outcome: order.append("follower"))
    await follower.aclose()
    assert order == ["call", "follower"]


async def test_one_that_is_given_up_before_it_began() -> None:
    entered = []

    async def handler(call: Call) -> Reply:
        entered.append(call)
        return Reply(call, Given([]))

    outer = make_call()
    call = outer.apart()
    ended: list[Outcome] = []
    call.on_end(ended.append)
    shared = Shared(handler, call, SIZE)
    shared.release()  # with nobody following yet
    assert not shared.joinable
    with pytest.raises(RuntimeError, match="cannot be joined"):
        await shared.join(outer)
    await turns()
    assert entered == []
    assert [outcome.kind for outcome in ended] == ["cancelled"]
    assert shared.over
    assert len(outer.tasks) == 0


async def test_left_while_the_head_is_still_to_come() -> None:
    ended: list[Outcome] = []
    unwound = []

    async def handler(call: Call) -> Reply:
        try:
            await asyncio.Event().wait()
        finally:
            unwound.append(True)
        raise AssertionError

    outer = make_call()
    call = outer.apart()
    call.on_end(ended.append)
    shared = Shared(handler, call, SIZE)
    waiting = [outer.tasks.spawn(shared.join(outer)) for _ in range(2)]
    await turns()
    waiting[0].cancel()
    await turns()
    assert not unwound
    waiting[1].cancel()
    await turns()
    assert unwound == [True]
    assert [outcome.kind for outcome in ended] == ["cancelled"]
    assert len(outer.tasks) == 0


async def test_a_handler_that_answers_though_it_was_cancelled() -> None:
    source = Pulled(batch("a"))
    ended: list[Outcome] = []

    async def handler(call: Call) -> Reply:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            pass
        return Reply(call, source)

    outer = make_call()
    call = outer.apart()
    call.on_end(ended.append)
    shared = Shared(handler, call, SIZE)
    waiting = outer.tasks.spawn(shared.join(outer))
    await turns()
    waiting.cancel()
    await turns()
    assert source.closed == 1
    assert [outcome.kind for outcome in ended] == ["cancelled"]
    assert len(outer.tasks) == 0


@pytest.mark.parametrize("when", range(1, 9))
async def test_left_at_every_moment_of_its_beginning(when: int) -> None:
    """Whichever turn of the loop the client leaves in, the Reply is closed and the call ends, once."""
    source = Pulled(batch("a"))
    ended: list[Outcome] = []

    async def handler(call: Call) -> Reply:
        await asyncio.sleep(0)
        return Reply(call, source)

    outer = make_call()
    call = outer.apart()
    call.on_end(ended.append)
    shared = Shared(handler, call, SIZE)

    async def client() -> list[bytes]:
        return await read(await shared.join(outer))

    visit = outer.tasks.spawn(client())
    await turns(when)
    visit.cancel()
    await turns(20)
    assert visit.cancelled()
    assert [outcome.kind for outcome in ended] == ["cancelled"]
    assert source.closed <= 1
    assert len(outer.tasks) == 0
    gc.collect()  # a Reply dropped unread would be a warning, which is an error


async def test_a_follower_dropped_unread_leaves_too() -> None:
    source = Pulled(batch("a"))
    opened = Opened(source)
    reply = await opened.join()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        del reply
        gc.collect()
    assert [warning.category for warning in caught] == [ResourceWarning]
    await opened.nothing_left("cancelled")
    assert source.closed == 1


async def test_the_gateway_stops() -> None:
    opened = Opened(Pulled(batch("a")))
    reply = await opened.join()
    assert (await anext(reply)).raw == said("a")
    assert opened.shared._task is not None
    opened.shared._task.cancel()
    with pytest.raises(Unavailable, match="gave this call up"):
        await anext(reply)
    await opened.nothing_left("cancelled")


# ---- holding


@SOURCES
async def test_held_it_runs_on_with_nobody_following(kind: type[Pulled]) -> None:
    source = kind(batch("a"))
    opened = Opened(source)
    opened.shared.hold()
    reply = await opened.join()
    await anext(reply)
    await reply.aclose()
    source.put(batch("b"), batch("c"))
    await turns()
    assert source.taken == 3
    follower = await opened.join()
    source.put(FULL)
    assert await read(follower) == [said("a"), said("b"), said("c")]
    await opened.nothing_left("ok")


async def test_held_alone_it_is_pushed_from_where_it_comes() -> None:
    source = Pushed()
    opened = Opened(source)
    opened.shared.hold()
    await (await opened.join()).aclose()
    await turns()
    source.put(batch("a"), batch("b"))
    assert source.taken == 2
    opened.shared.release()
    await opened.nothing_left("cancelled")


@SOURCES
async def test_when_the_hold_is_over_so_is_the_call(kind: type[Pulled]) -> None:
    source = kind(batch("a"))
    opened = Opened(source)
    opened.shared.hold()
    await (await opened.join()).aclose()
    await turns()
    assert not opened.outcomes
    opened.shared.release()
    await opened.nothing_left("cancelled")
    assert source.closed == 1


async def test_a_hold_that_is_over_leaves_followers_alone() -> None:
    source = Pulled(batch("a"), FULL)
    opened = Opened(source)
    opened.shared.hold()
    reply = await opened.join()
    opened.shared.release()
    assert await read(reply) == [said("a")]
    await opened.nothing_left("ok")
    opened.shared.release()


@SOURCES
async def test_held_alone_it_is_given_up_when_nobody_could_read_all_of_it(kind: type[Pulled]) -> None:
    source = kind(batch("a"))
    opened = Opened(source, size=2 * (len(said("a")) + WEIGHT))
    opened.shared.hold()
    await (await opened.join()).aclose()
    await turns()
    source.put(batch("b"))
    await turns()
    assert opened.shared.joinable
    source.put(batch("c"))
    await turns()
    assert not opened.shared.joinable
    await opened.nothing_left("cancelled")


# ---- failing


@pytest.mark.parametrize("when", [0, 1, 2])
@SOURCES
@WAYS
async def test_an_error_reaches_all_behind_what_came_before_it(kind: type[Pulled], way: Way, when: int) -> None:
    error = UpstreamError("it broke", headers=[(b"x-a", b"1")])
    source = kind(*[batch("a"), batch("b")][:when])
    opened = Opened(source)
    followers = [await opened.join() for _ in range(3)]
    seen: list[list[bytes]] = [[], [], []]
    readings = [
        opened.tasks.spawn(way(follower.tap(lambda batch, seen=seen: seen.append(batch.raw))))  # type: ignore[arg-type, misc]
        for follower, seen in zip(followers[:2], seen, strict=False)
    ]
    await turns()
    source.put(error)
    told = []
    for reading in readings:
        with pytest.raises(UpstreamError, match="it broke") as caught:
            await reading
        told.append(caught.value)
    with pytest.raises(UpstreamError, match="it broke") as caught:  # one who had read nothing yet
        await way(followers[2].tap(lambda batch: seen[2].append(batch.raw)))
    told.append(caught.value)
    assert seen == [[said("a"), said("b")][:when]] * 3
    assert len({id(one) for one in told}) == 3
    told[0].headers.append((b"x-b", b"2"))
    assert list(told[1].headers) == [(b"x-a", b"1")]
    assert told[0].__cause__ is error
    await opened.nothing_left("failed")
    assert not opened.shared.joinable


async def test_an_error_before_the_head_reaches_all() -> None:
    fail = asyncio.Event()
    ended: list[Outcome] = []

    async def handler(call: Call) -> Reply:
        await fail.wait()
        raise ModelNotFound("m", ("n",))

    outer = make_call()
    call = outer.apart()
    call.on_end(ended.append)
    shared = Shared(handler, call, SIZE)
    joining = [outer.tasks.spawn(shared.join(outer)) for _ in range(3)]
    for task in joining:
        task.add_done_callback(lambda task: task.exception())
    await turns()
    fail.set()
    for task in joining:
        with pytest.raises(ModelNotFound, match="Did you mean 'n'") as caught:
            await task
        assert (caught.value.name, caught.value.status, caught.value.param) == ("m", 404, "model")
    assert [outcome.kind for outcome in ended] == ["refused"]


async def test_a_fault_of_ours_reaches_all_as_it_is() -> None:
    opened = Opened(Pulled(ZeroDivisionError("ours")))
    first, second = await opened.join(), await opened.join()
    for reply in (first, second):
        with pytest.raises(ZeroDivisionError, match="ours"):
            await read(reply)
    await opened.nothing_left("failed")


@SOURCES
async def test_a_follower_whose_filter_fails_fails_alone(kind: type[Pulled]) -> None:
    source = kind()
    opened = Opened(source)

    def broken(batch: Batch) -> None:
        raise ZeroDivisionError("a tap broke")

    good = opened.tasks.spawn(flowed(await opened.join()))
    bad = (await opened.join()).tap(broken)
    failing = opened.tasks.spawn(flowed(bad))
    await turns()
    source.put(batch("a"))
    with pytest.raises(ZeroDivisionError):
        await failing
    source.put(batch("b"), FULL)
    assert await good == [said("a"), said("b")]
    await opened.nothing_left("ok")


async def test_nothing_keeps_a_call_that_failed_alive() -> None:
    gc.collect()
    gc.disable()
    try:
        opened = Opened(Pulled(batch("a"), UpstreamError("it broke")))
        reply = await opened.join()
        try:
            await read(reply)
        except UpstreamError:
            pass
        await turns()
        gone = weakref.ref(reply)
        del reply, opened
        assert gone() is None
    finally:
        gc.enable()


# ---- overflowing


def weighing(count: int) -> int:
    return count * (len(said("0")) + WEIGHT)


@SOURCES
async def test_beyond_the_buffer_nobody_joins_and_those_there_go_on(kind: type[Pulled]) -> None:
    source = kind(*(batch(str(number)) for number in range(3)))
    opened = Opened(source, size=weighing(3))
    first, second = await opened.join(), await opened.join()
    for _ in range(3):
        await anext(first)
    assert opened.shared.joinable
    source.put(batch("3"))
    await anext(first)
    assert not opened.shared.joinable
    assert opened.shared.size <= weighing(3)
    source.put(FULL)
    assert await read(first) == []
    with pytest.raises(Unavailable, match="fell more than") as caught:  # it had read nothing
        await read(second)
    assert caught.value.code == "fell_behind"
    await opened.nothing_left("ok")


@SOURCES
async def test_one_not_too_far_behind_is_not_lost(kind: type[Pulled]) -> None:
    source = kind(*(batch(str(number)) for number in range(8)))
    opened = Opened(source, size=weighing(3))
    fast, slow = await opened.join(), await opened.join()
    for _ in range(3):
        await anext(fast)
    left = 8
    for number in range(3, 8):
        assert (await anext(slow)).raw == said(str(number - 3))
        await anext(fast)
        left -= 1
        assert opened.shared.size <= weighing(3)
    source.put(FULL)
    assert await read(fast) == []
    assert await read(slow) == [said(str(number)) for number in range(5, 8)]
    await opened.nothing_left("ok")


async def test_a_follower_that_was_lost_keeps_nothing_alive() -> None:
    source = Pulled(*(batch(str(number)) for number in range(5)))
    opened = Opened(source, size=weighing(2))
    fast, lost = await opened.join(), await opened.join()
    for _ in range(4):
        await anext(fast)
    await fast.aclose()
    await opened.nothing_left("cancelled")
    with pytest.raises(Unavailable):
        await anext(lost)


@SOURCES
@WAYS
async def test_a_batch_larger_than_the_buffer_reaches_those_who_wait(kind: type[Pulled], way: Way) -> None:
    source = kind(batch("a" * 5000), batch("b" * 5000), FULL)
    opened = Opened(source, size=100)
    reading = [opened.tasks.spawn(way(await opened.join())) for _ in range(2)]  # type: ignore[arg-type]
    expected = [said("a" * 5000), said("b" * 5000)]
    assert [await task for task in reading] == [expected, expected]
    await opened.nothing_left("ok")


async def test_memory_is_bounded_however_long_the_answer() -> None:
    source = Pushed()
    opened = Opened(source, size=weighing(10))
    reading = opened.tasks.spawn(flowed(await opened.join()))
    await turns()
    largest = 0
    for number in range(1000):
        source.put(batch(str(number % 10)))
        largest = max(largest, opened.shared.size)
    source.put(FULL)
    assert len(await reading) == 1000
    assert largest <= weighing(10)


# ---- any schedule


class Client:
    """A follower as the model sees it."""

    def __init__(self, reply: Reply) -> None:
        self.reply = reply
        self.seen: list[bytes] = []
        self.wants = 0
        self.done: BaseException | str | None = None
        self.task: asyncio.Task[None] | None = None

    async def pull(self) -> None:
        try:
            self.seen.append((await anext(self.reply)).raw)
        except StopAsyncIteration:
            self.done = "end"
        except Exception as error:
            self.done = error.with_traceback(None)

    async def flow(self, count: int) -> None:
        left = count

        def push(batch: Batch) -> bool:
            nonlocal left
            self.seen.append(batch.raw)
            left -= 1
            return left > 0

        try:
            if await self.reply.flow(push):
                self.done = "end"
        except Exception as error:
            self.done = error.with_traceback(None)


STEP = st.one_of(
    st.just(("join", 0, 0)),
    st.just(("put", 0, 0)),
    st.just(("put", 0, 0)),
    st.tuples(st.just("pull"), st.integers(0, 3), st.just(0)),
    st.tuples(st.just("flow"), st.integers(0, 3), st.integers(1, 4)),
    st.tuples(st.just("leave"), st.integers(0, 3), st.just(0)),
    st.just(("hold", 0, 0)),
    st.just(("release", 0, 0)),
)


@settings(max_examples=300, deadline=None)
@given(
    steps=st.lists(STEP, max_size=40),
    bound=st.sampled_from([2, 5, 1000]),
    ending=st.sampled_from(["end", "error"]),
    kind=st.sampled_from([Pulled, Pushed]),
    settle=st.integers(0, 8),
)
def test_any_schedule_of_followers(
    steps: list[tuple[str, int, int]], bound: int, ending: str, kind: type[Pulled], settle: int
) -> None:
    asyncio.run(schedule(steps, bound, ending, kind, settle))


async def schedule(steps: list[tuple[str, int, int]], bound: int, ending: str, kind: type[Pulled], settle: int) -> None:
    source = kind()
    opened = Opened(source, size=weighing(bound))
    shared = opened.shared
    put: list[bytes] = []
    clients = [Client(await opened.join())]
    left: list[Client] = []
    held = False

    for step, number, count in steps:
        client = clients[number] if number < len(clients) else None
        idle = client is not None and (client.task is None or client.task.done()) and client.done is None
        if step == "put":
            put.append(said(str(len(put) % 10)))
            source.put(Batch(put[-1], CHAT_EVENT))
        elif step == "join":
            if shared.joinable:
                assert source.taken <= bound
                clients.append(Client(await opened.join()))
        elif step == "hold" and shared.joinable:
            held = True
            shared.hold()
        elif step == "release" and held:
            held = False
            shared.release()
        elif client is not None and step in ("pull", "flow") and idle:
            client.task = opened.tasks.spawn(client.pull() if step == "pull" else client.flow(count))
        elif client is not None and step == "leave":
            clients.remove(client)
            left.append(client)
            if client.task is not None and not client.task.done():
                client.task.cancel()
                await asyncio.wait((client.task,))
            await client.reply.aclose()
        await turns(settle)

    await turns(20)
    everyone = [*clients, *left]
    for client in everyone:
        assert put[: len(client.seen)] == client.seen  # the same, in order, from the start
        if isinstance(client.done, Unavailable):
            assert source.taken > bound
            assert client.done.code == "fell_behind" or "gave this call up" in client.done.message
    assert opened.shared.size <= weighing(max(bound, 1))
    if not held and not any(step == "hold" for step, _, _ in steps):
        # Nobody reads ahead of the fastest follower, who may have left as what it waited for came.
        assert source.taken <= max(len(client.seen) + (client in left) for client in everyone)
    living = [client for client in clients if client.done is None]
    if not living and not held:
        await opened.nothing_left("cancelled")
        assert source.closed == 1
        return
    if opened.outcomes:  # held alone until it outgrew its buffer, or left to those who had fallen behind unawares
        assert not living or source.taken > bound
        for client in living:
            await client.flow(1000)
            assert isinstance(client.done, Unavailable)
        await opened.nothing_left("cancelled")
        return

    source.put(FULL if ending == "end" else UpstreamError("it broke"))
    for client in living:
        if client.task is not None:
            await asyncio.wait((client.task,))
        while client.done is None:
            await client.flow(1000)
        if isinstance(client.done, Unavailable):
            assert source.taken > bound
        else:
            assert client.seen == put
            assert client.done == "end" if ending == "end" else isinstance(client.done, UpstreamError)
    shared.release()
    await turns(20)
    assert len(opened.outcomes) == len(opened.replies) == 1
    assert len(opened.tasks) == 0
