from gateway.commands.runs.places import GAP, places
from gateway.commands.runs.plan import Way


def middles(rows: list[list[str]], width: int, *ways: str) -> dict[str, int]:
    widths = {name: width for names in rows for name in names}
    found = places(rows, widths, [Way(*way.split(">")) for way in ways])
    return {name: left + width // 2 for name, left in found.items()}


def test_steps_of_a_row_stand_beside_each_other_in_their_order() -> None:
    found = places([["a", "b", "c"]], {"a": 5, "b": 7, "c": 9}, [])
    assert found == {"a": 0, "b": 5 + GAP, "c": 5 + GAP + 7 + GAP}


def test_what_follows_one_step_stands_below_it() -> None:
    found = middles([["a"], ["b"], ["c"]], 9, "a>b", "b>c")
    assert found["a"] == found["b"] == found["c"]


def test_a_fork_and_its_join_stand_in_the_middle() -> None:
    found = middles([["a"], ["b", "c"], ["d"]], 9, "a>b", "a>c", "b>d", "c>d")
    assert found["a"] == found["d"] == (found["b"] + found["c"]) / 2


def test_what_nothing_leads_to_moves_nobody() -> None:
    found = middles([["a"], ["b", "sorry"], ["c"]], 9, "a>b", "b>c")
    assert found["a"] == found["b"] == found["c"]
