"""The extra: absent, it costs nothing; lacking, what needs it says so."""

import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from gateway.build import Gateway
from gateway.config.problems import ConfigError

CONFIG = """
providers: {mock: {type: mock}}
models: {assistant: mock/tools}
graphs:
  weather:
    start: agent
    nodes: {agent: {function: "weather_agent:agent"}}
    edges: [{from: agent, to: END}]
"""


def python(source: str) -> str:
    done = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_gateway_without_it_imports_nothing_of_it() -> None:
    source = """
import sys
from gateway.testing import serve
with serve("config/examples/triage.yaml", {}):
    print([name for name in sys.modules if name.partition(".")[0] in ("langchain", "langchain_core", "langgraph")])
"""
    assert python(source) == "[]\n"


def test_check_says_what_to_install() -> None:
    source = f"""
import sys
sys.modules["langgraph"] = sys.modules["langchain_core"] = None
import yaml
from gateway.build import Gateway
from gateway.config.problems import ConfigError
try:
    Gateway.load(yaml.safe_load('''{CONFIG.replace("weather_agent:agent", "gateway.langgraph:LangGraphNode")}'''))
except ConfigError as error:
    print(error)
"""
    told = python(source)
    assert "graphs.weather.nodes.agent.function" in told
    assert "gateway.langgraph needs langchain_core, which is not installed" in told
    assert "pip install 'llm-orchestration-gateway[langgraph]'" in told


def test_a_plugin_that_is_wrong_is_told_with_its_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugins").mkdir()
    (tmp_path / "plugins/weather_agent.py").write_text(
        "from langgraph.graph import MessagesState, StateGraph\n"
        "from gateway.langgraph import LangGraphNode\n\n"
        "agent = LangGraphNode(StateGraph(MessagesState))\n"
    )
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ConfigError) as caught:
        Gateway.load(yaml.safe_load(CONFIG))
    assert "write graph.compile()" in str(caught.value)
    assert "plugins/weather_agent.py:4" in str(caught.value)
