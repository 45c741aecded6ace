"""Chains and graphs as text and as Mermaid."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from gateway.build import Gateway
from gateway.cli import main
from gateway.orchestration.mermaid import mermaid, quoted
from gateway.orchestration.outline import outline
from gateway.orchestration.wiring import Workflows

FILE = Path(__file__).parent / "files/workflows.yaml"


@pytest.fixture(scope="module")
def workflows() -> Workflows:
    read = Gateway.load(FILE, {}).workflows
    assert read is not None
    return read


def test_a_graph_is_told_with_its_edges(workflows: Workflows) -> None:
    assert outline("graph:support", workflows.graphs["support"]) == [
        "graph:support  (graph)",
        "  start     classify, at most 25 steps",
        '  classify  model fast, "One word, question or complaint: {{ input }}" → kind',
        "              → answer",
        "  answer    chain polish → reply",
        "              → review",
        '  review    model fast, "Score 1-5: {{ reply }}", answers JSON → review',
        "              → answer  if review.score < 3 and visits.answer < 3",
        "              → END",
        '  sorry     template "We could not answer that now."',
        "  output    {{ reply }}",
        "  on error  sorry",
    ]


def test_each_chain_is_told(workflows: Workflows) -> None:
    told = {name: outline(f"chain:{name}", chain) for name, chain in workflows.chains.items()}
    assert told["summarise"] == ["chain:summarise  (simple)", '  model fast, "Summarise in one line: {{ input }}"']
    assert told["tutor"] == [
        "chain:tutor  (conversational)",
        "  remembers the last 20 turns of the conversation",
        "  model   fast",
        '  system  "You teach."',
    ]
    assert told["polish"][1:] == [
        '  1. draft  model fast, "Draft an answer to: {{ input }}"',
        '  2. final  chain summarise, "{{ draft }}"',
    ]
    assert told["panel"][1] == "  at the same time, all must succeed:"
    assert told["panel"][-1] == '  then model fast, "Weigh: {{ a }} / {{ b }}"'
    assert told["triage"][1:] == ["  if 'refund' in input  chain polish", "  otherwise             model fast"]


TOOLS = """
providers: {mock: {}}
chains:
  agent: {type: conversational, model: mock/tools, tools: [note, "tests.orchestration.agents:find"]}
  pressed: {type: simple, model: mock/tools, tools: [note], max_turns: 3, on_max_turns: answer}
tools:
  note: {description: "Takes a note.", template: "{{ text }}", parameters: {text: string}, timeout: 5s}
"""


def test_tools_are_told(tmp_path: Path) -> None:
    path = tmp_path / "gateway.yaml"
    path.write_text(TOOLS)
    read = Gateway.load(path, {}).workflows
    assert read is not None
    assert outline("chain:agent", read.chains["agent"])[1:] == ["  model  mock/tools", "  tools  note, find"]
    pressed = "model mock/tools, calls note in at most 3 turns, the last without tools"
    assert outline("chain:pressed", read.chains["pressed"])[1:] == [f"  {pressed}"]
    assert f'    n2["{pressed}"]' in mermaid(read.chains["pressed"]).splitlines()
    result = CliRunner().invoke(main, ["explain", "--config", str(path)])
    assert 'tools\n  note  template "{{ text }}", within 5s  "Takes a note."\n' in result.output


def test_a_graph_is_drawn(workflows: Workflows) -> None:
    lines = mermaid(workflows.graphs["support"]).splitlines()
    assert lines[0] == "flowchart TD"
    assert '    n2[["answer: chain polish"]]' in lines
    assert '    n3 -->|"review.score #60; 3 and visits.answer #60; 3"| n2' in lines
    assert lines[-1] == "    n6 -.-> n4"


def test_what_is_remembered_is_told() -> None:
    config = {
        "providers": {"mock": {}},
        "models": {"fast": "mock/echo"},
        "chains": {
            "c": {
                "type": "sequential",
                "memory": {"last": 9, "summarise": "fast", "ttl": "9d"},
                "steps": [{"name": "a", "model": "fast", "keep": True}, {"name": "b", "model": "fast"}],
            }
        },
        "graphs": {
            "g": {
                "start": "a",
                "memory": {"by": "user"},
                "state": {"facts": {"reduce": "append", "last": 50, "keep": True}},
                "nodes": {"a": {"model": "fast", "save": "facts"}},
                "edges": [{"from": "a", "to": "END"}],
            }
        },
    }
    read = Gateway.load(config, {}).workflows
    assert read is not None
    assert outline("chain:c", read.chains["c"]) == [
        "chain:c  (sequential)",
        "  remembers the last 9 turns of the conversation, the rest summed up by fast, for 9 days",
        "  1. a  model fast, kept for the next turns",
        "  2. b  model fast",
    ]
    assert outline("graph:g", read.graphs["g"])[1] == "  remembers a user's conversation"
    assert "  state facts  append, the last 50, kept for the next turns" in outline("graph:g", read.graphs["g"])
    assert '"a: model fast, kept for the next turns"' in mermaid(read.chains["c"])


def test_each_chain_is_drawn(workflows: Workflows) -> None:
    for chain in workflows.chains.values():
        lines = mermaid(chain).splitlines()
        assert lines[:3] == ["flowchart TD", '    n0(["input"])', '    n1(["answer"])']
        assert any(line.endswith(" n1") for line in lines)


def test_no_label_can_be_read_as_part_of_the_drawing() -> None:
    label = quoted('x"]; click n0 "javascript:alert(1)"\n<b>|%%{init}')
    assert set(label[1:-1]).isdisjoint('"<>[]{}|%\n`\\')
    assert quoted("Größe?") == '"Größe?"'


def told(*arguments: str) -> str:
    result = CliRunner().invoke(main, ["explain", "--config", str(FILE), *arguments])
    assert result.exit_code == 0, result.output
    return result.output


def test_the_command_tells_and_draws() -> None:
    assert told("chain:triage").startswith("chain:triage  (conditional)\n")
    assert told("--mermaid", "graph:support").startswith("flowchart TD\n")
    assert '"type": "sequential"' in told("--json", "chain:polish")
    assert "  graph:support    graph           classify, answer, review, sorry\n" in told()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["chain:polsh"], "nothing is called 'chain:polsh'; did you mean chain:polish"),
        (["graph:x"], "did you mean graph:support?"),
        (["--mermaid"], "name one, such as chain:NAME"),
        (["--mermaid", "fast"], "name one, such as chain:NAME"),
    ],
)
def test_the_command_says_what_there_is(arguments: list[str], said: str) -> None:
    result = CliRunner().invoke(main, ["explain", "--config", str(FILE), *arguments])
    assert result.exit_code == 1
    assert said in result.output
