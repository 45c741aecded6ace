"""Which way a call goes, and what is told of it; with translations that change names only."""

import logging
from collections.abc import AsyncIterator

import pytest

from gateway.seam import (
    Batch,
    Call,
    Chunk,
    Estimates,
    GatewayError,
    Handler,
    Head,
    InvalidRequest,
    Outcome,
    Reply,
    Request,
    Target,
    Tasks,
    Timeouts,
    UpstreamError,
    Usage,
    owned,
)
from gateway.testing import answer
from gateway.translate.contract import Translated
from gateway.translate.speaks import speaks
from gateway.wire.chat import CHAT_ANSWER


class Renaming:
    """A translation that says in the answer's headers, and in errors, where it went."""

    def __init__(self, front: str, back: str, *dropped: str) -> None:
        self.front = front
        self.back = back
        self.dropped = dropped

    @property
    def way(self) -> str:
        return f"{self.front}>{self.back}"

    def request(self, request: Request) -> Translated:
        if b'"bad"' in request.raw:
            raise InvalidRequest("bad")
        return Translated(request.copy(surface=self.back), self.dropped)

    def reply(self, call: Call, reply: Reply) -> Reply:
        if b'"unreadable"' in call.request.raw:
            raise UpstreamError("unreadable")
        head = reply.head.copy()
        head.headers[b"way"] = head.headers.get(b"way", b"") + f"{self.way} ".encode()
        return Reply(call, reply, head, inner=reply)

    def error(self, error: GatewayError) -> GatewayError:
        return GatewayError(f"{error.message} {self.way}", status=error.status, code=error.code)


ALL = (Renaming("completions", "chat"), Renaming("messages", "chat"), Renaming("chat", "messages"))


def asked(surface: str, text: str = "{}") -> Call:
    tasks = Tasks(logging.getLogger("gateway"))
    target = Target("up", "m", Timeouts())
    return Call(Request(surface, text.encode(), model="m"), tasks, target=target)


class Speaker:
    """A handler that keeps its calls."""

    def __init__(self, error: GatewayError | None = None, usage: int | None = None) -> None:
        self.calls: list[Call] = []
        self.ended: list[Outcome] = []
        self.error = error
        self.usage = usage

    async def __call__(self, call: Call) -> Reply:
        self.calls.append(call)
        call.on_end(self.ended.append)
        if self.error is not None:
            raise self.error
        if self.usage is None:
            return answer(call, "Hello.")
        return Reply.of(call, Chunk(b"{}", CHAT_ANSWER), usage=Usage(self.usage, 1))


async def taken(handler: Handler, call: Call) -> Head:
    reply = await owned(handler, call)
    await reply.whole()
    return reply.head


async def test_what_is_spoken_passes_untouched_and_without_a_step_between() -> None:
    speaker = Speaker()
    handler = speaks(speaker, ("chat", "embeddings"), ALL)
    for surface in ("chat", "embeddings"):
        call = asked(surface)
        awaitable = handler(call)
        assert getattr(awaitable, "__qualname__", "") == "Speaker.__call__"
        await (await awaitable).aclose()
        assert speaker.calls[-1] is call


@pytest.mark.parametrize(
    ("spoken", "surface", "way"),
    [
        (("chat",), "messages", b"messages>chat "),
        (("chat",), "completions", b"completions>chat "),
        (("messages",), "chat", b"chat>messages "),
        (("messages",), "completions", b"chat>messages completions>chat "),
        (("completions", "messages"), "chat", b"chat>messages "),
    ],
)
async def test_another_goes_the_shortest_way(spoken: tuple[str, ...], surface: str, way: bytes) -> None:
    speaker = Speaker()
    call = asked(surface)
    head = await taken(speaks(speaker, spoken, ALL), call)
    assert head.headers[b"way"] == way
    (inner,) = speaker.calls
    assert inner.request.surface in spoken
    assert (inner.request.model, inner.target, inner.id) == (call.request.model, call.target, call.id)
    assert [outcome.kind for outcome in speaker.ended] == ["ok"]


@pytest.mark.parametrize("surface", ["embeddings", "audio", ""])
async def test_where_no_way_leads_it_is_told(surface: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await speaks(Speaker(), ("messages",), ALL)(asked(surface))
    assert (caught.value.status, caught.value.code, caught.value.param) == (400, "unsupported_surface", "model")
    ways = "messages, chat, completions, count_tokens"
    assert f"'m' does not serve {surface}: its provider can be asked for {ways}." in caught.value.message


async def test_what_is_dropped_is_named_nearest_first() -> None:
    ways = (Renaming("completions", "chat", "best_of", "a,b\r\nc"), Renaming("chat", "messages", "logprobs"))
    head = await taken(speaks(Speaker(), ("messages",), ways), asked("completions"))
    assert head.headers[b"x-gateway-dropped"] == rb"best_of,a\x2cb\r\nc,logprobs"


async def test_what_callers_name_is_bounded() -> None:
    way = Renaming("messages", "chat", *(f"é{number}" * 1000 for number in range(50)))
    head = await taken(speaks(Speaker(), ("chat",), [way]), asked("messages"))
    assert len(head.headers[b"x-gateway-dropped"]) <= 1024


async def test_strict_refuses_what_it_would_drop() -> None:
    ways = (Renaming("messages", "chat", "top_k", "messages[0].x"), Renaming("completions", "chat"))
    speaker = Speaker()
    handler = speaks(speaker, ("chat",), ways, strict=True)
    with pytest.raises(InvalidRequest) as caught:
        await handler(asked("messages"))
    assert "cannot carry top_k, messages[0].x" in caught.value.message
    assert (caught.value.param, caught.value.code) == ("top_k", "untranslatable")
    assert not speaker.calls
    assert b"x-gateway-dropped" not in (await taken(handler, asked("completions"))).headers


async def test_errors_come_in_the_callers_terms_and_end_the_inner_call_once() -> None:
    speaker = Speaker(GatewayError("no", status=429, code="c"))
    with pytest.raises(GatewayError) as caught:
        await speaks(speaker, ("messages",), ALL)(asked("completions"))
    assert caught.value.message == "no chat>messages completions>chat"
    assert (caught.value.status, caught.value.code) == (429, "c")
    assert [outcome.kind for outcome in speaker.ended] == ["refused"]
    speaker.error = None
    with pytest.raises(InvalidRequest, match="bad"):
        await speaks(speaker, ("chat",), ALL)(asked("messages", '{"a":"bad"}'))
    assert len(speaker.calls) == 1


@pytest.mark.parametrize("flows", [False, True])
async def test_errors_of_a_stream_under_way_come_in_the_callers_terms(flows: bool) -> None:
    async def broken() -> AsyncIterator[Batch]:
        yield Batch(b"{}", CHAT_ANSWER)
        raise UpstreamError("cut")

    async def handler(call: Call) -> Reply:
        return Reply(call, broken())

    reply = await owned(speaks(handler, ("messages",), ALL), asked("completions"))
    if not flows:
        await reply.__anext__()
    with pytest.raises(GatewayError) as caught:
        await (reply.flow(lambda batch: True) if flows else reply.__anext__())
    assert caught.value.message == "cut chat>messages completions>chat"


async def test_an_answer_that_cannot_be_translated_is_closed() -> None:
    speaker = Speaker()
    with pytest.raises(UpstreamError, match="unreadable"):
        await speaks(speaker, ("chat",), ALL)(asked("messages", '{"a":"unreadable"}'))
    assert [outcome.kind for outcome in speaker.ended] == ["cancelled"]


# ---- counting


async def counted(handler: Handler, text: str) -> int:
    reply = await owned(handler, asked("count_tokens", text))
    assert reply.head.headers == {b"x-gateway-estimated": b"true"}
    assert reply.usage() == (Usage(), False)
    chunk = await reply.whole()
    assert chunk.raw.startswith(b'{"input_tokens":')
    return int(chunk.raw.partition(b":")[2].rstrip(b"}"))


async def test_tokens_are_counted_by_what_answers_have_taught() -> None:
    estimates = Estimates()
    body = '{"messages":"%s"}' % ("x" * 985)
    assert len(body) == 1000
    speaker = Speaker(usage=400)
    handler = speaks(speaker, ("chat",), ALL, estimates=estimates)
    assert await counted(handler, body) == 250
    await taken(handler, asked("messages", body))
    assert await counted(handler, body) == 400
    assert estimates.tokens("up/m", body.encode()) == 400
    assert estimates.tokens("up/other", body.encode()) == 250


async def test_what_failed_or_was_estimated_teaches_nothing() -> None:
    body = '{"messages":"%s"}' % ("x" * 985)
    speaker = Speaker()  # its answers report no usage
    handler = speaks(speaker, ("chat",), ALL)
    reply = await owned(handler, asked("messages", body))
    reply.head.headers.clear()
    await reply.aclose()
    assert await counted(handler, body) == 250


async def test_who_counts_is_asked_and_who_has_no_messages_is_not() -> None:
    speaker = Speaker()
    call = asked("count_tokens")
    await taken(speaks(speaker, ("messages", "count_tokens"), ALL), call)
    assert speaker.calls == [call]
    with pytest.raises(InvalidRequest, match="does not serve count_tokens"):
        await speaks(speaker, ("embeddings",), ALL)(asked("count_tokens"))
