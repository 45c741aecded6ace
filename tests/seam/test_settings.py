"""Durations and sizes as people write them, and settings that refuse what they do not know."""

from typing import Any

import msgspec
import pytest

from gateway.seam import Duration, Settings, Size
from gateway.seam.settings import decode


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        (0, 0.0),
        (30, 30.0),
        (0.25, 0.25),
        ("30", 30.0),
        ("0.5", 0.5),
        ("500ms", 0.5),
        ("30s", 30.0),
        ("5m", 300.0),
        ("1h", 3600.0),
        ("7d", 604800.0),
        ("1h30m", 5400.0),
        ("1h 30m 5s", 5405.0),
        ("1.5 m", 90.0),
        (" 2s ", 2.0),
    ],
)
def test_durations(written: object, seconds: float) -> None:
    parsed = Duration.parse(written)
    assert isinstance(parsed, Duration)
    assert parsed == pytest.approx(seconds)


@pytest.mark.parametrize(
    "written",
    ["", "s", "5 6", "5 minutes", "5x", "-5s", "1h-30m", "1,5s", ".5s", "s5", "1s2", -1, -0.1, True, None, [], {},
     float("nan"), float("inf"), 10**400, "9" * 400, "9" * 400 + "d", "999999999999d", "٣s"],
)  # fmt: skip
def test_what_is_no_duration(written: object) -> None:
    with pytest.raises(ValueError, match="expected a duration"):
        Duration.parse(written)


@pytest.mark.parametrize(
    ("written", "size"),
    [
        (0, 0),
        (1024, 1024),
        ("1024", 1024),
        ("64KiB", 65536),
        ("10MiB", 10485760),
        ("1GiB", 2**30),
        ("1GB", 10**9),
        ("5 MB", 5_000_000),
        ("1.5kb", 1500),
        ("7B", 7),
        (" 1 mib ", 2**20),
    ],
)
def test_sizes(written: object, size: int) -> None:
    parsed = Size.parse(written)
    assert isinstance(parsed, Size)
    assert parsed == size


@pytest.mark.parametrize(
    "written",
    ["", "MiB", "10 M", "10mibi", "-1", "1e3", "1,5MB", -1, 1.5, True, None, [], "10 MiB x",
     10**400, "9" * 400, "9999999999GiB"],
)  # fmt: skip
def test_what_is_no_size(written: object) -> None:
    with pytest.raises(ValueError, match="expected a size"):
        Size.parse(written)


class Some(Settings):
    wait: Duration = Duration(5)
    most: Size = Size(10)
    often: int = 1
    maybe: Duration | None = None


def read(value: Any) -> Some:
    return msgspec.convert(value, Some, dec_hook=decode)


def test_settings_are_read_with_their_units() -> None:
    some = read({"wait": "1m", "most": "1KiB", "maybe": 2})
    assert (some.wait, some.most, some.often, some.maybe) == (60.0, 1024, 1, 2.0)
    assert isinstance(some.wait, Duration)
    assert isinstance(some.most, Size)
    assert isinstance(some.maybe, Duration)
    assert read({"maybe": None}).maybe is None


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"wiat": "1m"}, "wiat"),
        ({"wait": "soon"}, r"expected a duration.*\$\.wait"),
        ({"most": -1}, r"expected a size.*\$\.most"),
        ({"often": "1"}, r"int.*\$\.often"),
        ({"often": True}, r"int.*\$\.often"),
        ([], "object"),
    ],
)
def test_settings_are_strict(value: Any, message: str) -> None:
    with pytest.raises(msgspec.ValidationError, match=message):
        read(value)


def test_other_types_have_no_reader() -> None:
    with pytest.raises(NotImplementedError, match="complex"):
        decode(complex, 1)
