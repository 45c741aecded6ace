"""What start says, and that its curl line works as it stands."""

import json
import shutil
import subprocess
from typing import Any

import pytest

from gateway.build import Gateway
from gateway.commands.greeting import greeting
from gateway.testing import Served, serve

MOCK = {"mock": {"type": "mock"}}
MODELS = [f"mock/{name}" for name in Gateway.load({"providers": MOCK}, {}).providers["mock"].models]
CURL = (
    "try: curl http://127.0.0.1:8080/v1/chat/completions -H 'authorization: Bearer sk-local'"
    " -H 'content-type: application/json'"
    ' -d \'{"model":"echo","messages":[{"role":"user","content":"Hello"}]}\''
)
LOCAL = {"name": "dev", "key": "sk-local"}


def lines(environment: dict[str, str] | None = None, **config: Any) -> list[str]:
    return greeting(Gateway.load(config, environment or {}))


def request(**config: Any) -> str | None:
    found = [line for line in lines(**config) if line.startswith("try")]
    return found[0] if found else None


def test_the_whole() -> None:
    config = {
        "auth": {"keys": [LOCAL]},
        "providers": {**MOCK, "groq": {}, "xai": {}, "vllm": {}},
        "models": {"echo": "mock/echo", "quick": "groq/llama"},
        "cache": {"enabled": True},
    }
    assert lines(**config) == [
        f"models: {', '.join(['echo', *MODELS])}",
        "off: groq (set GROQ_API_KEY), xai (set XAI_API_KEY)",
        "note: cache: known, but not built yet: it does nothing",
        CURL,
    ]


def test_without_keys_it_says_so() -> None:
    told = lines(providers=MOCK)
    assert "note: no auth block: whoever reaches this address may call" in told
    assert "authorization" not in told[-1]


def test_many_models_are_counted() -> None:
    told = lines(models={f"m{n}": "mock/echo" for n in range(30)}, providers=MOCK)
    assert told[0].endswith(f"m19 and {10 + len(MODELS)} more")


def test_providers_that_list_no_models() -> None:
    told = lines({"GROQ_API_KEY": "x"}, providers={"groq": {}, "ollama": {}, "xai": {}})
    assert told[0] == "models: none are listed; ask for groq/MODEL or ollama/MODEL"
    assert lines(providers={"xai": {}})[0] == "models: none are listed; no provider is switched on"
    assert request(providers={"ollama": {}}) is None


@pytest.mark.parametrize(
    ("host", "shown"),
    [("127.0.0.1", "127.0.0.1"), ("0.0.0.0", "127.0.0.1"), ("::", "[::1]"), ("::1", "[::1]"), ("gw.a.b", "gw.a.b")],
)
def test_the_address_is_one_that_a_client_here_can_use(host: str, shown: str) -> None:
    auth = {"keys": [{"name": "web", "key": "sk-web"}]}
    told = request(server={"host": host, "port": 9}, auth=auth, providers=MOCK)
    assert told is not None
    assert f" curl http://{shown}:9/v1/" in told


def test_the_request_names_a_model_that_the_key_may_use() -> None:
    keys = [{"name": "other", "key": "sk-1"}, {**LOCAL, "models": ["mock/l*"]}]
    told = request(auth={"keys": keys}, providers=MOCK)
    assert told is not None
    assert "sk-local" in told
    assert '"model":"mock/lorem"' in told
    assert request(auth={"keys": [{**LOCAL, "models": ["none"]}]}, providers=MOCK) is None


def test_no_request_where_none_would_work() -> None:
    assert request(server={"port": 0}, providers=MOCK) is None
    assert request(auth={"keys": []}, providers=MOCK) is None


def test_a_key_of_ones_own_is_not_printed_and_the_shell_fills_it_in() -> None:
    told = request(auth={"keys": [{"name": "web", "key": "sk-very-secret"}]}, providers=MOCK)
    assert told is not None
    assert told.startswith("try (KEY is that of 'web'): curl")
    assert '"authorization: Bearer $KEY"' in told
    assert "secret" not in told


@pytest.mark.parametrize("name", ["it's", "größe", 'a"b', "$HOME", "a b"])
@pytest.mark.parametrize("auth", [None, {"keys": [LOCAL]}, {"keys": [{"name": "web", "key": "sk-web"}]}])
def test_a_shell_runs_the_line_as_it_stands(name: str, auth: dict[str, Any] | None) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is not installed")
    config = {"providers": MOCK, "models": {name: "mock/echo"}, **({"auth": auth} if auth else {})}
    with serve(config) as served:
        command = _elsewhere(request(**config), served)
        done = subprocess.run(
            ["sh", "-c", f"{command} -sS"], env={"KEY": "sk-web", "PATH": "/usr/bin:/bin"}, capture_output=True
        )
    assert json.loads(done.stdout)["choices"][0]["message"]["content"] == "Hello", done.stderr


def _elsewhere(line: str | None, served: Served) -> str:
    assert line is not None
    return line.partition(": ")[2].replace("http://127.0.0.1:8080", served.url)
