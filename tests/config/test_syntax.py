"""Why a text is no YAML."""

import pytest
import yaml

from gateway.config.syntax import unreadable


def test_an_error_that_only_one_parser_finds_is_told_as_it_is() -> None:
    error = yaml.scanner.ScannerError(None, None, "something odd", yaml.Mark("x", 0, 4, 2, "", 0))
    problem = unreadable("a: 1\n", "f.yaml", error)
    assert str(problem) == "f.yaml:5: not valid YAML: something odd"


@pytest.mark.parametrize("position", [0, 99])
def test_a_character_is_named_where_it_is_known(position: int) -> None:
    error = yaml.reader.ReaderError("x", position, 7, "unicode", "special characters are not allowed")
    assert "control character" in str(unreadable("\x07", "f.yaml", error))
