"""Which servers on this machine are found, and which are not."""

import asyncio
import json
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest

from gateway.commands import survey
from gateway.commands.survey import LOCAL, LocalServer, keys, local_servers
from gateway.providers.presets import PRESETS
from gateway.testing import Received, Upstream, Wire, serve
from gateway.testing.upstream import Script


def listing(*names: str, owner: str = "somebody") -> dict[str, Any]:
    return {"object": "list", "data": [{"id": name, "object": "model", "owned_by": owner} for name in names]}


def answering(document: Any, status: int = 200) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        assert (request.method, request.path) == ("GET", "/v1/models")
        await wire.json(document, status)

    return script


@contextmanager
def places(**scripts: Script) -> Iterator[dict[str, str]]:
    with ExitStack() as stack:
        yield {name: stack.enter_context(Upstream(script)).url for name, script in scripts.items()}


def found(**scripts: Script) -> list[LocalServer]:
    with places(**scripts) as where:
        return asyncio.run(local_servers(where))


def test_the_usual_places() -> None:
    assert sorted(LOCAL) == ["llamacpp", "lmstudio", "ollama", "vllm"]
    assert LOCAL["ollama"] == "http://127.0.0.1:11434/v1"


def test_servers_that_answer_are_found_with_their_models() -> None:
    with places(
        ollama=answering(listing("llama3.2:3b", "qwen3:8b")),
        vllm=answering(listing("Qwen/Qwen3-8B")),
        llamacpp=answering(listing("model.gguf", owner="llamacpp")),
    ) as where:
        assert asyncio.run(local_servers(where)) == [
            LocalServer("ollama", where["ollama"], ["llama3.2:3b", "qwen3:8b"]),
            LocalServer("vllm", where["vllm"], ["Qwen/Qwen3-8B"]),
            LocalServer("llamacpp", where["llamacpp"], ["model.gguf"]),
        ]


async def closes(request: Received, wire: Wire) -> None:
    wire.close()


@pytest.mark.parametrize(
    "script",
    [
        answering(listing("m"), 401),
        answering(listing("m"), 404),
        answering(b"<html>"),
        answering([]),
        answering({"data": [{"name": "m"}]}),
        answering({"data": "m"}),
        answering(listing()),
        answering(b'{"data":[{"id":"\xff"}]}'),
        closes,
    ],
)
def test_what_is_no_model_server_is_left_out(script: Script) -> None:
    assert [server.preset for server in found(vllm=script, ollama=answering(listing("m")))] == ["ollama"]


def test_nobody_listens() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    assert asyncio.run(local_servers({"vllm": f"http://127.0.0.1:{port}/v1"})) == []


def test_whoever_is_slow_is_not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(survey, "_PATIENCE", 0.2)

    async def silent(request: Received, wire: Wire) -> None:
        await wire.left()

    async def drips(request: Received, wire: Wire) -> None:
        await wire.open()
        while True:
            await wire.chunk(b" ")
            await asyncio.sleep(0.02)

    began = time.monotonic()
    servers = found(vllm=silent, lmstudio=drips, llamacpp=silent, ollama=answering(listing("m")))
    assert [server.preset for server in servers] == ["ollama"]
    assert time.monotonic() - began < 5


def test_an_answer_that_is_too_large_is_left_out() -> None:
    assert found(vllm=answering(listing("m" * 2**20))) == []


def test_this_gateway_on_llamacpps_port_is_not_taken_for_llamacpp() -> None:
    with serve({"providers": {"mock": {"type": "mock"}}}) as served:
        assert asyncio.run(local_servers({"llamacpp": served.base_url})) == []


def test_names_that_the_file_cannot_hold_are_left_out() -> None:
    names = ["good", "${HOME}", "a\nb", "", "\x7f", "größe-🦙"]
    (server,) = found(ollama=answering(json.dumps(listing(*names)).encode()))
    assert server.models == ["good", "größe-🦙"]


def test_keys_in_the_environment() -> None:
    environment = {"GROQ_API_KEY": "sk-1", "XAI_API_KEY": "", "OPENAI_API_KEY": "sk-2", "OTHER": "x"}
    assert keys(environment) == {"groq": "GROQ_API_KEY", "openai": "OPENAI_API_KEY"}
    everything = {one.variable: "x" for one in PRESETS.values() if one.variable}
    assert set(keys(everything)) == set(PRESETS) - set(LOCAL)
