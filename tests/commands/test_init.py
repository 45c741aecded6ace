"""What `gateway init` writes loads, serves, and holds no secret."""

import os
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.build import Gateway
from gateway.commands.init import document, init
from gateway.commands.survey import LOCAL, LocalServer, keys
from gateway.config.load import read
from gateway.providers.presets import PRESETS
from gateway.testing import serve
from tests.commands.test_survey import answering, listing, places
from tests.test_cli import run

VARIABLES = {name: one.variable for name, one in PRESETS.items() if one.variable}
NOWHERE: dict[str, str] = {}


def loaded(text: str, folder: Path, environment: dict[str, str]) -> Gateway:
    path = folder / "gateway.yaml"
    path.write_text(text)
    return Gateway.load(path, environment)


def listed(gateway: Gateway) -> list[str]:
    return [entry.name for entry in gateway.catalog.visible(None)]


def test_with_nothing_found_it_is_the_mock(tmp_path: Path) -> None:
    said = init(tmp_path / "new" / "gateway.yaml", False, {}, NOWHERE)
    assert said.splitlines() == [
        f"{tmp_path}/new/gateway.yaml is written, with",
        "  the mock: no key was found in the environment, and no model server on this machine",
        f"next: gateway serve --config {tmp_path}/new/gateway.yaml",
    ]
    gateway = Gateway.load(tmp_path / "new" / "gateway.yaml", {})
    assert (listed(gateway)[:2], gateway.notes) == (["echo", "mock/echo"], [])


def test_keys_and_servers_that_were_found(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    environment = {"GROQ_API_KEY": "gsk-very-secret", "OPENAI_API_KEY": "sk-very-secret"}
    scripts = {"ollama": answering(listing("llama3.2:3b")), "vllm": answering(listing("Qwen/Qwen3-8B"))}
    with places(**scripts) as where:
        said = init(path, False, environment, where)
    assert said.splitlines()[1:-1] == [
        "  groq    GROQ_API_KEY",
        "  openai  OPENAI_API_KEY",
        f"  ollama  {where['ollama']}",
        f"  vllm    {where['vllm']}",
    ]
    assert "secret" not in path.read_text() + said
    config = read(path, environment)
    assert config.providers == {
        "groq": {"type": "groq", "api_key": "gsk-very-secret"},
        "openai": {"type": "openai", "api_key": "sk-very-secret"},
        "ollama": {"type": "ollama", "base_url": where["ollama"], "models": ["llama3.2:3b"]},
        "vllm": {"type": "vllm", "base_url": where["vllm"], "models": ["Qwen/Qwen3-8B"]},
    }
    assert config.models == {"gpt-4o-mini": "openai/gpt-4o-mini", "local": "ollama/llama3.2:3b"}
    assert Gateway(config, environment).notes == []
    assert Gateway.load(path, {}).off.keys() == {"groq", "openai"}


def test_the_file_serves(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    init(path, False, {}, NOWHERE)
    with serve(path, {}) as served:
        ask = {"model": "echo", "messages": [{"role": "user", "content": "Hi."}]}
        headers = {"authorization": "Bearer sk-local"}
        answer = httpx.post(f"{served.base_url}/chat/completions", json=ask, headers=headers, trust_env=False)
        assert answer.json()["choices"][0]["message"]["content"] == "Hi."


@pytest.mark.parametrize("name", sorted(VARIABLES))
def test_each_key_alone_makes_a_file_that_loads(name: str, tmp_path: Path) -> None:
    environment = {VARIABLES[name]: "sk-very-secret"}
    text = document(keys(environment), [])
    assert "secret" not in text
    gateway = loaded(text, tmp_path, environment)
    assert gateway.notes == []
    if name == "azure":  # it must be told its resource first
        assert '# azure: {type: azure, resource: NAME, api_key: "${AZURE_OPENAI_API_KEY}"}    # fill in NAME' in text
        assert [*gateway.providers] == ["mock"]
        text = text.replace("# azure", "azure").replace("NAME", "acme")
        gateway = loaded(text, tmp_path, environment)
    assert name in gateway.providers


def test_at_llamacpps_port_the_gateway_moves_away(tmp_path: Path) -> None:
    text = document({}, [LocalServer("llamacpp", LOCAL["llamacpp"], ["model.gguf"])])
    gateway = loaded(text, tmp_path, {})
    assert gateway.config.server.port == 8090
    assert "8080 is taken by a server below" in text
    assert "base_url" not in gateway.config.providers["llamacpp"]


def test_many_models_are_counted(tmp_path: Path) -> None:
    text = document({}, [LocalServer("ollama", LOCAL["ollama"], [f"m{n}" for n in range(25)])])
    assert "# and 5 more" in text
    assert len(loaded(text, tmp_path, {}).config.providers["ollama"]["models"]) == 20


printable = st.text(min_size=1).filter(lambda text: text.isprintable() and "${" not in text)


@given(names=st.lists(printable, min_size=1, max_size=5), chosen=st.sets(st.sampled_from(sorted(VARIABLES))))
def test_whatever_is_found_the_file_loads(
    names: list[str], chosen: set[str], tmp_path_factory: pytest.TempPathFactory
) -> None:
    variables = {name: VARIABLES[name] for name in sorted(chosen)}
    text = document(variables, [LocalServer("ollama", "http://127.0.0.1:9/v1", names)])
    environment = dict.fromkeys(variables.values(), "sk")
    gateway = loaded(text, tmp_path_factory.mktemp("init"), environment)
    assert gateway.config.providers["ollama"]["models"] == names
    assert gateway.config.models["local"] == f"ollama/{names[0]}"


def test_the_command_leaves_a_file_alone_unless_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from gateway.commands import init as module

    real = module.init

    def nowhere(path: Path, force: bool, environment: Any) -> str:
        return real(path, force, environment, NOWHERE)

    monkeypatch.setattr(module, "init", nowhere)
    for variable in VARIABLES.values():
        monkeypatch.delenv(variable, raising=False)
    path = tmp_path / "gateway.yaml"
    path.write_text("mine\n")
    refused = run("init", "--output", str(path))
    assert refused.exit_code == 1
    assert refused.stderr == (
        f"Error: {path} cannot be written: File exists; --force overwrites it, --output names another\n"
    )
    assert path.read_text() == "mine\n"
    assert run("init", "--output", str(path), "--force").exit_code == 0
    assert "mock: {type: mock}" in path.read_text()
    nowhere_to_go = run("init", "--output", str(path / "below"))
    assert nowhere_to_go.exit_code == 1
    assert "cannot be written" in nowhere_to_go.stderr
    monkeypatch.chdir(tmp_path)
    assert run("init").exit_code == 0
    assert (tmp_path / "config" / "gateway.yaml").exists()
    assert not os.environ.get("GATEWAY_CONFIG")
