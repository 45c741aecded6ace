from gateway.commands.runs.steps import step_lines, told_steps
from tests.commands.runs.api import Tale
from tests.commands.runs.test_story import told


def shown(tale: Tale, width: int | None = None, full: bool = False) -> list[str]:
    return [line.plain for line in told_steps(told(tale).all(), width, full=full)]


def test_joins_and_edges_come_after_what_is_within() -> None:
    tale = Tale().node("a").node("b", "chain", model="chain:x").start("b/one", "function").done("b/one", 1)
    tale.done("a").done("b").edge("a,b", "c")
    assert shown(tale) == [
        "✓ a      model     100 ms",
        "    → c (with b)",
        "✓ b      chain:x   100 ms",
        "  ✓ one  function  100 ms  1",
        "    → c (with a)",
    ]


def test_what_went_in_and_came_out() -> None:
    tale = Tale().node("a", input="one\ntwo").done("a", {"b": [1]}).node("c", input="").done("c", "")
    assert [line.rstrip() for line in shown(tale, full=True)] == [
        '✓ a  model  100 ms  {"b": [1]}',
        "    input   one",
        "            two",
        '    output  {"b": [1]}',
        '✓ c  model  100 ms  ""',
        "    input",
        "    output",
    ]


def test_errors_stand_in_the_place_of_outputs() -> None:
    assert shown(Tale().start("a", "http").failed("a", "No such host.")) == ["✗ a  http  100 ms  No such host. (broke)"]


def test_no_steps() -> None:
    assert step_lines([], 80) == []
