from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.window import Window

STEPS = st.lists(st.tuples(st.floats(0, 7), st.integers(0, 3), st.integers(0, 2)), max_size=40)


@given(STEPS)
def test_what_is_counted_are_the_last_ten_tenths(steps: list[tuple[float, int, int]]) -> None:
    window = Window(10)
    seen: list[tuple[int, int, int]] = []
    now = 100.0
    for wait, count, marked in steps:
        now += wait
        window.add(now, count, marked)
        seen.append((int(now), count, marked))
        recent = [entry for entry in seen if entry[0] > int(now) - 10]
        assert window.all == sum(entry[1] for entry in recent)
        assert window.marked == sum(entry[2] for entry in recent)


def test_a_look_forgets_what_is_too_long_ago() -> None:
    window = Window(10)
    window.add(100.0, 3, 1)
    window.move(109.9)
    assert (window.all, window.marked) == (3, 1)
    window.move(110.0)
    assert (window.all, window.marked) == (0, 0)


def test_clear_forgets_all() -> None:
    window = Window(10)
    window.add(100.0, 3, 1)
    window.clear()
    window.add(101.0)
    assert (window.all, window.marked) == (1, 0)
