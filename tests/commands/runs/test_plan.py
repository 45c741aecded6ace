from pathlib import Path

from gateway.commands.runs.plan import Plan, Way, fits, plan, seen
from gateway.commands.runs.story import Scope
from gateway.config.load import parse, read
from gateway.config.schema import Config
from tests.commands.runs.api import Tale, support
from tests.commands.runs.test_story import told

ROOT = Path(__file__).parents[3]


def example(name: str, model: str) -> Plan:
    found = plan(read(ROOT / f"config/examples/{name}.yaml"), model)
    assert found is not None
    return found


def ways(what: Plan) -> list[str]:
    return [f"{way.source}>{way.target}" for way in what.ways]


def test_a_graph() -> None:
    found = example("research", "graph:research")
    assert found.steps == ("plan", "facts", "doubts", "write", "critique", "polish", "sorry")
    assert found.starts == ("plan",)
    assert ways(found)[:4] == ["plan>facts", "plan>doubts", "facts>write", "doubts>write"]
    assert ways(found)[4:] == ["write>critique", "critique>write", "critique>polish", "polish>END"]
    assert found.graph


def test_the_ways_of_failures() -> None:
    graph = {"start": "a", "nodes": {"a": {"template": "x", "on_error": "b"}, "b": {"template": "y"}}}
    found = plan(parse({"graphs": {"g": graph}}), "graph:g")
    assert found is not None
    assert ways(found) == ["a>b"]


def test_chains() -> None:
    panel = example("panel", "chain:panel")
    assert panel.starts == ("optimist", "pessimist", "realist")
    assert ways(panel)[2:] == ["realist>combine", "combine>END"]
    assert ways(example("panel", "chain:vote")) == ["a>END", "b>END", "c>END"]
    quick = example("triage", "chain:quick")
    assert quick.steps == ("branch 1", "branch 2", "branch 3")
    assert ways(example("triage", "chain:refund")) == ["order>answer", "answer>END"]
    assert ways(example("triage", "chain:chat")) == ["answer>END"]
    assert not panel.graph


def test_what_is_not_in_the_file() -> None:
    config = Config(chains={"bad": {"type": "none"}}, graphs={"bad": {"start": 1}})
    for model in ("chain:none", "graph:none", "chain:bad", "graph:bad", "house", ""):
        assert plan(config, model) is None


def test_what_a_run_has_shown() -> None:
    assert seen(Scope()) is None
    found = seen(told(support(), 14).scopes[""])
    assert found is not None
    assert found.steps == ("classify", "answer", "review")
    assert found.starts == ("classify",)
    assert ways(found) == ["classify>answer", "answer>review", "review>answer"]


def test_a_file_of_another_gateway_is_not_drawn() -> None:
    what = Plan(("a", "b"), ("a",), (Way("a", "b"), Way("b", "END")), True)
    assert fits(what, told(Tale().node("a").done("a").edge("a", "b")).scopes[""])
    assert fits(what, told(Tale().node("a").done("a").edge("a", "END")).scopes[""])
    assert not fits(what, told(Tale().node("c")).scopes[""])
    assert not fits(what, told(Tale().node("a").done("a").edge("a", "c")).scopes[""])
