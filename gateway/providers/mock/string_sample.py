"""A string that a JSON schema allows."""

from typing import Any

from gateway.providers.mock.pattern_sample import matching
from gateway.providers.mock.schema_merge import Members, SchemaError

_MOST = 1_000_000


def string(members: Members, hint: str, number: int) -> str:
    """A string of the schema's format, pattern and length; `hint` where anything will do.

    Another for another `number`, where there is one. Best effort: a pattern that is not understood is passed over.
    """
    least, most = length(members, "minLength", 0), length(members, "maxLength", _MOST)
    if least > _MOST:
        raise SchemaError(f"a string of {least} characters is too long")
    if least > most:
        raise SchemaError(f"no string has at least {least} and at most {most} characters")
    pattern = members.get("pattern")
    if isinstance(pattern, str) and (found := matching(pattern, least)) is not None:
        return found
    form = members.get("format")
    if isinstance(form, str) and (found := _formatted(form, least, number)) is not None:
        return found
    text = f"{hint or 'text'} {number + 1}" if number else hint or "text"
    if len(text) > most:
        text = _short(most, number)
    return text + "." * (least - len(text))


def length(members: Members, name: str, default: int) -> int:
    """A bound on a length, or `default` where the schema sets none."""
    value: Any = members.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
        return default
    return int(value)


def _short(most: int, number: int) -> str:
    """A string of at most so many characters that tells numbers apart as long as it can."""
    letters = ""
    for _ in range(min(most, 8)):
        number, letter = divmod(number, 26)
        letters += chr(ord("a") + letter)
    return letters


def _formatted(form: str, least: int, number: int) -> str | None:
    pad = "a" * min(least, _MOST)
    match form:
        case "date":
            return f"{2025 + number // 28 % 7000}-01-{number % 28 + 1:02}"
        case "date-time":
            return f"{2025 + number // 28 % 7000}-01-{number % 28 + 1:02}T12:00:00Z"
        case "time":
            return f"12:{number // 60 % 60:02}:{number % 60:02}Z"
        case "duration":
            return f"PT{number + 1}H"
        case "email" | "idn-email":
            return f"user{number + 1}@{_padded_host(least - 8)}"
        case "hostname" | "idn-hostname":
            return f"host{number + 1}.example.com"
        case "uuid":
            return f"00000000-0000-4000-8000-{number + 1:012x}"
        case "uri" | "iri" | "uri-reference" | "iri-reference":
            return f"https://example.com/{number + 1}{pad}"
        case "ipv4":
            return f"192.0.{number // 254 % 256}.{number % 254 + 1}"
        case "ipv6":
            return f"2001:db8::{number % 65535 + 1:x}"
        case "regex":
            return ".*"
        case "json-pointer":
            return f"/{number + 1}{pad}"
    return None


def _padded_host(least: int) -> str:
    labels = "a" * 60 + "."
    return labels * max(0, -(-(least - 11) // 61)) + "example.com"
