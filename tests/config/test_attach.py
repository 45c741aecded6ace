"""What sets `attach`, and how long a call then waits."""

from typing import Any

import pytest

from gateway.config.attach import Attach
from gateway.config.load import parse
from gateway.config.problems import ConfigError

PLAIN = {"name": "a", "key": "sk-a"}


def settings_of(document: dict[str, Any]) -> Attach | None:
    return parse({"providers": {"mock": {"type": "mock"}}, **document}, {}).attach


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({}, None),
        ({"auth": {"keys": [PLAIN]}}, None),
        ({"attach": {}}, {}),
        ({"auth": {"keys": [PLAIN, {"name": "c", "key": "sk-c", "attach": True}]}}, {}),
        (
            {"models": {"m": {"targets": [{"to": "mock/echo"}], "attach": "3s", "aliases": ["n"]}}},
            {"m": 3, "n": 3},
        ),
        ({"attach": {"models": {"chain:x": True, "off": False}}}, {"chain:x": 10, "off": 0}),
    ],
)
def test_what_sets_it(document: dict[str, Any], expected: dict[str, float] | None) -> None:
    found = settings_of(document)
    assert (None if found is None else found.models) == expected


@pytest.mark.parametrize("value", ["soon", -1, [], None])
def test_what_is_no_window(value: Any) -> None:
    with pytest.raises(ConfigError, match="true, or a duration"):
        settings_of({"attach": {"models": {"m": value}}})
