from collections.abc import Iterator

import pytest

from tests.doors import Doors, hello, opened


@pytest.fixture(scope="module")
def _shared() -> Iterator[Doors]:
    with opened({"models": {"named": {"targets": [{"to": "up/deep"}], "aliases": ["nick"]}}}) as doors:
        yield doors


@pytest.fixture
def doors(_shared: Doors) -> Iterator[Doors]:
    """A gateway without keys before a scripted upstream; nothing may be left of what a test began."""
    _shared.upstream.script = hello
    _shared.upstream.received.clear()
    _shared.upstream.left = 0
    yield _shared
    _shared.quiet()
