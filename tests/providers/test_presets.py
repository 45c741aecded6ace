"""Every preset builds, and speaks to its server as that server wants it."""

from typing import Any

import pytest

from gateway.build import PROVIDERS, Gateway
from gateway.config.load import convert
from gateway.config.problems import ConfigError
from gateway.providers.presets import PRESETS, preset
from gateway.testing import Received, Upstream, Wire, completion, events, serve
from gateway.upstream import Origin
from tests.doors import Doors, events_of, hello, opened, text_of

REMOTE = sorted(name for name, one in PRESETS.items() if one.variable is not None)
LOCAL = sorted(name for name, one in PRESETS.items() if one.variable is None)
SPEAK_CHAT = sorted(PRESETS.keys() - {"anthropic"})
PATHS = {
    "azure": "/openai/v1",
    "deepinfra": "/v1/openai",
    "fireworks": "/inference/v1",
    "gemini": "/v1beta/openai",
    "groq": "/openai/v1",
    "openrouter": "/api/v1",
    "perplexity": "",
}
NEEDED = {"azure": {"resource": "acme-east"}}


def variable(name: str) -> str:
    return PRESETS[name].variable or ""


def built(name: str, environment: dict[str, str] | None = None, **more: Any) -> Gateway:
    return Gateway.load({"providers": {name: NEEDED.get(name, {}) | more}}, environment or {})


def told(name: str, environment: dict[str, str] | None = None, **settings: Any) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Gateway.load({"providers": {name: settings}}, environment or {})
    return [str(problem) for problem in caught.value.problems]


def test_the_presets_that_people_look_for_are_there() -> None:
    wanted = "azure groq mistral deepseek together fireworks openrouter xai gemini perplexity cerebras"
    assert set(wanted.split()) <= set(REMOTE)
    assert {"ollama", "vllm", "lmstudio", "llamacpp"} == set(LOCAL)


@pytest.mark.parametrize("name", SPEAK_CHAT)
def test_a_presets_settings_are_settings_of_its_provider(name: str) -> None:
    settings = PRESETS[name].settings(NEEDED.get(name, {}), {variable(name): "sk-test"})
    kind: Any = PROVIDERS[name]
    made = convert(settings, kind.Settings, "")
    origin = Origin.parse(made.base_url)
    assert origin.scheme == ("http" if name in LOCAL else "https")
    assert origin.path == PATHS.get(name, "/v1")
    assert "chat" in made.surfaces
    assert made.models == []


@pytest.mark.parametrize("name", REMOTE)
def test_a_preset_is_off_without_its_variable_and_says_how_to_switch_it_on(name: str) -> None:
    reason = f"providers.{name}: switched off: set {variable(name)}"
    for environment in ({}, {variable(name): ""}):
        gateway = Gateway.load({"providers": {name: NEEDED.get(name, {}), "mock": {}}}, environment)
        assert gateway.notes == [reason]
        assert {entry.owner for entry in gateway.catalog.visible(None)} == {"mock"}
    assert built(name, {variable(name): "sk-test"}).notes == []


def test_who_asks_for_a_preset_that_is_off_is_told(doors: Doors) -> None:
    with serve({"providers": {"groq": {}}}, {}) as off:
        ask = {"model": "groq/llama", "messages": []}
        answer = doors.client.post(f"{off.base_url}/chat/completions", json=ask)
    assert answer.status_code == 503
    assert "providers.groq: switched off: set GROQ_API_KEY" in answer.json()["error"]["message"]


@pytest.mark.parametrize("name", LOCAL)
def test_a_local_server_needs_no_key(name: str) -> None:
    assert built(name).notes == []


@pytest.mark.parametrize("name", SPEAK_CHAT)
def test_a_preset_speaks_to_its_server(name: str) -> None:
    """Path, host, key: against a server that listens elsewhere, under the path of the preset's own."""
    path = PATHS.get(name, "/v1")
    with Upstream(hello) as upstream:
        root = upstream.url.removesuffix("/v1")
        settings = {"type": name, "base_url": root + path}
        if name == "openai":  # with a `base_url` it is any server, and gets no key that the file does not give
            settings["api_key"] = "${OPENAI_API_KEY}"
        with (
            serve({"providers": {"it": settings}}, {variable(name): "sk-test"}) as served,
            opened() as doors,
        ):
            answer = doors.client.post(
                f"{served.base_url}/chat/completions", json={"model": "it/some/model:1", "messages": []}
            )
            assert answer.status_code == 200, answer.text
        received = upstream.received[-1]
        assert received.path == f"{path}/chat/completions"
        assert f"http://{received.headers['host']}" == root
        assert received.json["model"] == "some/model:1"
        sent = {key: value for key, value in received.headers.items() if "sk-test" in value}
        if name in LOCAL:
            assert sent == {}
        else:
            assert sent == ({"api-key": "sk-test"} if name == "azure" else {"authorization": "Bearer sk-test"})


def test_what_the_file_gives_wins() -> None:
    given = {"base_url": "https://proxy.example/groq", "api_key": "sk-mine", "surfaces": ["chat", "completions"]}
    assert PRESETS["groq"].settings(given, {"GROQ_API_KEY": "sk-other"}) == given
    mistral = PRESETS["mistral"].settings({"stream_usage": True}, {"MISTRAL_API_KEY": "sk-1"})
    assert (mistral["stream_usage"], mistral["api_key"]) == (True, "sk-1")
    assert PRESETS["vllm"].settings({"api_key": "sk-2"}, {})["api_key"] == "sk-2"


def test_what_is_off_is_checked_all_the_same() -> None:
    (problem,) = told("groq", modles=["m"])
    assert problem.startswith("providers.groq")
    assert "modles" in problem


def test_a_variable_of_ones_own_in_the_file_is_the_one_that_counts() -> None:
    gateway = built("groq", {"GROQ_API_KEY": "sk-1"}, api_key="${MY_GROQ}")
    assert len(gateway.notes) == 1
    assert "GROQ_API_KEY" not in gateway.notes[0]


def test_openai_elsewhere_never_gets_openais_key() -> None:
    assert preset("openai", {"base_url": "http://127.0.0.1:1/v1"}) is None
    assert preset("openai", {}) is PRESETS["openai"]
    with Upstream(hello) as upstream:
        config = {"providers": {"openai": {"base_url": upstream.url}}}
        with serve(config, {"OPENAI_API_KEY": "sk-test"}) as served, opened() as doors:
            ask = {"model": "openai/m", "messages": []}
            assert doors.client.post(f"{served.base_url}/chat/completions", json=ask).status_code == 200
        assert "authorization" not in upstream.received[-1].headers


# ---- quirks


def test_only_azure_has_a_resource() -> None:
    (problem,) = told("groq", {"GROQ_API_KEY": "sk"}, resource="acme")
    assert problem.startswith("providers.groq")
    assert "resource" in problem


def test_mistral_is_not_asked_for_usage() -> None:
    async def strict(request: Received, wire: Wire) -> None:
        if "stream_options" in request.json:
            await wire.json({"object": "error", "message": "Extra inputs are not permitted"}, 422)
        else:
            await wire.stream(events("Salut."))

    with opened(up={"type": "mistral"}) as doors:
        doors.upstream.script = strict
        answer = doors.chat(stream=True)
        assert text_of(answer.content) == "Salut."


@pytest.mark.parametrize("last", [b"", b"data: [DONE]\n\n", b"data: [DONE]"])
def test_perplexity_may_leave_out_the_end_mark(last: bytes) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream([*events("Well.", done=False), *([last] if last else [])])

    with opened(up={"type": "perplexity"}) as doors:
        doors.upstream.script = script
        found = events_of(doors.chat(stream=True).content)
        assert found[-1] == "[DONE]"
        assert found.count("[DONE]") == 1


def test_a_perplexity_stream_that_is_cut_is_told_all_the_same() -> None:
    async def cut(request: Received, wire: Wire) -> None:
        await wire.open()
        for piece in events("Well.", done=False)[:2]:
            await wire.chunk(piece)
        wire.close()

    async def unframed(request: Received, wire: Wire) -> None:
        await wire.send(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n")
        await wire.send(b"".join(events("Well.", done=False)[:2]))
        wire.close()

    with opened(up={"type": "perplexity"}) as doors:
        for script in (cut, unframed):
            doors.upstream.script = script
            found = events_of(doors.chat(stream=True).content)
            assert found[-1] != "[DONE]"
            assert "error" in found[-1]


def test_other_servers_still_owe_the_end_mark() -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(events("Well.", done=False))

    with opened(up={"type": "groq"}) as doors:
        doors.upstream.script = script
        assert "error" in events_of(doors.chat(stream=True).content)[-1]


def test_a_preset_answers_whole() -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.json(completion("Bien."))

    with opened(up={"type": "mistral"}) as doors:
        doors.upstream.script = script
        assert doors.chat().json()["choices"][0]["message"]["content"] == "Bien."


@pytest.mark.parametrize("settings", [{"cache_control": True}, {"type": "openrouter", "api_key": "sk"}, {}])
def test_marks_of_the_cache_go_to_servers_that_take_them(settings: dict[str, Any]) -> None:
    text = {"type": "text", "text": "q", "cache_control": {"type": "ephemeral"}}
    with opened(up=settings) as doors:
        answer = doors.messages("up/m", messages=[{"role": "user", "content": [text]}])
        sent = doors.last().json["messages"][0]["content"]
    if settings:
        assert sent == [text]
        assert "x-gateway-dropped" not in answer.headers
    else:
        assert sent == "q"
        assert answer.headers["x-gateway-dropped"] == "messages[0].content[0].cache_control"
