"""A gateway served on a real socket, for tests that speak to it as clients do."""

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from gateway.build import Gateway
from gateway.server import Application, Server, settings
from gateway.testing.background import Background


class Served:
    """A gateway that listens: `url` is its root, `gateway` the object behind it, `background` the loop it runs in."""

    def __init__(self, gateway: Gateway, background: Background, server: Server) -> None:
        self.gateway = gateway
        self.background = background
        port = server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._server = server

    @property
    def base_url(self) -> str:
        """What an OpenAI SDK takes."""
        return f"{self.url}/v1"

    @property
    def connections(self) -> int:
        """Clients connected now."""
        return len(self._server.server_state.connections)

    def idle(self, seconds: float = 30) -> None:
        """Wait until no request is served and no task is left. Raises TimeoutError where some never end."""
        state, tasks = self._server.server_state, self.gateway.env.tasks
        self.background.until(lambda: not state.tasks and not tasks, seconds)


@contextmanager
def serve(source: str | Path | Mapping[str, Any], environment: Mapping[str, str] | None = None) -> Iterator[Served]:
    """Serve a configuration on a free port of the loopback address until the block is left."""
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    with Background() as background:
        gateway = background.call(lambda: Gateway.load(source, environment))
        config = settings(gateway.config, Application(gateway, alone=False))
        config.host, config.port = "127.0.0.1", 0
        server = Server(config, gateway)

        async def work() -> None:
            with suppress(SystemExit):  # uvicorn's way to say that it could not start
                await server.serve()

        create = background.loop.create_task
        serving = background.call(lambda: create(work()))
        background.until(lambda: server.started or serving.done())
        if serving.done():
            raise RuntimeError("the gateway did not start; its log says why")
        try:
            yield Served(gateway, background, server)
        finally:

            async def stop() -> None:
                server.should_exit = True
                await serving

            background.run(stop())
