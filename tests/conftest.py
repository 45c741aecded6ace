from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.doors import Doors, hello, opened
from tests.stores.databases import KINDS, url_of


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


@pytest.fixture(params=KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database: a file of SQLite's, and one on a real PostgreSQL."""
    return url_of(request.param, tmp_path)
