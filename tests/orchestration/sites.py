"""Sites that `http` steps may or may not call: servers, traps, and a resolver that says what a test wants."""

import socket
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import pytest

from gateway.seam import GatewayError
from tests.orchestration.scripted import World, world
from tests.upstream.conftest import Peer, Upstream, until

__all__ = ["Names", "Peer", "Trap", "Upstream", "answering", "failure", "names", "trap", "until", "world"]

Script = Callable[[Peer], Awaitable[None]]


class Trap:
    """Listens, and never accepts: a connection would wait to be accepted."""

    def __init__(self, address: str = "127.0.0.1", port: int = 0) -> None:
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        self.socket = socket.create_server((address, port), family=family)
        self.socket.setblocking(False)
        self.port: int = self.socket.getsockname()[1]

    def untouched(self) -> bool:
        """Whether nobody has connected."""
        try:
            self.socket.accept()[0].close()
        except BlockingIOError:
            return True
        return False


@pytest.fixture
def trap() -> Iterator[Trap]:
    """A trap on the loopback address, into which nothing may have gone in the end."""
    made = Trap()
    with made.socket:
        yield made
        assert made.untouched()


class Names:
    """What names resolve to: each a list of lists, one after the other, the last one for ever."""

    def __init__(self) -> None:
        self.known: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    def __setitem__(self, name: str, address: str) -> None:
        self.known[name] = [[address]]

    def getaddrinfo(self, host: Any, port: Any, *_: Any, **__: Any) -> list[Any]:
        """`socket.getaddrinfo`."""
        name = host.decode() if isinstance(host, bytes) else str(host)
        self.asked.append(name)
        answers = self.known.get(name)
        if answers is None:
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        return [
            (socket.AF_INET6, socket.SOCK_STREAM, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in answer
        ]


@pytest.fixture
def names(monkeypatch: pytest.MonkeyPatch) -> Names:
    """The resolver: it knows no name but those that a test gives it, and takes addresses for themselves."""
    made = Names()
    monkeypatch.setattr(socket, "getaddrinfo", made.getaddrinfo)
    return made


def answering(*answers: bytes, keep: bool = True) -> Script:
    """Answers requests with these, one after the other over all connections, the last one for ever."""
    left = list(answers)

    async def script(peer: Peer) -> None:
        while True:
            await peer.request()
            await peer.send(left.pop(0) if len(left) > 1 else left[0])
            if not keep:
                return

    return script


async def failure(w: World, name: str = "chain:c", text: str = "x", **more: Any) -> GatewayError:
    """What a chain fails with."""
    with pytest.raises(GatewayError) as caught:
        await w.ask(name, text, **more)
    return caught.value
