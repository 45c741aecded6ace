from random import Random

from gateway.commands.runs.layout import laid_out
from gateway.commands.runs.overlap import clear
from gateway.commands.runs.plan import Plan, Way


def test_lines_of_one_source_or_one_target_may_run_together() -> None:
    assert clear({Way("a", "b"): [(5, 0), (5, 1), (0, 1), (0, 2)], Way("a", "c"): [(5, 0), (5, 1), (9, 1), (9, 2)]})
    assert clear({Way("a", "c"): [(0, 0), (0, 1), (5, 1), (5, 2)], Way("b", "c"): [(9, 0), (9, 1), (5, 1), (5, 2)]})


def test_lines_may_cross() -> None:
    assert clear({Way("a", "b"): [(5, 0), (5, 4)], Way("c", "d"): [(0, 2), (9, 2)]})


def test_others_must_not_run_together() -> None:
    assert not clear({Way("a", "b"): [(5, 0), (5, 3)], Way("c", "d"): [(5, 2), (5, 4)]})
    assert not clear({Way("a", "b"): [(0, 1), (5, 1)], Way("c", "d"): [(9, 1), (4, 1)]})
    # Two are in order with the third, and not with each other: b would seem to lead to x.
    along = [(5, 0), (5, 4)]
    assert not clear({Way("a", "x"): along, Way("a", "y"): along, Way("b", "y"): along})


def test_graphs_as_people_write_them_can_be_drawn() -> None:
    random = Random(7)
    for _ in range(300):
        names = [f"step{number}" for number in range(random.randint(2, 9))]
        ways = {Way(names[-1], "END")}
        for number, name in enumerate(names[:-1]):
            ahead = names[number + 1 : number + 4]
            ways |= {Way(name, random.choice(ahead)) for _ in range(random.randint(1, 3))}
        ways |= {Way(random.choice(names), random.choice(names)) for _ in range(random.randint(0, 2))}
        layout = laid_out(Plan(tuple(names), ("step0",), tuple(sorted(ways)), True), 200, tall=True)
        assert layout is not None
