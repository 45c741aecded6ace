"""The keys that callers use: kept as hashes, found in one look-up."""

import hashlib
import re
from collections.abc import Iterable, Sequence
from fnmatch import translate

from gateway.config.problems import ConfigError, Problem
from gateway.config.schema import KeyEntry
from gateway.seam import Unauthorized


class Key:
    """A caller: the name of its key, and which models it may ask for (globs; `*` is all).

    `attach` is how long its calls wait for a retry once the client has left, in seconds.
    """

    __slots__ = ("_models", "attach", "name")

    def __init__(self, name: str, models: Sequence[str] = ("*",), attach: float = 0) -> None:
        self.name = name
        self.attach = attach
        everything = "*" in models
        self._models = None if everything else re.compile("|".join(map(translate, models)) or r"(?!)")

    def may_use(self, model: str) -> bool:
        """Whether this key may ask for that name."""
        return self._models is None or self._models.match(model) is not None


class Keyring:
    """Keys by the SHA-256 of their secret: the secrets themselves are not kept."""

    def __init__(self, keys: Iterable[tuple[bytes, Key]]) -> None:
        self._keys = dict(keys)

    def identify(self, headers: Iterable[tuple[bytes, bytes]]) -> Key:
        """The caller that these request headers name. Raises `Unauthorized`."""
        secret = credential(headers)
        if secret is None:
            raise Unauthorized(
                "No API key was sent. Send one as 'Authorization: Bearer KEY', or in 'x-api-key' or 'api-key'."
            )
        key = self._keys.get(fingerprint(secret))
        if key is None:
            raise Unauthorized("Incorrect API key provided. Check the key, and that it is one of this gateway's.")
        return key


def keyring(entries: Sequence[KeyEntry]) -> Keyring:
    """The keys that a configuration lists. Raises `ConfigError`, its places relative to the block."""
    problems: list[Problem] = []
    keys: dict[bytes, Key] = {}
    names = set()
    for number, entry in enumerate(entries):
        place = f"keys[{number}]"
        digest = fingerprint(entry.key.encode()) if entry.key is not None else bytes.fromhex(entry.sha256 or "")
        if digest in keys or entry.name in names:
            problems.append(Problem(place, f"the key {entry.name!r} stands here twice"))
        names.add(entry.name)
        keys[digest] = Key(entry.name, entry.models, entry.attach)
    if problems:
        raise ConfigError(problems)
    return Keyring(keys.items())


def fingerprint(secret: bytes) -> bytes:
    """What is kept of a key's secret."""
    return hashlib.sha256(secret).digest()


def credential(headers: Iterable[tuple[bytes, bytes]]) -> bytes | None:
    """The secret in a request's headers: `Authorization: Bearer`, `x-api-key` or `api-key`, in this order."""
    other = None
    for name, value in headers:
        if name == b"authorization":
            scheme, _, secret = value.partition(b" ")
            if scheme.lower() == b"bearer" and secret.strip():
                return secret.strip()
        elif name in (b"x-api-key", b"api-key") and value and (other is None or name == b"x-api-key"):
            other = value
    return other
