"""What the stores of hot state have in common; the protocol itself is the seam's, where plugins read it."""

from gateway.seam.hot import Hot, HotState

__all__ = ["Hot", "HotState", "milliseconds"]

_LONGEST = 366 * 86400.0


def milliseconds(ttl: float) -> int:
    """A time to live in whole milliseconds, at least one. Raises ValueError where it is not of (0, 366 days]."""
    if not 0 < ttl <= _LONGEST:
        raise ValueError(f"expected a time to live of more than 0 s and at most 366 days, found {ttl!r}")
    return max(1, round(ttl * 1000))
