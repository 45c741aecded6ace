from gateway.commands.runs.plan import Plan, Way
from gateway.commands.runs.ranks import rows
from tests.commands.runs.test_layout import of


def test_rows() -> None:
    assert rows(of("a>b", "b>c", "c>END")) == [["a"], ["b"], ["c"], ["END"]]
    assert rows(of("a>b", "a>c", "b>d", "c>d")) == [["a"], ["b", "c"], ["d"]]
    assert rows(of("a>b", "b>a", "b>b", "a>END")) == [["a"], ["b"], ["END"]]
    assert rows(of("a>c", "b>c", starts="a,b")) == [["a", "b"], ["c"]]
    assert rows(of("a>b", "a>c", "b>e", "c>d")) == [["a"], ["b", "c"], ["e", "d"]]


def test_what_only_a_failure_leads_to_stands_at_the_end() -> None:
    plan = Plan(("a", "b", "sorry"), ("a",), (Way("a", "b"), Way("b", "END")), True)
    assert rows(plan) == [["a"], ["b"], ["END", "sorry"]]
    plan = Plan(("a", "b", "sorry"), ("a",), (Way("a", "b"), Way("b", "END"), Way("sorry", "END")), True)
    assert rows(plan) == [["a"], ["b", "sorry"], ["END"]]
    plan = Plan(("a", "b", "sorry"), ("a",), (Way("a", "b"),), True)
    assert rows(plan) == [["a"], ["b", "sorry"]]
