"""Request ids."""

import itertools
import os

_PREFIX = os.urandom(8).hex()
_COUNT = itertools.count(1)


def request_id() -> str:
    """An id that no other request of any process has."""
    return f"req_{_PREFIX}{next(_COUNT):08x}"


def forked() -> None:
    """A forked worker must not repeat its parent's ids."""
    global _PREFIX
    _PREFIX = os.urandom(8).hex()


os.register_at_fork(after_in_child=forked)
