"""Where things stand."""

from gateway.config.filled import Filled
from gateway.config.positions import Mark, Positions, place_of
from gateway.config.problems import Problem


def test_a_path_is_shown_as_a_place() -> None:
    assert place_of(()) == ""
    assert place_of(("models", "fast", "targets", 0, "to")) == "models.fast.targets[0].to"


def test_what_stands_nowhere_stands_where_its_ancestor_does() -> None:
    positions = Positions()
    positions.files += ["main.yaml", "more.yaml"]
    positions.add("a", Mark("main.yaml", 1, 1))
    positions.add("a.b[0]", Mark("more.yaml", 5, 3))
    assert positions.find("a.b[0].c.d") == Mark("more.yaml", 5, 3)
    assert positions.find("a.b[1]") == Mark("main.yaml", 1, 1)
    assert positions.find("x.y") == Mark("main.yaml")
    assert Positions().find("x") == Mark("")


def test_problems_are_told_in_the_order_of_the_files() -> None:
    positions = Positions()
    positions.files += ["main.yaml", "more.yaml"]
    for place, mark in {
        "a": Mark("more.yaml", 1, 1),
        "b": Mark("main.yaml", 9, 1),
        "c": Mark("main.yaml", 2, 5),
    }.items():
        positions.add(place, mark)
    given = [
        Problem("a", "1"),
        Problem("b", "2"),
        Problem("x", "3", file="environment"),
        Problem("c", "4"),
        Problem("c.d", "5"),
    ]
    assert [problem.message for problem in positions.locate(given)] == ["4", "5", "2", "1", "3"]


def test_secrets_are_blotted_out() -> None:
    positions = Positions()
    positions.secrets.add("hunter22")
    (problem,) = positions.locate([Problem("a", "'hunter22' is no key")])
    assert problem.message == "'…' is no key"
    positions.hidden["b"] = Filled("hunter22", "VAR")
    told = positions.locate([Problem("b", "odd", found="'hunter22'"), Problem("b", "missing")])
    assert [problem.found for problem in told] == ["'…' from VAR", ""]


def test_places_of_two_files() -> None:
    positions = Positions()
    one, two = Mark("one.yaml", 1, 1), Mark("two.yaml", 2, 2)
    positions.add("a", one)
    positions.add("a", two)
    assert positions.find("a") == one
    assert positions.both("a") == (one, two)
    positions.move("a", two)
    assert positions.take("a") == two
    assert positions.find("a") == Mark("")
