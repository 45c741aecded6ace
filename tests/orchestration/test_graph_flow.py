"""Names along the ways of a graph: what is said to be sure is there on every walk, and what is needed is found."""

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.config.convert import convert
from gateway.orchestration.graph_flow import Flow
from gateway.orchestration.graph_paths import Paths
from gateway.orchestration.graph_wiring import graph_problems
from gateway.orchestration.names import BUILT_IN
from gateway.orchestration.settings import END, Graph
from gateway.orchestration.works import Known

NODES = ("a", "b", "c", "d", "e")
KNOWN = Known({"fast": []}, ("mock",), frozenset(), frozenset(), frozenset(), lambda name, place: name)


def graph(edges: list[dict[str, Any]], nodes: dict[str, Any] | None = None, **more: Any) -> Graph:
    given = {name: {"model": "fast"} for name in NODES} if nodes is None else nodes
    return convert({"start": "a", "nodes": given, "edges": edges, **more}, Graph, "")


def before(made: Graph, name: str) -> set[str]:
    return Flow(made, Paths(made)).before(name).sure - {*BUILT_IN}


def edges(text: str) -> list[dict[str, Any]]:
    """`a>b c>END a?d` is an edge from a to b, one from c to END, and a conditional one; `+` joins names."""
    made = []
    for word in text.split():
        source, _, target = word.replace("?", ">").partition(">")
        edge: dict[str, Any] = {"from": source.split("+"), "to": target.split("+")}
        made.append({**edge, "when": "input"} if "?" in word else edge)
    return made


@pytest.mark.parametrize(
    ("text", "name", "sure"),
    [
        ("a>b b>c c>END", "c", {"a", "b"}),
        ("a?b a>c b>c c>END", "c", {"a"}),
        ("a?b a>c b>d c>d d>END", "d", {"a"}),
        ("a>b b?a b>END", "a", set()),
        ("a>b b?a b>END", "b", {"a"}),
        ("a>b+c b+c>d d>END", "d", {"a", "b", "c"}),
        ("a>b+c b>e e+c>d d>END", "d", {"a", "b", "c", "e"}),
        ("a>b+c b>d c>d d>END", "d", {"a"}),
        ("a?b a>c b+c>d d>END", "d", {"a"}),
        ("a>b+c b?e b>END e+c>d d>END", "d", {"a"}),
        ("a>b+c b+c>d d>END", END, {"a", "b", "c", "d"}),
        ("a?b+c a>d b+c>d d>END", "d", {"a"}),
    ],
)
def test_what_is_sure(text: str, name: str, sure: set[str]) -> None:
    assert before(graph(edges(text)), name) == sure


def test_failures_bring_what_was_there_before() -> None:
    nodes = {"a": {"model": "fast"}, "b": {"model": "fast", "on_error": "c"}, "c": {"template": "x"}}
    made = graph(edges("a>b b>END"), nodes)
    assert before(made, "c") == {"a"}
    assert Flow(made, Paths(made), failures=False).before(END).sure - {*BUILT_IN} == {"a", "b"}


def test_what_may_fail_and_go_on_is_not_sure_unless_it_has_a_default() -> None:
    nodes: dict[str, Any] = {"a": {"model": "fast", "on_error": "continue"}, "b": {"model": "fast"}}
    assert before(graph(edges("a>b b>END"), nodes), "b") == set()
    nodes["a"]["default"] = "x"
    assert before(graph(edges("a>b b>END"), nodes), "b") == {"a"}


def test_state_with_a_default_is_always_there() -> None:
    state = {"notes": {"reduce": "append"}, "kind": {"default": "x"}, "a": {}}
    assert before(graph(edges("a>END"), {"a": {"model": "fast"}}, state=state), "a") == {"notes", "kind"}


_EDGES = st.lists(
    st.tuples(st.sampled_from(NODES), st.sampled_from((*NODES, END)), st.booleans()), min_size=3, max_size=12
)


@settings(max_examples=300, deadline=None)
@given(_EDGES, st.sets(st.sampled_from(NODES), max_size=2), st.randoms(use_true_random=False))
def test_what_is_sure_is_there_on_every_walk(
    ways: list[tuple[str, str, bool]], lenient: set[str], chance: random.Random
) -> None:
    nodes = {name: {"model": "fast", **({"on_error": "continue"} if name in lenient else {})} for name in NODES}
    written = [{"from": a, "to": b, **({"when": "input"} if when else {})} for a, b, when in ways]
    made = graph(written, nodes)
    flow = Flow(made, Paths(made))
    for _ in range(20):
        at, names, steps = "a", set(BUILT_IN), 0
        while at != END and steps < 15:
            there = flow.before(at)
            assert there.sure <= names
            assert names <= there.sure | there.maybe
            if at not in lenient or chance.random() < 0.5:
                names.add(at)
            targets = [b for a, b, _ in ways if a == at]
            if not targets:
                break
            at, steps = chance.choice(targets), steps + 1
        if at == END:
            assert flow.before(END).sure <= names


_NAMES = st.sampled_from((*NODES, END, "nope"))
_SOME = st.one_of(_NAMES, st.lists(_NAMES, min_size=1, max_size=3))
_ANY_EDGES = st.lists(
    st.fixed_dictionaries(
        {"from": _SOME, "to": _SOME}, optional={"when": st.sampled_from(["a", "b == 'x'", "visits.c < 3", "z", "]"])}
    ),
    max_size=10,
)


@settings(max_examples=300, deadline=None)
@given(
    _ANY_EDGES,
    st.sampled_from((*NODES, "nope")),
    st.sampled_from((None, *NODES, "nope")),
    st.sampled_from((None, "a", "{{ d }}", "{{ nope }}", "{% if %}")),
)
def test_whatever_is_drawn_only_problems_come_of_it(
    written: list[dict[str, Any]], start: str, on_error: str | None, output: str | None
) -> None:
    nodes = {
        "a": {"model": "fast"},
        "b": {"model": "fast", "prompt": "{{ a }}", "on_error": "c"},
        "c": {"template": "{{ e }}", "save": "x"},
        "d": {"model": "fast", "default": "x"},
        "e": {"model": "fast", "response_format": {"score": "integer"}},
    }
    made = graph(written, nodes, on_error=on_error, output=output, start=start)
    problems = list(graph_problems(made, "graphs.g", KNOWN))
    assert all(problem.place.startswith("graphs.g.") for problem in problems)
