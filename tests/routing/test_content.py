import pytest

from gateway.routing.content import entire, until_content
from gateway.seam import Batch, Given, Reply
from gateway.testing import answer, chat_call, events
from gateway.wire.chat import CHAT_EVENT

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
