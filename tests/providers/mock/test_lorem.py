import pytest

from gateway.providers.mock import lorem, pieces


@pytest.mark.parametrize("words", [0, 1, 69, 70, 500])
def test_so_many_words(words):
    assert pieces.count(lorem.filler(words)) == words
