"""A storm: of four targets one is healthy, one resets connections, one fails three calls in ten, one stays silent.

`make chaos` runs it in full and prints the figures; a smaller one is part of every run of the tests.
"""

import asyncio
import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, NamedTuple

import httpx
import pytest

from gateway.testing import Received, Served, Upstream, Wire, completion, events, serve

SEED = 20_240_601
AT_ONCE = 40


def asked(request: Received) -> tuple[str, bool]:
    """What the caller wrote, and whether it wants a stream."""
    return request.json["messages"][0]["content"], request.json.get("stream", False)


async def healthy(request: Received, wire: Wire) -> None:
    """Says what was asked, in pieces."""
    text, stream = asked(request)
    if stream:
        await wire.stream(events(text[:4], text[4:]))
    else:
        await wire.json(completion(text))


class Fault:
    """A way to misbehave before there is any content, drawn from a seed."""

    def __init__(self) -> None:
        self.chance = random.Random(SEED)


class Resets(Fault):
    """Breaks the connection: at once, or after a stream has begun without content."""

    async def __call__(self, request: Received, wire: Wire) -> None:
        if asked(request)[1] and self.chance.random() < 0.5:
            await wire.open()
            await wire.chunk(events("x")[0])
        wire.reset()


class Fails(Fault):
    """Three calls in ten: 500, 503, 429 with and without `retry-after`, an error inside a stream's 200."""

    async def __call__(self, request: Received, wire: Wire) -> None:
        if self.chance.random() >= 0.3:
            await healthy(request, wire)
            return
        kind = self.chance.choice(("500", "503", "429", "429 later", "inside"))
        error = {"error": {"message": "No.", "type": "server_error", "param": None, "code": None}}
        if kind == "inside" and asked(request)[1]:
            await wire.stream([events("x")[0], b"data: " + json.dumps(error).encode() + b"\n\n"])
        else:
            later = {"retry-after": "1"} if kind == "429 later" else {}
            await wire.json(error, int(kind[:3]) if kind[0].isdigit() else 500, later)


class Stalls(Fault):
    """Says nothing; or begins a stream, and then says nothing."""

    async def __call__(self, request: Received, wire: Wire) -> None:
        if asked(request)[1] and self.chance.random() < 0.5:
            await wire.open()
            await wire.chunk(events("x")[0])
        await wire.left()


class Breaks(Fault):
    """One stream in five breaks off in the middle of its content: by a reset, an orderly close, or its body's end."""

    async def __call__(self, request: Received, wire: Wire) -> None:
        if self.chance.random() >= 0.2:
            await healthy(request, wire)
            return
        text, _ = asked(request)
        await wire.open()
        for piece in events(text[:4], text[4:])[: self.chance.randint(2, 5)]:
            await wire.chunk(piece)
        how = self.chance.choice((wire.reset, wire.close, None))
        if how is None:
            await wire.end()
        else:
            how()


class Answer(NamedTuple):
    """What one caller got."""

    status: int
    text: str
    whole: bool
    failed: bool
    seconds: float
    attempts: int


@contextmanager
def storm(*scripts: Any, **model: Any) -> Iterator[tuple[Served, list[Upstream]]]:
    """A gateway whose model `m` has one target for each script."""
    with ExitStack() as stack:
        upstreams = [stack.enter_context(Upstream(script)) for script in scripts]
        providers = {
            f"p{number}": {"type": "openai", "api_key": "sk-x", "base_url": upstream.url}
            for number, upstream in enumerate(upstreams)
        }
        targets = [{"to": f"{name}/x"} for name in providers]
        served = stack.enter_context(serve({"providers": providers, "models": {"m": {"targets": targets, **model}}}))
        yield served, upstreams
        served.idle()


async def load(url: str, count: int, streams: float = 0.5) -> list[Answer]:
    """So many calls, some at once, every one with words of its own."""
    chance = random.Random(SEED)
    numbers = iter([(number, chance.random() < streams) for number in range(count)])
    answers: list[Answer] = []
    limits = httpx.Limits(max_connections=AT_ONCE, max_keepalive_connections=AT_ONCE)
    async with httpx.AsyncClient(base_url=url, timeout=60, trust_env=False, limits=limits) as client:

        async def caller() -> None:
            for number, stream in numbers:
                answers.append(await call(client, f"word {number} of the storm", stream))

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(caller())
    return answers


async def call(client: httpx.AsyncClient, words: str, stream: bool) -> Answer:
    """One call; its answer is right where it says the words."""
    body = {"model": "m", "messages": [{"role": "user", "content": words}], "stream": stream}
    began = asyncio.get_running_loop().time()
    answer = await client.post("/v1/chat/completions", json=body)
    seconds = asyncio.get_running_loop().time() - began
    attempts = int(answer.headers.get("x-gateway-attempts", "0"))
    if answer.status_code != 200:
        assert set(answer.json()["error"]) == {"message", "type", "param", "code"}
        return Answer(answer.status_code, "", False, True, seconds, attempts)
    if not stream:
        text = answer.json()["choices"][0]["message"]["content"]
        return Answer(200, "right" if text == words else text, True, False, seconds, attempts)
    pieces = [line[6:] for line in answer.text.split("\n") if line.startswith("data: ")]
    whole = pieces[-1] == "[DONE]"
    documents = [json.loads(piece) for piece in pieces if piece != "[DONE]"]
    failed = any("error" in document for document in documents)
    text = "".join(choice["delta"].get("content") or "" for one in documents for choice in one.get("choices", ()))
    assert words.startswith(text)
    return Answer(200, "right" if text == words else text, whole, failed, seconds, attempts)


def report(answers: list[Answer], upstreams: list[Upstream]) -> None:
    """The figures, for people."""
    times = sorted(answer.seconds for answer in answers)
    right = sum(answer.text == "right" and answer.whole for answer in answers)
    calls = [len(upstream.received) for upstream in upstreams]
    sys.stdout.write(
        f"\n{len(answers)} requests, {AT_ONCE} at a time: {right} whole and right ({right / len(answers):.2%})\n"
        f"upstream calls: {sum(calls)}, {sum(calls) / len(answers):.3f} a request; by target: {calls}\n"
        f"tries: {dict(sorted(Counter(answer.attempts for answer in answers).items()))}, "
        f"statuses: {dict(Counter(answer.status for answer in answers))}\n"
        f"seconds: p50 {times[len(times) // 2]:.3f}, p99 {times[int(len(times) * 0.99)]:.3f}, max {times[-1]:.3f}\n"
    )


TIMEOUT = {"first_byte": "1500ms", "first_token": "1500ms", "total": "30s"}


def survives(count: int) -> tuple[list[Answer], list[Upstream]]:
    with storm(healthy, Resets(), Fails(), Stalls(), timeout=TIMEOUT, retry={"attempts": 4}) as (served, upstreams):
        answers = asyncio.run(load(served.url, count))
        report(answers, upstreams)
        return answers, upstreams


def test_a_small_storm_is_not_noticed() -> None:
    answers, upstreams = survives(240)
    assert all(answer.text == "right" and answer.whole and not answer.failed for answer in answers)
    assert sum(len(upstream.received) for upstream in upstreams) <= 240 * 1.2 + 100  # the budget of retries


@pytest.mark.slow
def test_a_storm_is_hardly_noticed() -> None:
    answers, upstreams = survives(2000)
    right = sum(answer.text == "right" and answer.whole and not answer.failed for answer in answers)
    assert right >= 2000 * 0.999
    assert sum(len(upstream.received) for upstream in upstreams) <= 2000 * 1.25


@pytest.mark.parametrize("count", [200, pytest.param(2000, marks=pytest.mark.slow)])
def test_what_breaks_off_does_not_look_whole(count: int) -> None:
    with storm(Breaks(), Breaks(), timeout=TIMEOUT, retry={"attempts": 4}) as (served, upstreams):
        answers = asyncio.run(load(served.url, count, streams=1))
        report(answers, upstreams)
    broken = [answer for answer in answers if not (answer.whole and answer.text == "right")]
    assert 0.05 * count < len(broken) < 0.3 * count
    for answer in answers:
        assert answer.whole != answer.failed  # an end mark, or an error event; never both, never neither
        assert answer.text == "right" or not answer.whole
