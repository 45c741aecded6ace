"""Any graph can be laid out: boxes apart, lines beside them, each from its step to its step."""

from itertools import combinations, pairwise

from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from gateway.commands.runs.layout import MOST, Layout, laid_out
from gateway.commands.runs.plan import Plan, Way

NAMES = st.text("ab漢_", min_size=1, max_size=30)


def of(*ways: str, starts: str = "a") -> Plan:
    pairs = [Way(*way.split(">")) for way in ways]
    steps = dict.fromkeys(name for way in pairs for name in way if name != "END")
    return Plan(tuple(steps), tuple(starts.split(",")), tuple(pairs), True)


@st.composite
def plans(draw: st.DrawFn) -> Plan:
    names = draw(st.lists(NAMES.filter(lambda name: name != "END"), min_size=1, max_size=14, unique=True))
    ends = [*names, "END"]
    ways = draw(st.lists(st.tuples(st.sampled_from(names), st.sampled_from(ends)), max_size=30, unique=True))
    starts = draw(st.lists(st.sampled_from(names), min_size=1, max_size=3, unique=True))
    return Plan(tuple(names), tuple(starts), tuple(Way(*way) for way in ways), True)


@settings(max_examples=300, deadline=None)
@given(plans(), st.integers(40, 200), st.booleans())
def test_any_plan(plan: Plan, width: int, tall: bool) -> None:
    layout = laid_out(plan, width, tall=tall)
    if layout is None:
        return
    assert layout.width <= width
    _apart(layout)
    for way, corners in layout.wires.items():
        source, target = layout.boxes[way.source], layout.boxes[way.target]
        high = 3 if tall else 1
        assert corners[0] == (source.middle, source.top + high)
        assert corners[-1] == (target.middle, target.top - 1)
        assert all(0 <= x < layout.width and 0 <= y < layout.height for x, y in corners)
        for (x, y), (to_x, to_y) in pairwise(corners):
            assert x == to_x or y == to_y
            for box in layout.boxes.values():
                beside = max(x, to_x) < box.left or min(x, to_x) >= box.left + box.width
                assert beside or max(y, to_y) < box.top or min(y, to_y) >= box.top + high


def _apart(layout: Layout) -> None:
    for one, other in combinations(layout.boxes.values(), 2):
        assert one.top != other.top or one.left + one.width < other.left or other.left + other.width < one.left


def test_details_go_first_then_names_are_cut_then_there_is_no_drawing() -> None:
    names = [f"step_number_{number:02}" for number in range(5)]
    plan = Plan(tuple(names), ("step_number_00",), tuple(Way("step_number_00", name) for name in names[1:]), True)
    wide, middle, narrow = (laid_out(plan, width, tall=True) for width in (200, 100, 60))
    assert wide is not None
    assert middle is not None
    assert narrow is not None
    assert (wide.details, middle.details, narrow.details) == (True, False, False)
    assert [layout.boxes[names[1]].room for layout in (wide, middle, narrow)] == [14, 14, 4]
    assert laid_out(plan, 40, tall=True) is None
    many = [f"s{number}" for number in range(MOST + 1)]
    assert laid_out(Plan(tuple(many), ("s0",), (), False), 200, tall=False) is None
    assert laid_out(Plan((), (), (), False), 200, tall=False) is None


def test_wide_signs_count_twice() -> None:
    layout = laid_out(of("a>漢字漢字", "漢字漢字>END"), 80, tall=False)
    assert layout is not None
    assert layout.boxes["漢字漢字"].room == cell_len("漢字漢字") == 8
