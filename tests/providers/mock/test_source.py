import asyncio
import time

import pytest

from gateway.providers.mock.source import Source, Step

EVENT = b'data: {"choices":[]}\n\n'


class Opened:
    count = 0

    def __call__(self, change):
        self.count += change


async def test_a_paced_stream_brings_one_event_a_batch(client, user):
    client.configure(first_token="30ms", models={"slow": {"pace": "10ms"}})
    began = time.perf_counter()
    reply = await client.provider(client.call("slow", stream=True, messages=user("one two three")))
    times, batches = [], []
    async for batch in reply:
        times.append(time.perf_counter() - began)
        batches.append(batch.chunks)
    assert [len(chunks) for chunks in batches] == [1] * 7
    assert [chunks[0].has_content for chunks in batches] == [False, True, True, True, False, False, False]
    assert times[1] >= 0.039
    assert times[3] >= times[1] + 0.019


async def test_a_paced_whole_answer_waits_for_all_of_it(client):
    client.configure(first_token="10ms", pace="5ms")
    began = time.perf_counter()
    assert await client.say("one two three four") == "one two three four"
    assert time.perf_counter() - began >= 0.029


async def test_a_scripted_model_can_be_faster_than_its_provider(client):
    client.configure(pace="1h", models={"fast": {"pace": 0}})
    assert await client.say("one two", "fast") == "one two"


async def test_closing_ends_a_read_that_waits():
    opened = Opened()
    source = Source(iter([Step(0.0, EVENT), Step(None, EVENT), Step(0.0, EVENT)]), opened)
    assert (await source.__anext__()).raw == EVENT
    assert opened.count == 1

    async def read():
        return [batch async for batch in source]

    async def close():
        await source.aclose()
        await source.aclose()

    batches, _ = await asyncio.gather(read(), close())
    assert batches == []
    assert opened.count == 0
    with pytest.raises(StopAsyncIteration):
        await source.__anext__()


async def test_a_source_counts_once():
    def steps():
        yield Step(0.0, EVENT)
        raise ValueError

    opened = Opened()
    source = Source(steps(), opened)
    await source.__anext__()
    with pytest.raises(ValueError):
        await source.__anext__()
    await source.aclose()
    assert opened.count == 0
