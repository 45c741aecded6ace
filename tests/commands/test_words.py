import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.commands.words import columns, duration, size, timeouts
from gateway.seam.settings import Duration, Size


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0s"),
        (0.25, "250ms"),
        (1, "1s"),
        (1.5, "1.5s"),
        (60, "1m"),
        (90, "1m30s"),
        (7200, "2h"),
        (90061, "1d1h1m1s"),
    ],
)
def test_durations(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@given(st.integers(0, 10**7) | st.integers(0, 999).map(lambda ms: ms / 1000))
def test_a_duration_can_be_written_into_the_file(seconds: float) -> None:
    assert Duration.parse(duration(seconds)) == pytest.approx(seconds)


@pytest.mark.parametrize(
    ("count", "words"), [(0, "0 bytes"), (1000, "1,000 bytes"), (10 * 2**20, "10MiB"), (1536, "1,536 bytes")]
)
def test_sizes(count: int, words: str) -> None:
    assert size(count) == words
    if "bytes" not in words:
        assert Size.parse(words) == count


def test_timeouts_that_are_not_set_are_not_told() -> None:
    assert timeouts({"connect": 5.0, "first_byte": None, "total": 600.0}) == "connect 5s, total 10m"


def test_columns_line_up_and_empty_ones_take_no_room() -> None:
    assert columns([("a", "", "x"), ("bbb", "", ""), ("cc", "", "yy")]) == ["  a    x", "  bbb", "  cc   yy"]
