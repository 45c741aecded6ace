from gateway.commands.runs.tracks import Leg, lines


def test_a_line_turns_off_above_the_one_that_comes_into_its_column() -> None:
    # b comes down where c is come to: b's line must lie above a's.
    found, count = lines([Leg(10, 50, "a", "c"), Leg(50, 90, "b", "d")])
    assert (found, count) == ([1, 0], 2)


def test_ways_from_one_step_share_a_line_and_those_into_one_too() -> None:
    assert lines([Leg(10, 0, "a", "b"), Leg(10, 20, "a", "c")]) == ([0, 0], 1)
    assert lines([Leg(0, 10, "a", "c"), Leg(20, 10, "b", "c")]) == ([0, 0], 1)
    assert lines([Leg(5, 5, "a", "b")]) == ([0], 0)


def test_lines_that_do_not_meet_share_a_height() -> None:
    assert lines([Leg(0, 5, "a", "b"), Leg(10, 15, "c", "d")]) == ([0, 0], 1)
    assert lines([Leg(0, 12, "a", "b"), Leg(10, 15, "c", "d")])[1] == 2


def test_a_ring_of_lines_that_should_each_be_above_the_next_comes_to_an_end() -> None:
    found, count = lines([Leg(0, 9, "a", "d"), Leg(9, 0, "b", "c")])
    assert sorted(found) == [0, 1]
    assert count == 2
