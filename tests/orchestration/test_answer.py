"""A run's answer: the usage of all its steps in the last one's events, and nothing else changed."""

import pytest

from gateway.orchestration.answer import Metered, Summed, said
from gateway.seam import Batch, Call, Given, Outcome, Reply, Usage
from gateway.testing import chat_call, events
from gateway.wire.chat import CHAT_EVENT

BEFORE = Usage(100, 20, 3)


def summed(batches: list[bytes]) -> tuple[Call, Reply, Metered]:
    call = chat_call(stream=True)
    reply = Reply(call, Given([Batch(batch, CHAT_EVENT) for batch in batches]))

    def spent() -> tuple[Usage, bool]:
        usage, estimated = reply.usage()
        return BEFORE.plus(usage), estimated

    return call, reply, Metered(call, Summed(reply, BEFORE), spent, reply)


@pytest.mark.parametrize("flow", [False, True])
@pytest.mark.parametrize("joined", [False, True])
async def test_only_what_reports_usage_is_changed(joined: bool, flow: bool) -> None:
    sent = events("a", "b")
    _, _, metered = summed([b"".join(sent)] if joined else sent)
    outcomes: list[Outcome] = []
    metered.on_end(outcomes.append)
    raw: list[bytes] = []
    if flow:
        assert await metered.flow(lambda batch: raw.append(batch.raw) is None)
    else:
        raw = [batch.raw async for batch in metered]
    left = b"".join(raw).split(b"\n\n")[:-1]
    before = b"".join(sent).split(b"\n\n")[:-1]
    assert left[:-2] == before[:-2]
    assert left[-1] == before[-1]
    assert b'"total_tokens":130' in left[-2]
    assert b'"cached_tokens":3' in left[-2]
    assert outcomes == [Outcome("ok", Usage(107, 23, 3))]


async def test_usage_on_every_event_is_summed_on_each() -> None:
    event = b'data: {"choices":[],"usage":{"prompt_tokens":%d,"completion_tokens":%d}}\n\n'
    nothing = b'data: {"choices":[],"usage":null}\n\n'
    _, _, metered = summed([event % (1, 1), nothing, event % (1, 2)])
    chunks = [chunk async for batch in metered for chunk in batch.chunks]
    assert [chunk.usage for chunk in chunks] == [Usage(101, 21, 3), None, Usage(101, 22, 3)]
    assert chunks[1].raw == nothing


async def test_what_broke_off_has_cost_what_passed() -> None:
    _, reply, metered = summed(events("a"))
    outcomes: list[Outcome] = []
    metered.on_end(outcomes.append)
    await anext(metered)
    await metered.aclose()
    assert reply.over
    assert outcomes[0].kind == "cancelled"
    assert outcomes[0].estimated
    assert outcomes[0].usage.input > 100


@pytest.mark.parametrize("stream", [False, True])
async def test_a_text_costs_what_the_steps_before_it_did(stream: bool) -> None:
    call = chat_call(stream=stream)
    reply = said(call, "Hello", lambda: (BEFORE, True))
    outcomes: list[Outcome] = []
    reply.on_end(outcomes.append)
    whole = await reply.whole()
    assert whole.usage == BEFORE
    assert [part.text for part in whole.parts()] == ["Hello"]
    assert outcomes == [Outcome("ok", BEFORE, estimated=True)]
