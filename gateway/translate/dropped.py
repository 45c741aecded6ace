"""How an answer's head names what a request went without."""

from collections.abc import Iterable

DROPPED = b"x-gateway-dropped"
"""The header that names what could not be carried, as paths of the caller's body."""
_LONGEST = 1024
"""Bytes of that header: the paths hold names that callers gave."""
_LONGEST_PATH = 200


def name(headers: dict[bytes, bytes], paths: Iterable[str]) -> None:
    """Name `paths` in front of those that `headers` name already."""
    named = b",".join([shown(path).encode() for path in paths])
    headers[DROPPED] = b",".join(filter(None, (named, headers.get(DROPPED))))[:_LONGEST]


def shown(path: str) -> str:
    """A path as a header can hold it: a name in it may be anything that JSON can spell."""
    plain = path.encode("unicode_escape").decode().replace(",", r"\x2c")
    return plain if len(plain) <= _LONGEST_PATH else f"{plain[:_LONGEST_PATH]}..."
