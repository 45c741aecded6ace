from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from gateway.stores.prefix import Place, place

DIGESTS = st.lists(st.sampled_from([b"a", b"b", b"c"]), max_size=8)


def naive(stored: Sequence[bytes], sent: Sequence[bytes], answered: bool) -> Place:
    """The same, by trying everything."""
    common = max(n for n in range(min(len(stored), len(sent)) + 1) if stored[:n] == sent[:n])
    if common == len(stored):
        return Place(common, common)
    if not answered:
        return Place(len(stored), 0)
    fits = [n for n in range(1, min(len(stored), len(sent)) + 1) if stored[len(stored) - n :] == sent[:n]]
    if fits and max(fits) >= common:
        return Place(len(stored), max(fits))
    return Place(common, common)


@given(DIGESTS, DIGESTS, st.booleans())
def test_it_is_what_trying_everything_finds(stored: list[bytes], sent: list[bytes], answered: bool) -> None:
    assert place(stored, sent, answered=answered) == naive(stored, sent, answered)


@given(DIGESTS, DIGESTS)
def test_whoever_sends_everything_again_adds_what_is_new(stored: list[bytes], new: list[bytes]) -> None:
    found = place(stored, [*stored, *new], answered=True)
    assert [*stored[: found.keep], *[*stored, *new][found.start :]] == [*stored, *new]


@given(DIGESTS, DIGESTS, st.booleans())
def test_nothing_that_was_sent_is_lost(stored: list[bytes], sent: list[bytes], answered: bool) -> None:
    found = place(stored, sent, answered=answered)
    after = [*stored[: found.keep], *sent[found.start :]]
    assert sent == after[len(after) - len(sent) :]


def test_time_is_linear_where_all_is_the_same() -> None:
    assert place([b"a"] * 20_000 + [b"b"], [b"a"] * 20_001, answered=True) == Place(20_000, 20_000)
