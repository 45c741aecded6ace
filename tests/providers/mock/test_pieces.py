from hypothesis import given
from hypothesis import strategies as st

from gateway.providers.mock import pieces

TEXTS = st.text() | st.builds(lambda text, times: text * times, st.text(alphabet="ab \n\t中"), st.integers(1, 500))


def cut(text):
    return [piece for block in pieces.blocks(text) for piece in block]


def test_words_with_the_space_before_them():
    assert cut("Hello, big  world ") == ["Hello,", " big", "  world", " "]
    assert cut("x" * 40) == ["x" * 16, "x" * 16, "x" * 8]
    assert cut("") == []


@given(TEXTS)
def test_joined_they_are_the_text_and_their_count_is_right(text):
    found = cut(text)
    assert "".join(found) == text
    assert pieces.count(text) == len(found)
