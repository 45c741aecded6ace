"""What a configuration's models become, by what a client sees of it; and what is told of those that cannot be."""

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from gateway.build import Gateway
from gateway.config.problems import ConfigError
from gateway.routing.route import Route
from gateway.seam import Call, GatewayError
from gateway.testing import Received, Wire, completion, events
from tests.doors import opened

HERE = "tests.test_models"
MOCK = {"mock": {"type": "mock"}}


class Last:
    """A strategy of somebody's own."""

    sticky = False

    def choose(self, call: Call, among: Sequence[Route]) -> Route:
        return among[-1]


class NoStrategy:
    """Lacks `choose`."""


class Breaks:
    """Cannot be made."""

    def __init__(self) -> None:
        raise ZeroDivisionError("by zero")


Behave = Callable[[Received, Wire], Any]


def by_model(**behave: Behave | int) -> Behave:
    """Answers with the model's own name, or as it says."""

    async def script(request: Received, wire: Wire) -> None:
        body = json.loads(request.body) if request.body else {}
        how = behave.get(body.get("model", ""))
        if isinstance(how, int):
            await wire.json({"error": {"message": "No.", "type": "t", "code": None}}, how)
        elif how is not None:
            await how(request, wire)
        elif body.get("stream"):
            await wire.stream(events(body["model"]))
        else:
            await wire.json(completion(body["model"]))

    return script


def said(answer: Any) -> str:
    text: str = answer.json()["choices"][0]["message"]["content"]
    return text


def targets(*names: str, **more: Any) -> dict[str, Any]:
    return {"targets": [{"to": f"up/{name}"} for name in names], **more}


def test_calls_are_spread_over_the_targets_by_weight() -> None:
    models = {"m": {"targets": [{"to": "up/a", "weight": 3}, {"to": "up/b"}]}}
    with opened({"models": models}) as doors:
        doors.upstream.script = by_model()
        found = Counter(said(doors.chat("m")) for _ in range(8))
        assert found == {"a": 6, "b": 2}


@pytest.mark.parametrize("stream", [False, True])
def test_a_failure_moves_on_and_the_headers_tell(stream: bool) -> None:
    with opened({"models": {"m": targets("a", "b", strategy="priority")}}) as doors:
        doors.upstream.script = by_model(a=503)
        answer = doors.chat("m", stream=stream)
        assert answer.status_code == 200
        assert answer.headers["x-gateway-attempts"] == "2"
        assert (answer.headers["x-gateway-provider"], answer.headers["x-gateway-model"]) == ("up", "b")


def test_an_error_inside_a_200_moves_on_too() -> None:
    async def broken(request: Received, wire: Wire) -> None:
        await wire.stream([*events("x")[:1], b'data: {"error": {"message": "Overloaded", "code": "overloaded"}}\n\n'])

    with opened({"models": {"m": targets("a", "b", strategy="priority")}}) as doors:
        doors.upstream.script = by_model(a=broken)
        answer = doors.chat("m", stream=True)
        assert '"content": "b"' in answer.text
        assert "error" not in answer.text


def test_when_all_fail_the_last_error_is_told_with_its_status() -> None:
    with opened({"models": {"m": targets("a", "b", strategy="priority")}}) as doors:
        doors.upstream.script = by_model(a=500, b=529)
        answer = doors.chat("m")
        assert answer.status_code == 529
        assert answer.headers["x-gateway-attempts"] == "2"
        assert answer.headers["x-gateway-provider"] == "up"


def test_a_models_own_name_is_not_tried_twice_where_it_stands_for_itself() -> None:
    """`provider/model`, which the file does not name, is a plain pass-through."""
    with opened() as doors:
        doors.upstream.script = by_model(a=503)
        answer = doors.chat("up/a")
        assert answer.status_code == 503
        assert answer.headers["x-gateway-attempts"] == "1"
        assert len(doors.upstream.received) == 1


def test_other_models_by_cause() -> None:
    async def too_long(request: Received, wire: Wire) -> None:
        error = {"message": "Too long.", "type": "invalid_request_error", "code": "context_length_exceeded"}
        await wire.json({"error": error}, 400)

    models = {
        "m": targets("a", fallback={"context_window": ["long"], "any": ["up/c"]}),
        "long": targets("b", aliases=["longer"]),
    }
    with opened({"models": models}) as doors:
        doors.upstream.script = by_model(a=too_long)
        assert said(doors.chat("m")) == "b"
        doors.upstream.script = by_model(a=404)
        assert said(doors.chat("m")) == "c"
        doors.upstream.script = by_model(a=400)
        assert doors.chat("m").status_code == 400


def test_models_that_name_each_other() -> None:
    models = {"m": targets("a", fallback=["n"], retry={"attempts": 1}), "n": targets("b", fallback=["m"])}
    with opened({"models": models}) as doors:
        doors.upstream.script = by_model(a=404, b=404)
        assert doors.chat("m").status_code == 404
        assert [json.loads(one.body)["model"] for one in doors.upstream.received] == ["a", "b"]


def test_a_second_target_is_asked_where_the_first_is_silent() -> None:
    async def silent(request: Received, wire: Wire) -> None:
        await wire.left()

    models = {"m": targets("a", "b", strategy="priority", hedge={"after": "20ms", "share": "100%"})}
    with opened({"models": models}) as doors:
        doors.upstream.script = by_model(a=silent)
        answer = doors.chat("m", stream=True)
        assert '"content": "b"' in answer.text
        assert answer.headers["x-gateway-attempts"] == "2"
        doors.quiet()
        assert doors.upstream.left == 1


def test_a_session_keeps_its_target() -> None:
    with opened({"models": {"m": targets("a", "b", "c", "d")}}) as doors:
        doors.upstream.script = by_model()
        for number in range(4):
            headers = {"x-gateway-session": f"s{number}"}
            assert len({said(doors.chat("m", headers=headers)) for _ in range(5)}) == 1


def test_health_tells_who_rests_until_when() -> None:
    async def busy(request: Received, wire: Wire) -> None:
        error = {"message": "sk-secret hidden in a message", "code": "rate_limit_exceeded"}
        await wire.json({"error": error}, 429, {"retry-after": "40"})

    config = {
        "models": {"m": targets("a", "b", strategy="priority")},
        "providers": {"gone": {"type": "openai", "api_key": "${NO_SUCH_KEY}"}},
    }
    with opened(config) as doors:
        doors.upstream.script = by_model(a=busy)
        assert said(doors.chat("m")) == "b"
        answer = doors.client.get("/health")
        assert answer.status_code == 200
        document = answer.json()
        assert document["status"] == "degraded"
        assert document["providers"]["gone"]["status"] == "off"
        up = document["providers"]["up"]
        assert up["status"] == "degraded"
        assert up["targets"]["a"]["state"] == "open"
        assert up["targets"]["a"]["resting_until"].endswith("Z")
        assert up["targets"]["a"]["last_error"]["status"] == 429
        assert up["targets"]["b"]["state"] == "closed"
        assert "secret" not in answer.text
        assert doors.client.get("/health/ready").status_code == 200
        assert said(doors.chat("m")) == "b"
        assert len([one for one in doors.upstream.received if b'"a"' in one.body]) == 1


def test_names_that_the_file_does_not_know_share_one_state() -> None:
    with opened() as doors:
        doors.upstream.script = by_model(typo=404)
        for _ in range(20):
            assert doors.chat("up/typo").status_code == 404
        assert said(doors.chat("up/a")) == "a"
        found = doors.client.get("/health").json()["providers"]["up"]["targets"]
        assert list(found) == ["*"]
        assert (found["*"]["state"], found["*"]["calls"], found["*"]["failures"]) == ("closed", 21, 20)


@pytest.mark.parametrize("kind", ["models", "token"])
def test_probes_find_out_before_a_call_does(kind: str) -> None:
    probe = {"every": "10ms", "with": kind}
    config = {"models": {"m": targets("a", "b", strategy="priority")}}
    with opened(config, up={"probe": probe, "breaker": {"rest": "60s", "slow_start": "0s"}}) as doors:

        async def down(request: Received, wire: Wire) -> None:
            await wire.json({"error": {"message": "No."}}, 503)

        async def listing(request: Received, wire: Wire) -> None:
            if request.method == "GET":
                assert (request.path, request.headers["authorization"]) == ("/v1/models", "Bearer sk-upstream")
                await wire.json({"object": "list", "data": []})
            else:
                await by_model()(request, wire)

        doors.upstream.script = listing
        state = doors.served.gateway
        doors.served.background.until(lambda: _well(state, "up/a"))
        assert doors.client.get("/health").json()["status"] == "ok"
        doors.upstream.script = down
        doors.served.background.until(lambda: _resting(state, "up/a") and _resting(state, "up/b"))
        assert doors.client.get("/health").json()["providers"]["up"]["targets"]["a"]["probe"]["well"] is False

        async def stop() -> None:
            state.targets.probes.stop()

        doors.served.background.run(stop())


def _well(gateway: Gateway, name: str) -> bool:
    last = gateway.targets.probes.probers[name].last
    return last is not None and last.well


def _resting(gateway: Gateway, name: str) -> bool:
    return gateway.targets.backends[name].breaker.state == "open"


def test_targets_of_several_models_share_their_state() -> None:
    with opened(
        {"models": {"m": targets("a", retry={"attempts": 1}), "n": targets("a", "b", strategy="priority")}}
    ) as doors:
        doors.upstream.script = by_model(a=503)
        for _ in range(5):
            doors.chat("m")
        doors.upstream.received.clear()
        assert said(doors.chat("n")) == "b"
        assert len(doors.upstream.received) == 1


async def test_rests_are_told_and_taken_over() -> None:
    told: list[tuple[str, float, str]] = []
    models = {"m": targets("a", "b")}
    async with Gateway.load(
        {"providers": {"up": {"type": "openai", "api_key": "sk-x"}}, "models": models}, {}
    ) as gateway:
        shared = gateway.targets
        shared.tell = lambda name, seconds, why: told.append((name, seconds, why))
        backend = shared.backends["up/a"]
        backend.note(GatewayError("sk-secret", status=429, code="slow_down"))
        backend.breaker.failed(backend.breaker.enter(gateway.env.clock()), gateway.env.clock(), 20)
        ((name, seconds, why),) = told
        assert (name, why) == ("up/a", "status 429, slow_down")
        assert 19 < seconds <= 20
        shared.rest("up/b", 30, "status 500")
        shared.rest("up/nobody", 30, "status 500")
        assert not shared.backends["up/b"].breaker.available(gateway.env.clock() + 29)
        assert len(told) == 1


def test_a_strategy_of_ones_own() -> None:
    with opened({"models": {"m": targets("a", "b", "c", strategy=f"{HERE}:Last")}}) as doors:
        doors.upstream.script = by_model()
        assert [said(doors.chat("m")) for _ in range(3)] == ["c", "c", "c"]


def test_targets_that_are_switched_off_are_left_out_and_said() -> None:
    models = {"m": {"targets": [{"to": "off/x"}, {"to": "mock/echo"}], "fallback": ["off/y", "n"]}, "n": "off/x"}
    gateway = Gateway.load(
        {"providers": {"off": {"type": "openai", "api_key": "${NONE}"}, **MOCK}, "models": models}, {}
    )
    assert gateway.notes == [
        "providers.off: switched off: set NONE",
        "models.m.targets[0].to: left out: off is switched off",
        "models.m.fallback[0]: left out: off is switched off",
        "models.m.fallback[1]: passed over: n is switched off",
    ]


def off_and_on(**more: Any) -> dict[str, Any]:
    """A model that is switched off, another one that is too, and one that answers."""
    return {
        "providers": {
            "off": {"type": "openai", "api_key": "${NO_SUCH_KEY}"},
            "gone": {"type": "openai", "api_key": "${NO_OTHER_KEY}"},
        },
        "models": {
            "m": {"targets": [{"to": "off/x"}], "aliases": ["too"], **more},
            "n": {"targets": [{"to": "gone/y"}], "fallback": ["m", "last"]},
            "last": targets("a"),
        },
    }


@pytest.mark.parametrize("fallback", [["up/b"], {"any": ["up/b"]}, {"unavailable": ["up/b"]}, ["n", "up/b"]])
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_is_switched_off_turns_to_others(fallback: Any, stream: bool) -> None:
    with opened(off_and_on(fallback=fallback)) as doors:
        doors.upstream.script = by_model()
        for name in ("m", "too"):
            answer = doors.chat(name, stream=stream)
            assert answer.status_code == 200
            # By way of the other one that is off where that comes first: a model's own list before its models' lists.
            assert answer.headers["x-gateway-model"] == "b"
            assert answer.headers["x-gateway-attempts"] == "1"
        ids = [entry["id"] for entry in doors.client.get("/v1/models").json()["data"]]
        assert {"m", "too", "n", "last"}.issubset(ids)


def test_it_goes_on_to_what_those_fall_back_on() -> None:
    with opened(off_and_on(fallback=["n"])) as doors:
        doors.upstream.script = by_model()
        assert said(doors.chat("m")) == "a"
        assert said(doors.chat("n")) == "a"


@pytest.mark.parametrize("fallback", [[], ["off/z"], ["gone/z", "off/z"], {"rate_limit": ["last"]}])
def test_where_none_can_serve_the_model_and_its_cure_are_told(fallback: Any) -> None:
    with opened(off_and_on(fallback=fallback)) as doors:
        for name in ("m", "too"):
            answer = doors.chat(name)
            assert answer.status_code == 503
            error = answer.json()["error"]
            why = "providers.off: switched off: set NO_SUCH_KEY"
            assert error["message"] == f"The model {name!r} cannot be served: {why}."
            assert (error["code"], error["param"]) == ("provider_not_configured", "model")
        assert "m" not in [entry["id"] for entry in doors.client.get("/v1/models").json()["data"]]
        assert not doors.upstream.received


def test_who_serves_in_its_place_is_noted() -> None:
    with opened(off_and_on(fallback=["n", "up/b"])) as doors:
        assert doors.served.gateway.notes[2:] == [
            "models.m.fallback[0]: passed over: n is switched off",
            "models.n.fallback[0]: passed over: m is switched off",
            "models.m: its targets are switched off: up/b serves it",
            "models.n: its targets are switched off: up/a serves it",
        ]


@pytest.mark.parametrize("name", ["m", "too"])
def test_errors_name_the_model_that_was_asked_for(name: str) -> None:
    models = {
        "m": {"targets": [{"to": "mock/nope"}], "aliases": ["too"]},
        "e": {"targets": [{"to": "mock/embed"}]},
        "strict": {"targets": [{"to": "up/real-name"}]},
    }
    with opened({"models": models, "providers": MOCK}, up={"translation": "strict", "surfaces": ["chat"]}) as doors:
        answer = doors.chat(name)
        assert answer.status_code == 404
        message = answer.json()["error"]["message"]
        assert message == f"The model {name!r} cannot be served: its provider does not know what it leads to."
        assert answer.headers["x-gateway-provider"] == "mock"
        answer = doors.chat("e")
        assert answer.json()["error"]["message"] == "The model 'e' serves embeddings, not chat."
        answer = doors.client.post("/v1/moderations", json={"model": "strict", "input": "x"})
        assert answer.json()["error"]["message"].startswith("The model 'strict' does not serve moderations: ")
        body = {"model": "strict", "max_tokens": 5, "top_k": 3, "messages": [{"role": "user", "content": "x"}]}
        answer = doors.client.post("/v1/messages", json=body)
        assert answer.json()["error"]["message"].startswith("The model 'strict' is served in another dialect, ")


def problems(models: dict[str, Any], **more: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Gateway.load({"providers": MOCK, "models": models, **more}, {})
    return [str(problem) for problem in caught.value.problems]


def one(**more: Any) -> dict[str, Any]:
    return {"m": {"targets": [{"to": "mock/echo"}], **more}}


@pytest.mark.parametrize(
    ("models", "told"),
    [
        (one(fallback=["hello"]), "models.m.fallback[0]: no such model; expected one of m, or provider/model"),
        (one(fallback={"timeout": ["mok/x"]}), "models.m.fallback.timeout[0]: no such provider; expected one of mock"),
        (one(fallback=["chain:x"]), "models.m.fallback[0]: no such chain"),
        (one(fallback=["m"]), "models.m.fallback[0]: it would fall back on itself"),
        (one(fallback=["alias"], aliases=["alias"]), "models.m.fallback[0]: it would fall back on itself"),
        ({**one(fallback=["hello"]), "helo": "mock/echo"}, "did you mean 'helo'?"),
        (one(strategy="cheapest"), "models.m.targets[0].price: strategy: cheapest compares prices"),
        (one(strategy="least_latncy"), "nothing is called 'least_latncy'; did you mean least_latency"),
        (one(strategy=f"{HERE}:NoStrategy"), f"{HERE}:NoStrategy ({HERE}:NoStrategy) is no strategy"),
        (
            one(strategy=f"{HERE}:Breaks"),
            f"{HERE}:Breaks cannot be made: ZeroDivisionError: by zero",
        ),
        (one(strategy=f"{HERE}:nothing"), "models.m.strategy: tests.test_models has no 'nothing'"),
        (
            {"m": {"targets": [{"to": "mock/echo"}, {"to": "mock/echo"}]}},
            "models.m.targets[1].to: the target 'mock/echo' stands here twice",
        ),
        (
            {"m": {"targets": [{"to": "mock/echo"}, {"to": "moc/echo"}]}},
            "models.m.targets[1].to: no such provider; expected one of mock; found 'moc/echo'; did you mean 'mock'?",
        ),
        ({"m": {"targets": [{"to": "graph:nope"}]}}, "models.m.targets[0].to: no such graph"),
    ],
)
def test_what_cannot_be_is_told(models: dict[str, Any], told: str) -> None:
    found = problems(models)
    assert len(found) == 1
    assert told in found[0]


@pytest.mark.parametrize(
    ("more", "place"),
    [
        ({"retry": {"attempts": 0}}, "models.m.retry.attempts"),
        ({"retry": {"attempts": 11}}, "models.m.retry.attempts"),
        ({"retry": {"backoff": "soon"}}, "models.m.retry.backoff"),
        ({"retry": {"budget": "120%"}}, "models.m.retry.budget"),
        ({"hedge": {"share": "5%"}}, "models.m.hedge"),
        ({"hedge": {"after": "p99"}}, "models.m.hedge.after"),
        ({"hedge": {"after": 0}}, "models.m.hedge.after"),
        ({"hedge": {"after": "1s", "share": "lots"}}, "models.m.hedge.share"),
        ({"fallback": {"bored": ["m"]}}, "models.m.fallback"),
        ({"sticky": "yes"}, "models.m.sticky"),
    ],
)
def test_wrong_values_are_told_with_their_place(more: dict[str, Any], place: str) -> None:
    found = problems(one(**more))
    assert len(found) == 1
    assert found[0].startswith(place)


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ({"breaker": {"rest": "never"}}, "providers.mock.breaker.rest"),
        ({"breaker": {"failure_rate": 50}}, "providers.mock.breaker.failure_rate"),
        ({"breaker": {"consecutive": 0}}, "providers.mock.breaker.consecutive"),
        ({"probe": {"with": "telepathy"}}, "providers.mock.probe.with"),
        ({"probe": {"evry": "1s"}}, "providers.mock.probe"),
    ],
)
def test_wrong_settings_of_a_provider_are_told(settings: dict[str, Any], place: str) -> None:
    found = problems({}, providers={"mock": {"type": "mock", **settings}})
    assert len(found) == 1
    assert found[0].startswith(place)


def test_a_provider_without_a_list_cannot_be_probed_by_it() -> None:
    providers = {"p": {"type": "tests.test_build:Plain", "probe": {"with": "models"}}}
    found = problems({"m": "p/x"}, providers=providers)
    assert found == ["models.m: p has no list of models to probe by; give its probe `with: token`"]
