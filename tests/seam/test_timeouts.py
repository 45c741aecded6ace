"""The time limits of one attempt."""

import msgspec

from gateway.seam import Timeouts
from gateway.seam.settings import decode


def test_defaults_are_seconds() -> None:
    assert msgspec.structs.asdict(Timeouts()) == {
        "connect": 5.0,
        "first_byte": None,
        "first_token": 60.0,
        "idle": 60.0,
        "total": 600.0,
    }


def test_they_are_read_as_written() -> None:
    timeouts = msgspec.convert({"first_byte": "1m", "idle": 2}, Timeouts, dec_hook=decode)
    assert (timeouts.first_byte, timeouts.idle) == (60.0, 2.0)
