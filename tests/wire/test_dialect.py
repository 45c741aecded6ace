"""The dialects: each surface's codecs say what they are, and whole-only answers fold to themselves."""

import pytest

from gateway.wire.dialect import DIALECTS, TEXTLESS


@pytest.mark.parametrize("surface", DIALECTS)
def test_codecs_know_their_surface(surface: str) -> None:
    dialect = DIALECTS[surface]
    assert dialect.event.surface == dialect.answer.surface == surface
    assert dialect.answer.whole
    assert dialect.event.whole == (surface in TEXTLESS)
    assert dialect.answer.event() is dialect.event


@pytest.mark.parametrize("surface", sorted(TEXTLESS))
def test_what_is_always_whole(surface: str) -> None:
    dialect = DIALECTS[surface]
    source = b'{"data":[],"results":[]}'
    assert dialect.fold(dialect.unfold(source)) == source
    assert dialect.frame(source) == source
    with pytest.raises(ValueError, match="several answers"):
        dialect.fold([source, source])
