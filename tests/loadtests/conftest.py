from collections.abc import AsyncIterator

import pytest

from loadtests.bench.asks import Ask
from loadtests.bench.upstream import serve


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The mock upstream, in the test's own loop."""
    server = await serve("127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1]
    server.close()


@pytest.fixture
def ask(port: int):
    def make(model: str, stream: bool = False) -> Ask:
        return Ask(model, port, stream)

    return make
