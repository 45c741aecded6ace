import pytest

from gateway.routing.content import entire, until_content
from gateway.seam import Batch, Chunk, Given, Outcome, Reply, UpstreamError
from gateway.testing import answer, chat_call, events
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT

ROLE, HEL, LO, FINISH, USAGE, DONE = events("Hel", "lo.")


def streamed(*batches: bytes) -> Reply:
    return Reply(chat_call(stream=True), Given([Batch(raw, CHAT_EVENT) for raw in batches]))


@pytest.mark.parametrize("batches", [(ROLE, HEL, LO, DONE), (ROLE + HEL, LO + DONE), (ROLE + HEL + LO + DONE,)])
async def test_nothing_is_lost_and_nothing_joined(batches: tuple[bytes, ...]) -> None:
    reply = streamed(*batches)
    found = await until_content(reply.call, reply)
    assert [batch.raw async for batch in found] == list(batches)


async def test_a_whole_answer_is_content() -> None:
    reply = answer(chat_call(), "Hello.")
    found = await until_content(reply.call, reply)
    assert (await found.whole()).parts()[0].text == "Hello."


async def test_usage_is_that_of_the_answer_within() -> None:
    for read in (until_content, entire):
        reply = streamed(ROLE, HEL, USAGE, DONE)
        found = await read(reply.call, reply)
        await found.whole()
        usage, estimated = found.usage()
        assert (usage.input, usage.output, estimated) == (7, 3, False)


async def test_all_of_a_whole_answer_is_folded() -> None:
    reply = streamed(ROLE, HEL, LO, FINISH, DONE)
    (batch,) = [batch async for batch in await entire(reply.call, reply)]
    assert batch.whole
    assert batch.chunks[0].parts()[0].text == "Hello."


async def test_a_whole_answer_that_is_here_is_left_to_its_reader() -> None:
    reply = answer(chat_call(), "Hello.")
    assert await entire(reply.call, reply) is reply
    await reply.aclose()


async def test_what_is_here_and_cannot_be_read_is_told_at_once() -> None:
    ends: list[Outcome] = []
    body = b'{"choices": [{"index": "first"}], "usage": {"prompt_tokens": 1}}'
    reply = Reply.of(chat_call(), Chunk(body, CHAT_ANSWER)).on_end(ends.append)
    with pytest.raises(UpstreamError, match="no chat answer"):
        await entire(reply.call, reply)
    assert [end.kind for end in ends] == ["failed"]


async def test_what_a_filter_has_still_to_see_is_read() -> None:
    seen: list[Batch] = []
    reply = answer(chat_call(), "Hello.").tap(seen.append)
    found = await entire(reply.call, reply)
    assert found is not reply
    assert len(seen) == 1
    await found.aclose()


async def test_what_is_here_and_nobody_wants_has_cost_what_it_says() -> None:
    ends: list[Outcome] = []
    body = b'{"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3}}'
    await Reply.of(chat_call(), Chunk(body, CHAT_ANSWER)).on_end(ends.append).aclose()
    (end,) = ends
    assert (end.kind, end.usage.input, end.usage.output, end.estimated) == ("cancelled", 7, 3, False)
