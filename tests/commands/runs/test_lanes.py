from gateway.commands.runs.lanes import lanes
from gateway.commands.runs.plan import Way

ROWS = {"a": 0, "b": 1, "c": 2, "d": 3}
ENDS = [(0, 20), (5, 15), (5, 15), (0, 20)]


def test_a_way_back_keeps_to_the_right_of_what_it_passes() -> None:
    assert lanes([Way("c", "b")], ROWS, ENDS) == {Way("c", "b"): 16}
    assert lanes([Way("d", "a")], ROWS, ENDS) == {Way("d", "a"): 21}
    assert lanes([Way("b", "b")], ROWS, ENDS) == {Way("b", "b"): 16}


def test_a_way_ahead_keeps_to_the_left() -> None:
    assert lanes([Way("a", "c")], ROWS, ENDS) == {Way("a", "c"): 3}
    assert lanes([Way("b", "d")], ROWS, [(0, 9), (0, 9), (-4, 9), (0, 9)]) == {Way("b", "d"): -6}


def test_ways_to_one_step_share_a_lane_and_others_keep_apart() -> None:
    found = lanes([Way("c", "b"), Way("d", "b"), Way("b", "a"), Way("a", "a")], ROWS, ENDS)
    assert found[Way("c", "b")] == found[Way("d", "b")]
    assert abs(found[Way("b", "a")] - found[Way("c", "b")]) >= 2
    assert found[Way("b", "a")] == found[Way("a", "a")]
