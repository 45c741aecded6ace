"""The serving process."""

import gc
import logging
import os
import sys
import tempfile
from collections.abc import Awaitable, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from uvicorn.supervisors import Multiprocess

from gateway.build import Gateway
from gateway.config.load import read
from gateway.config.schema import Config
from gateway.protocol import Protocol

_log = logging.getLogger("gateway")


class Server(uvicorn.Server):
    """uvicorn's server; while it drains, `/health/ready` says so."""

    def __init__(self, config: uvicorn.Config, gateway: Gateway | None = None) -> None:
        super().__init__(config)
        self._gateway = gateway

    async def startup(self, sockets: Any = None) -> None:
        """Bind, and say so: only then does it serve."""
        with _told(self.config):
            await super().startup(sockets)
        if self.started:
            _log.info("serving on %s", _root(self.config.host, _port(self.servers[0].sockets[0])))

    def handle_exit(self, sig: int, frame: Any) -> None:
        """A signal asks to stop."""
        if self._gateway is not None:
            self._gateway.draining = True
        super().handle_exit(sig, frame)


class Application:
    """The gateway as the ASGI application that uvicorn runs: started and closed by the lifespan protocol."""

    def __init__(self, gateway: Gateway, *, alone: bool = True) -> None:
        self.gateway = gateway
        self._alone = alone  # whether the process is the gateway's, so that its collector may be tuned

    def __call__(self, scope: Any, receive: Any, send: Any) -> Awaitable[None]:
        """Serve one request, or the lifespan."""
        if scope["type"] == "lifespan":
            return self._lifespan(receive, send)
        return self.gateway.app(scope, receive, send)

    async def _lifespan(self, receive: Any, send: Any) -> None:
        await receive()
        try:
            async with self.gateway:
                if self._alone:
                    _tune()
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:
            _log.exception("the gateway could not start")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})


def _tune() -> None:
    """What start made lives as long as the process: the collector need not look at it again, nor so often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 50)


def settings(config: Config, app: Any, **more: Any) -> uvicorn.Config:
    """Uvicorn's settings for this gateway."""
    server = config.server
    return uvicorn.Config(
        app,
        host=server.host,
        port=server.port,
        workers=server.workers,
        interface="asgi3",
        http=Protocol,
        ws="none",
        lifespan="on",
        loop="auto",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=4096,
        timeout_graceful_shutdown=max(1, int(server.shutdown_grace)),
        timeout_keep_alive=75,  # longer than the 60 s of common load balancers, which must close first
        **more,
    )


def serve(gateway: Gateway, path: str) -> None:
    """Serve until a signal says stop. With one worker, this very process serves; `path` is the file others read."""
    config = gateway.config
    if config.server.workers == 1:
        Server(settings(config, Application(gateway)), gateway).run()
        return
    with tempfile.TemporaryDirectory(prefix="gateway-metrics-") as folder:
        # Each worker writes its figures there, and whichever is asked tells those of all.
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        os.environ["GATEWAY_CONFIG"] = path
        shared = settings(config, "gateway.server:worker", factory=True)
        with _told(shared):
            listening = shared.bind_socket()
        _log.info("serving on %s with %d workers", _root(shared.host, _port(listening)), shared.workers)
        Multiprocess(shared, sockets=[listening]).run()


@contextmanager
def _told(config: uvicorn.Config) -> Iterator[None]:
    """Where binding fails, uvicorn has said why and exits; say what to do."""
    try:
        yield
    except SystemExit:
        _log.error("cannot listen on %s; --host and --port take another address", _root(config.host, config.port))
        raise


def _port(listening: Any) -> int:
    """The port that is listened on: where 0 was asked for, one that was free."""
    return int(listening.getsockname()[1])


def _root(host: str, port: int) -> str:
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def worker() -> Application:
    """One worker's application: it reads the file again. Its socket is the supervisor's."""
    logging.basicConfig(level=logging.INFO, format="%(message)s", stream=sys.stderr)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    return Application(Gateway(read(os.environ["GATEWAY_CONFIG"])))
