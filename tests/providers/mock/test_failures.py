import asyncio
import logging
import time

import msgspec
import pytest

from gateway.providers.mock import Mock, MockSettings
from gateway.seam import Call, GatewayError, Request, Tasks, UpstreamError
from gateway.seam.settings import decode


async def outcomes(client, calls, **body):
    """Which of so many calls fail."""
    found = []
    for _ in range(calls):
        try:
            await client.say("Hi", **body)
            found.append("ok")
        except GatewayError:
            found.append("fail")
    return found


async def test_a_status_comes_at_once(client, user):
    client.configure(
        failures=[{"kind": "status", "status": 429, "retry_after": "1500ms", "message": "Slow down.", "after": 3}]
    )
    with pytest.raises(GatewayError) as caught:
        await client.provider(client.call(stream=True, messages=user("Hi")))
    error = caught.value
    assert (error.status, error.type, error.code) == (429, "requests", "rate_limit_exceeded")
    assert error.message == "Slow down."
    assert error.headers == [(b"retry-after", b"2")]
    assert error.retryable


@pytest.mark.parametrize(
    ("status", "kind", "code"),
    [
        (500, "server_error", None),
        (401, "invalid_request_error", "invalid_api_key"),
        (418, "invalid_request_error", None),
    ],
)
async def test_type_and_code_follow_the_status(client, status, kind, code):
    client.configure(failures=[{"kind": "status", "status": status}])
    with pytest.raises(GatewayError) as caught:
        await client.say("Hi")
    assert (caught.value.status, caught.value.type, caught.value.code) == (status, kind, code)
    client.configure(failures=[{"kind": "status", "status": status, "type": "own", "code": "mine"}])
    with pytest.raises(GatewayError) as caught:
        await client.say("Hi")
    assert (caught.value.type, caught.value.code) == ("own", "mine")


@pytest.mark.parametrize(("kind", "status"), [("reset", 502), ("truncate", 502), ("error_event", 503)])
@pytest.mark.parametrize("pace", ["0s", "1ms"])
@pytest.mark.parametrize(("after", "seen"), [(0, []), (2, ["one", " two"]), (9, ["one", " two", " three"])])
async def test_a_stream_breaks_behind_its_content(client, user, kind, status, pace, after, seen):
    client.configure(pace=pace, failures=[{"kind": kind, "after": after}])
    reply = await client.provider(client.call(stream=True, messages=user("one two three")))
    texts = []

    async def read():
        async for batch in reply:
            texts.extend(part.text for chunk in batch.chunks for part in chunk.parts())
            assert all(chunk.finish is None for chunk in batch.chunks)

    with pytest.raises(GatewayError) as caught:
        await read()
    assert texts == seen
    assert caught.value.status == status
    assert isinstance(caught.value, UpstreamError) == (kind != "error_event")
    assert client.provider.open == 0


@pytest.mark.parametrize("kind", ["reset", "truncate", "error_event"])
async def test_a_whole_answer_breaks_before_it_is_there(client, kind):
    client.configure(failures=[{"kind": kind, "after": 2}])
    with pytest.raises(GatewayError):
        await client.say("Hi")


async def test_a_stall_ends_when_it_is_cancelled(client, user):
    client.configure(failures=[{"kind": "stall", "after": 1}])
    reply = await client.provider(client.call(stream=True, messages=user("one two")))
    assert [part.text for chunk in (await reply.__anext__()).chunks for part in chunk.parts()] == ["one"]
    reading = client.tasks.spawn(reply.__anext__())
    await asyncio.sleep(0)
    assert not reading.done()
    reading.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reading
    assert client.provider.open == 0


async def test_a_stalled_whole_answer_ends_when_it_is_cancelled(client, user):
    client.configure(failures=[{"kind": "stall"}])
    asking = client.tasks.spawn(client.provider(client.call(messages=user("one two"))))
    await asyncio.sleep(0)
    assert not asking.done()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking


async def test_a_sequence_goes_round(client):
    client.configure(failures=[{"kind": "status", "sequence": ["fail", "fail", "ok"]}])
    assert await outcomes(client, 6) == ["fail", "fail", "ok"] * 2


async def test_a_rate_is_the_same_each_time_and_another_with_another_seed(client):
    runs = []
    for seed in (1, 1, 2):
        client.configure(seed=seed, failures=[{"kind": "status", "rate": 0.3}])
        runs.append(await outcomes(client, 200))
    assert runs[0] == runs[1] != runs[2]
    assert 40 <= runs[0].count("fail") <= 80


async def test_rates_of_none_and_all(client):
    client.configure(failures=[{"kind": "status", "rate": 0}])
    assert await outcomes(client, 20) == ["ok"] * 20
    client.configure(failures=[{"kind": "status", "rate": 1}])
    assert await outcomes(client, 20) == ["fail"] * 20


async def test_failures_are_of_models(client):
    client.configure(
        models={"flaky": {"failures": [{"kind": "status", "status": 500}]}},
        failures=[{"kind": "status", "status": 429, "model": "lo*"}, {"kind": "status", "model": "flaky"}],
    )
    assert await client.say("Hi") == "Hi"
    for model, status in (("lorem", 429), ("flaky", 500)):
        with pytest.raises(GatewayError) as caught:
            await client.say("Hi", model)
        assert caught.value.status == status


async def test_a_refused_request_uses_up_no_turn(client):
    client.configure(failures=[{"kind": "status", "sequence": ["fail", "ok"]}])
    with pytest.raises(GatewayError) as caught:
        await client.whole(messages=[])
    assert caught.value.status == 400
    assert await outcomes(client, 2) == ["fail", "ok"]


@pytest.mark.parametrize(("like", "surface"), [("embed", "embeddings"), ("moderate", "moderations")])
async def test_models_that_do_not_chat_fail_and_wait_too(like, surface):
    def ask(settings):
        provider = Mock(msgspec.convert(settings, MockSettings, dec_hook=decode))
        request = Request(surface, b'{"model":"m","input":"x"}', model="m")
        return provider(Call(request, Tasks(logging.getLogger("test"))))

    for kind, status in (("status", 429), ("reset", 502)):
        failure = {"kind": kind, "status": 429, "sequence": ["fail"]}
        with pytest.raises(GatewayError) as caught:
            await ask({"models": {"m": {"like": like, "failures": [failure]}}})
        assert caught.value.status == status
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await ask({"models": {"m": {"like": like, "failures": [{"kind": "stall"}]}}})
    began = time.perf_counter()
    await (await ask({"models": {"m": {"like": like, "first_token": "50ms", "pace": "10s"}}})).whole()
    assert 0.04 < time.perf_counter() - began < 5
