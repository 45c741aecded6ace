import asyncio
import json
import time

import httpx
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

from loadtests.bench import answers, upstream
from loadtests.bench.crowd import gather, stats


@pytest.fixture
async def openai(port):
    async with AsyncOpenAI(base_url=f"http://127.0.0.1:{port}/v1", api_key="x", max_retries=0) as client:
        yield client


HELLO = [{"role": "user", "content": "hello"}]


async def test_whole_answers_have_the_size_that_they_claim(port):
    async with httpx.AsyncClient() as client:
        answer = await client.post(f"http://127.0.0.1:{port}/v1/chat/completions", json={"model": "bench"})
    assert len(answer.content) == answers.WHOLE_SIZE
    assert answer.json()["object"] == "chat.completion"


async def test_the_official_client_reads_a_whole_answer(openai):
    answer = await openai.chat.completions.create(model="bench", messages=HELLO)
    assert answer.choices[0].message.content.startswith("The sky looks blue")
    assert answer.usage.total_tokens == 134


@pytest.mark.parametrize("model", ["bench", "events", "paced-3", "slow60"])
async def test_the_official_client_reads_every_stream(openai, model):
    chunks = [chunk async for chunk in await openai.chat.completions.create(model=model, messages=HELLO, stream=True)]
    text = "".join(chunk.choices[0].delta.content or "" for chunk in chunks)
    assert text == " lorem" * (3 if model == "paced-3" else answers.TOKENS)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"


async def test_anthropics_official_client_reads_both_forms(port):
    ask = {"model": "claude", "max_tokens": 100, "messages": HELLO}
    async with AsyncAnthropic(base_url=f"http://127.0.0.1:{port}", api_key="x", max_retries=0) as client:
        answer = await client.messages.create(**ask)
        async with client.messages.stream(**ask) as stream:
            streamed = await stream.get_final_message()
    said = json.loads(answers.WHOLE)["choices"][0]["message"]["content"]
    assert (answer.content[0].text, answer.stop_reason) == (said, "end_turn")
    assert (streamed.content[0].text, streamed.stop_reason) == (" lorem" * answers.TOKENS, "end_turn")
    assert answer.usage.output_tokens == streamed.usage.output_tokens == answers.TOKENS


@pytest.mark.parametrize("model", ["bench", "events", "paced-3"])
async def test_usage_comes_where_it_is_asked_for(openai, model):
    options = {"include_usage": True}
    stream = await openai.chat.completions.create(model=model, messages=HELLO, stream=True, stream_options=options)
    chunks = [chunk async for chunk in stream]
    assert chunks[-1].usage.completion_tokens == answers.TOKENS
    assert chunks[-1].choices == []


def test_a_stream_has_as_many_events_as_the_page_says():
    assert answers.STREAM_ANSWER.count(b"data: ") == 103
    assert answers.STREAM_ANSWER.count(answers.MARK) == answers.TOKENS


@pytest.mark.parametrize("spelling", [b'"stream":true', b'"stream": true', b'"stream" :\ttrue'])
async def test_every_spelling_of_stream_is_understood(port, spelling):
    async with httpx.AsyncClient() as client:
        body = b'{"model": "bench", ' + spelling + b"}"
        answer = await client.post(f"http://127.0.0.1:{port}/v1/chat/completions", content=body)
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert answer.text.endswith("data: [DONE]\n\n")


async def test_a_paced_stream_keeps_its_pace(openai):
    moments = []
    async for chunk in await openai.chat.completions.create(model="paced-5", messages=HELLO, stream=True):
        if chunk.choices[0].delta.content:
            moments.append(time.monotonic())
    assert moments[-1] - moments[0] == pytest.approx(4 * upstream.PACE_SECONDS, abs=0.03)


async def test_a_slow_answer_tells_how_long_it_was_held(openai):
    before = time.monotonic()
    answer = await openai.chat.completions.create(model="slow60", messages=HELLO)
    taken = time.monotonic() - before
    held = answers.held_seconds(answer.choices[0].message.content.encode())
    assert 0.045 < held <= taken


def test_an_answer_that_does_not_tell_is_an_error():
    with pytest.raises(ValueError, match="does not say"):
        answers.held_seconds(answers.WHOLE)


@pytest.mark.parametrize("model", ["idle", "drip", "steady", "paced"])
async def test_aborts_are_noticed_and_timed(port, ask, model):
    [guest] = await gather(ask(model, stream=True), 1, tokens=1)
    assert (await stats(port))["open"] == 1
    left = guest.leave()
    await asyncio.sleep(0.05)
    seen = await stats(port)
    assert (seen["open"], seen["aborted"]) == (0, 1)
    assert 0 <= seen["aborts"][f"{guest.number:014d}"] - left < 0.05


async def test_mute_says_nothing(port, ask):
    [guest] = await gather(ask("mute", stream=True), 1, tokens=0)
    await asyncio.sleep(0.05)
    assert (guest.tokens, list((await stats(port))["arrivals"])) == (0, [f"{guest.number:014d}"])
    guest.leave()
    await asyncio.sleep(0.02)
    assert (await stats(port))["aborted"] == 1


async def test_finished_calls_are_no_aborts(port, openai):
    await openai.chat.completions.create(model="slow60", messages=HELLO)
    await openai.close()
    await asyncio.sleep(0.02)
    seen = await stats(port)
    assert (seen["calls"], seen["finished"], seen["aborted"], seen["arrivals"]) == (1, 1, 0, {})


async def test_reset_forgets(port, openai):
    await openai.chat.completions.create(model="bench", messages=HELLO)
    async with httpx.AsyncClient() as client:
        await client.post(f"http://127.0.0.1:{port}/reset")
    assert (await stats(port))["calls"] == 0


async def test_requests_may_come_in_pieces_or_chunks(port):
    async def pieces():
        yield b'{"model":"be'
        yield b'nch"}'

    async with httpx.AsyncClient() as client:
        url = f"http://127.0.0.1:{port}/v1/chat/completions"
        assert (await client.post(url, content=pieces())).json()["model"] == "bench"
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    request = b"POST /v1/chat/completions HTTP/1.1\r\nContent-Length: 2\r\n\r\n{}"
    for n in range(len(request)):
        writer.write(request[n : n + 1])
        await writer.drain()
    head = await reader.readuntil(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200 OK")
    assert json.loads(await reader.readexactly(answers.WHOLE_SIZE))
    writer.close()
    await writer.wait_closed()


async def test_other_paths_are_not_found(port):
    async with httpx.AsyncClient() as client:
        assert (await client.post(f"http://127.0.0.1:{port}/v1/other")).status_code == 404
