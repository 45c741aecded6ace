"""Runs over HTTP: followed live while the SDK streams them, listed, told afterwards, cancelled."""

import asyncio
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import openai
import pytest

from gateway.testing import Received, Wire, completion, events
from tests.doors import Doors, error_of, events_of, opened

CHAINS = {
    "polish": {
        "type": "sequential",
        "steps": [
            {"name": "draft", "model": "m", "prompt": "Draft: {{ input }}"},
            {"name": "final", "model": "m", "prompt": "Final: {{ draft }}"},
        ],
    },
    "asks": {"type": "simple", "model": "m"},
    "text": {"type": "simple", "template": "Said of {{ input }}"},
}
CONFIG: dict[str, Any] = {
    "models": {"m": "up/m", "named": {"targets": [{"to": "chain:polish"}], "retry": {"attempts": 1}}},
    "chains": CHAINS,
    "runs": {"keep": False, "content": True},
    "server": {"stream": {"hold": "50ms", "ping": "50ms"}, "cors": {"origins": ["https://app.example"]}},
}


class Pace:
    """Answers whole; a stream's second piece waits for `go`; what is asked with `for ever` in it is never answered."""

    def __init__(self) -> None:
        self._go = asyncio.Event()
        self._loop: asyncio.AbstractEventLoop | None = None

    def go(self) -> None:
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._go.set)

    async def __call__(self, request: Received, wire: Wire) -> None:
        self._loop = asyncio.get_running_loop()
        text = request.json["messages"][-1]["content"]
        if "for ever" in text:
            await wire.left()
        if not request.json.get("stream"):
            if "late" in text:
                await self._go.wait()
            await wire.json(completion(f"<{text}>"))
            return
        await wire.open()
        for number, event in enumerate(events("One ", "two.")):
            if number == 2:
                if "break" in text:
                    wire.reset()
                    return
                if "endless" in text:
                    await wire.left()
                await self._go.wait()
            await wire.chunk(event)
        await wire.end()


@pytest.fixture
def pace() -> Pace:
    return Pace()


@pytest.fixture
def doors(pace: Pace) -> Iterator[Doors]:
    with opened(CONFIG) as doors:
        doors.upstream.script = pace
        yield doors


def ask(doors: Doors, text: str, model: str = "chain:polish", **more: Any) -> httpx.Response:
    return doors.chat(model, messages=[{"role": "user", "content": text}], **more)


def newest(doors: Doors) -> Any:
    return doors.client.get("/v1/runs?limit=1").json()["data"][0]


def follow(response: httpx.Response) -> Iterator[Any]:
    """The events of a run as they come."""
    for line in response.iter_lines():
        if line.startswith("data: "):
            yield "[DONE]" if line == "data: [DONE]" else json.loads(line[6:])


def steps_of(found: list[Any]) -> list[tuple[str, str]]:
    return [(event["type"].partition(".")[2], event["step"]) for event in found if event["type"].startswith("step.")]


# ---- followed live


def test_a_run_is_followed_while_the_sdk_streams_it(doors: Doors, pace: Pace) -> None:
    with openai.OpenAI(base_url=doors.served.base_url, api_key="none") as client:
        stream = client.chat.completions.create(
            model="chain:polish",
            messages=[{"role": "user", "content": "Hi"}],
            stream=True,
            extra_body={"stream_options": {"include_steps": True}},
        )
        run = stream.response.headers["x-gateway-run-id"]
        with doors.client.stream("GET", f"/v1/runs/{run}/events") as response:
            assert response.headers["content-type"].startswith("text/event-stream")
            told = follow(response)
            live = [next(told) for _ in range(4)]
            assert [event["type"] for event in live] == [
                "run.started",
                *["step.started", "step.completed"] * 1,
                "step.started",
            ]
            assert live[-1]["input"] == [{"role": "user", "content": "Final: <Draft: Hi>"}]
            assert doors.client.get(f"/v1/runs/{run}").json()["status"] == "running"
            assert newest(doors)["steps"] == 2
            pace.go()
            text, shown = "", []
            for chunk in stream:
                if step := getattr(chunk, "gateway", None):
                    shown.append((step["step"], step["status"]))
                text += chunk.choices[0].delta.content or "" if chunk.choices else ""
            *rest, done = told
        live += rest
        assert (text, done) == ("One two.", "[DONE]")
        assert steps_of(live) == [(status.replace("done", "completed"), step) for step, status in shown]
        assert live[-1]["type"] == "run.completed"
        assert live[-1]["output"] == live[-2]["output"] == "One two."
        assert live[-1]["usage"]["total_tokens"] == 20
        again = events_of(doors.client.get(f"/v1/runs/{run}/events").content)
        assert again == [*live, "[DONE]"]
        whole = doors.client.get(f"/v1/runs/{run}").json()
        assert whole["events"] == live
        assert (whole["input"], whole["output"]) == ([{"role": "user", "content": "Hi"}], "One two.")
        assert whole["status"] == "completed"


def test_following_goes_on_where_it_was(doors: Doors) -> None:
    run = ask(doors, "Hi").headers["x-gateway-run-id"]
    everything = events_of(doors.client.get(f"/v1/runs/{run}/events").content)
    assert events_of(doors.client.get(f"/v1/runs/{run}/events?after=3").content) == everything[3:]
    header = {"last-event-id": "4"}
    assert events_of(doors.client.get(f"/v1/runs/{run}/events", headers=header).content) == everything[4:]
    assert events_of(doors.client.get(f"/v1/runs/{run}/events?after=99").content) == ["[DONE]"]
    ids = [line for line in doors.client.get(f"/v1/runs/{run}/events").text.split("\n") if line.startswith("id: ")]
    assert ids == [f"id: {number}" for number in range(1, len(everything))]
    assert doors.client.head(f"/v1/runs/{run}/events").content == b""


def test_who_follows_a_silent_run_is_pinged_and_may_leave(doors: Doors, pace: Pace) -> None:
    with doors.client.stream("POST", "/v1/chat/completions", json=body("late", stream=True)) as answer:
        run = answer.headers["x-gateway-run-id"]
        with doors.client.stream("GET", f"/v1/runs/{run}/events") as response:
            lines = response.iter_lines()
            while ": ping" not in next(lines):
                pass
        doors.served.background.until(lambda: doors.served.connections == 1)
        assert doors.client.get(f"/v1/runs/{run}").json()["status"] == "running"
        pace.go()
        assert "[DONE]" in answer.read().decode()


def body(text: str, model: str = "chain:polish", **more: Any) -> dict[str, Any]:
    return {"model": model, "messages": [{"role": "user", "content": text}], **more}


# ---- the header


def test_a_stream_that_is_held_open_names_its_run(doors: Doors, pace: Pace) -> None:
    with doors.client.stream("POST", "/v1/chat/completions", json=body("late", stream=True)) as answer:
        assert answer.headers["x-gateway-run-id"] == newest(doors)["id"]
        pace.go()
        answer.read()
    with doors.client.stream("POST", "/v1/messages", json=body("late", stream=True, max_tokens=9)) as answer:
        assert answer.headers["x-gateway-run-id"] == newest(doors)["id"]
        answer.read()


@pytest.mark.parametrize("model", ["chain:polish", "named"])
@pytest.mark.parametrize("door", ["chat", "messages", "completions"])
def test_every_answer_names_its_run(doors: Doors, pace: Pace, model: str, door: str) -> None:
    def send(text: str) -> httpx.Response:
        if door == "completions":
            return doors.client.post("/v1/completions", json={"model": model, "prompt": text})
        chat = body(text, model)
        path = "/v1/chat/completions" if door == "chat" else "/v1/messages"
        return doors.client.post(path, json=chat if door == "chat" else chat | {"max_tokens": 9})

    answer = send("Hi")
    assert answer.status_code == 200
    assert answer.headers["x-gateway-run-id"] == newest(doors)["id"]
    assert newest(doors)["model"] == "chain:polish"

    async def down(_: Received, wire: Wire) -> None:
        await wire.json({"error": {"message": "Down.", "type": "x", "param": None, "code": None}}, 400)

    doors.upstream.script = down
    refused = send("Hi")
    assert refused.status_code == 400
    assert refused.headers["x-gateway-run-id"] == newest(doors)["id"]
    assert newest(doors)["status"] == "failed"
    assert "Down." in newest(doors)["error"]["message"]


def test_pages_of_other_origins_see_it(doors: Doors) -> None:
    answer = ask(doors, "Hi", headers={"origin": "https://app.example"})
    assert "x-gateway-run-id" in answer.headers["access-control-expose-headers"]
    assert "x-gateway-run-id" not in doors.chat("mock/echo").headers


def test_a_stream_that_breaks(doors: Doors) -> None:
    answer = ask(doors, "break", stream=True)
    run = newest(doors)
    assert answer.headers["x-gateway-run-id"] == run["id"]
    assert run["status"] == "failed"
    told = doors.client.get(f"/v1/runs/{run['id']}").json()["events"]
    assert [event["type"] for event in told[-2:]] == ["step.failed", "run.failed"]
    assert told[-1]["error"] == run["error"]
    assert run["error"]["message"] == events_of(answer.content)[-1]["error"]["message"]


# ---- lists


def test_lists_are_paged_and_filtered(doors: Doors) -> None:
    made = [ask(doors, str(number), model).headers["x-gateway-run-id"]
            for number, model in enumerate(["chain:polish", "chain:text", "chain:polish", "named"])]  # fmt: skip

    def page(query: str) -> Any:
        return doors.client.get(f"/v1/runs?{query}").json()

    whole = page("")
    assert [run["id"] for run in whole["data"]] == made[::-1]
    assert (whole["object"], whole["first_id"], whole["last_id"]) == ("list", made[3], made[0])
    assert whole["has_more"] is False
    run = whole["data"][-1]
    assert run | {"created_at": 0, "completed_at": 0, "duration_ms": 0} == {
        "id": made[0],
        "object": "run",
        "model": "chain:polish",
        "status": "completed",
        "created_at": 0,
        "completed_at": 0,
        "duration_ms": 0,
        "usage": {"prompt_tokens": 14, "completion_tokens": 6, "total_tokens": 20},
        "error": None,
        "conversation_id": None,
        "steps": 2,
    }
    first = page("limit=3")
    assert ([run["id"] for run in first["data"]], first["has_more"]) == (made[:0:-1], True)
    second = page(f"limit=3&after={first['last_id']}")
    assert ([run["id"] for run in second["data"]], second["has_more"]) == (made[:1], False)
    assert [run["id"] for run in page("order=asc&limit=2")["data"]] == made[:2]
    assert [run["id"] for run in page(f"order=asc&after={made[1]}")["data"]] == made[2:]
    assert [run["id"] for run in page("model=chain:text")["data"]] == [made[1]]
    assert page("status=failed")["data"] == []


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/v1/runs?limit=0", 400, "invalid_value"),
        ("/v1/runs?order=up", 400, "invalid_value"),
        ("/v1/runs?status=done", 400, "invalid_value"),
        ("/v1/runs?after=run_x", 404, "run_not_found"),
        ("/v1/runs/run_000000000000000000000000", 404, "run_not_found"),
        ("/v1/runs/x/events", 404, "run_not_found"),
        ("/v1/runs/x/events?after=-1", 400, "invalid_value"),
        ("/v1/runs/x/events?after=9999999999", 400, "invalid_value"),
    ],
)
def test_what_is_not_there_or_wrong(doors: Doors, path: str, status: int, code: str) -> None:
    answer = doors.client.get(path)
    assert (answer.status_code, error_of(answer.content)["code"]) == (status, code)


def test_a_key_sees_its_own_runs() -> None:
    keys = [{"name": "a", "key": "sk-a"}, {"name": "b", "key": "sk-b"}]
    with opened({"chains": CHAINS, "models": {"m": "mock/echo"}, "auth": {"keys": keys}}) as doors:
        mine, theirs = ({"authorization": f"Bearer sk-{name}"} for name in "ab")
        run = doors.chat("chain:text", mine).headers["x-gateway-run-id"]
        assert doors.client.get(f"/v1/runs/{run}", headers=mine).status_code == 200
        for path in (f"/v1/runs/{run}", f"/v1/runs/{run}/events", f"/v1/runs?after={run}"):
            assert doors.client.get(path, headers=theirs).status_code == 404
            assert doors.client.get(path).status_code == 401
        assert doors.client.post(f"/v1/runs/{run}/cancel", headers=theirs).status_code == 404
        assert doors.client.get("/v1/runs", headers=theirs).json()["data"] == []
        assert len(doors.client.get("/v1/runs", headers=mine).json()["data"]) == 1


def test_without_chains_there_are_none() -> None:
    with opened() as doors:
        assert doors.client.get("/v1/runs").json()["data"] == []
        assert doors.client.get("/v1/runs/run_x").status_code == 404
        assert doors.client.get("/v1/runs/run_x/events").status_code == 404
        assert doors.client.post("/v1/runs/run_x/cancel").status_code == 404


# ---- cancelled


@pytest.mark.parametrize("door", ["chat", "messages"])
def test_a_whole_answer_is_cancelled(doors: Doors, door: str) -> None:
    with ThreadPoolExecutor(1) as pool:
        path = "/v1/chat/completions" if door == "chat" else "/v1/messages"
        answer = pool.submit(doors.client.post, path, json=body("for ever", max_tokens=9))
        doors.upstream.background.until(lambda: doors.upstream.open == 1)
        run = newest(doors)
        cancelled = doors.client.post(f"/v1/runs/{run['id']}/cancel")
        assert cancelled.status_code == 200
        assert cancelled.json()["status"] == "cancelled"
        assert cancelled.json()["completed_at"] is not None
        refused = answer.result()
    assert refused.status_code == 409
    assert f"The run {run['id']} was cancelled." in refused.text
    if door == "chat":
        assert error_of(refused.content)["code"] == "run_cancelled"
    doors.upstream.background.until(lambda: doors.upstream.left == 1)
    told = doors.client.get(f"/v1/runs/{run['id']}").json()
    assert [event["type"] for event in told["events"]][-2:] == ["step.cancelled", "run.cancelled"]
    again = doors.client.post(f"/v1/runs/{run['id']}/cancel")
    assert (again.status_code, error_of(again.content)["code"]) == (409, "run_not_running")


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("text", ["endless", "for ever"])
def test_a_stream_is_cancelled(doors: Doors, text: str, steps: bool) -> None:
    options = {"stream_options": {"include_steps": True}} if steps else {}
    with doors.client.stream("POST", "/v1/chat/completions", json=body(text, stream=True, **options)) as answer:
        run = answer.headers["x-gateway-run-id"]
        pieces = answer.iter_raw()
        seen = next(pieces)
        while text == "endless" and b"One" not in seen:
            seen += next(pieces)
        assert doors.client.post(f"/v1/runs/{run}/cancel").json()["status"] == "cancelled"
        seen += b"".join(pieces)
    assert events_of(seen)[-1]["error"]["code"] == "run_cancelled"
    doors.upstream.background.until(lambda: doors.upstream.left == 1)


def test_a_cancelled_run_is_not_tried_again_by_the_model_that_leads_to_it(pace: Pace) -> None:
    models = {"m": "up/m", "named": {"targets": [{"to": "chain:polish"}, {"to": "chain:text"}], "fallback": ["m"]}}
    with opened(CONFIG | {"models": models}) as doors, ThreadPoolExecutor(1) as pool:
        doors.upstream.script = pace
        runs = None
        while not runs:
            answer = pool.submit(ask, doors, "for ever", "named")
            while not answer.done() and not runs:
                runs = doors.client.get("/v1/runs?status=running").json()["data"]
        doors.upstream.background.until(lambda: doors.upstream.open == 1)
        assert doors.client.post(f"/v1/runs/{runs[0]['id']}/cancel").status_code == 200
        assert error_of(answer.result().content)["code"] == "run_cancelled"


def test_who_waits_for_a_turn_is_cancelled() -> None:
    config = CONFIG | {"orchestrator": {"max_concurrent_chains": 1}}
    with opened(config) as doors, ThreadPoolExecutor(2) as pool:
        doors.upstream.script = Pace()
        first = pool.submit(ask, doors, "for ever")
        doors.upstream.background.until(lambda: doors.upstream.open == 1)
        one = newest(doors)["id"]
        second = pool.submit(ask, doors, "for ever")
        while (waiting := newest(doors))["id"] == one:
            pass
        assert waiting["steps"] == 0
        assert doors.client.post(f"/v1/runs/{waiting['id']}/cancel").status_code == 200
        assert error_of(second.result().content)["code"] == "run_cancelled"
        assert doors.client.post(f"/v1/runs/{one}/cancel").status_code == 200
        assert first.result().status_code == 409
        assert ask(doors, "Hi").status_code == 200


def test_a_client_that_leaves_cancels_its_run(doors: Doors) -> None:
    with doors.client.stream("POST", "/v1/chat/completions", json=body("endless", stream=True)) as answer:
        run = answer.headers["x-gateway-run-id"]
        next(answer.iter_raw())
    (*_, last, done) = events_of(doors.client.get(f"/v1/runs/{run}/events").content)
    assert (last["type"], done) == ("run.cancelled", "[DONE]")


def test_the_run_of_a_client_that_does_not_read_is_cancelled_at_once(doors: Doors) -> None:
    async def flood(_: Received, wire: Wire) -> None:
        await wire.open()
        head, event, *_ = events("x" * 100_000)
        await wire.chunk(head)
        while True:
            await wire.chunk(event)

    doors.upstream.script = flood
    with doors.raw() as raw:
        raw.post(json.dumps(body("Hi", "chain:asks", stream=True)).encode())
        head = raw.until(b"\r\n\r\n").decode()
        run = head.partition("x-gateway-run-id: ")[2][:28]
        assert doors.client.post(f"/v1/runs/{run}/cancel").json()["status"] == "cancelled"
        doors.upstream.background.until(lambda: doors.upstream.left == 1)
        told = doors.client.get(f"/v1/runs/{run}").json()["events"]
        assert [event["type"] for event in told[-2:]] == ["step.cancelled", "run.cancelled"]
        assert b"run_cancelled" in raw.until(b"0\r\n\r\n")


def test_a_request_that_is_refused_has_a_run_too(doors: Doors) -> None:
    refused = doors.chat("chain:polish", inputs=[1])
    assert refused.status_code == 400
    told = doors.client.get(f"/v1/runs/{refused.headers['x-gateway-run-id']}").json()["events"]
    assert [event["type"] for event in told] == ["run.started", "run.failed"]


def test_after_a_restart_the_same_is_told(pace: Pace, database_url: str) -> None:
    config = CONFIG | {"runs": {}, "database": database_url}
    with opened(config) as doors:
        doors.upstream.script = pace
        with openai.OpenAI(base_url=doors.served.base_url, api_key="none") as client:
            stream = client.chat.completions.create(
                model="chain:polish", messages=[{"role": "user", "content": "Hi"}], stream=True
            )
            run = stream.response.headers["x-gateway-run-id"]
            with doors.client.stream("GET", f"/v1/runs/{run}/events") as response:
                pace.go()
                text = "".join(chunk.choices[0].delta.content or "" for chunk in stream if chunk.choices)
                *live, done = follow(response)
        assert (text, done, len(live)) == ("One two.", "[DONE]", 6)
        before = doors.client.get(f"/v1/runs/{run}").json()
        assert before["events"] == live
    with opened(config) as doors:
        assert doors.client.get(f"/v1/runs/{run}").json() == before
        assert events_of(doors.client.get(f"/v1/runs/{run}/events").content) == [*live, "[DONE]"]
        assert doors.client.get("/v1/runs").json()["data"][0]["id"] == run
        assert error_of(doors.client.post(f"/v1/runs/{run}/cancel").content)["code"] == "run_not_running"


def test_a_slow_reader_delays_nothing(doors: Doors, pace: Pace) -> None:
    pace.go()
    run = ""
    with doors.client.stream("POST", "/v1/chat/completions", json=body("late", stream=True)) as answer:
        run = answer.headers["x-gateway-run-id"]
        with doors.raw() as raw:
            raw.send(f"GET /v1/runs/{run}/events HTTP/1.1\r\nhost: x\r\n\r\n".encode())
            pace.go()
            answer.read()
            assert newest(doors)["status"] == "completed"
            assert b"run.completed" in raw.until(b"[DONE]")
