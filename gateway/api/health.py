"""Probes and figures: `/health`, `/health/live`, `/health/ready`, `/metrics`."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from gateway.accounts.keys import Keyring, credential
from gateway.api.answers import Receive, Scope, Send, refuse, respond
from gateway.api.description import OPEN, OPTIONAL, Description, answer, errors
from gateway.api.ids import request_id
from gateway.seam import Caller, GatewayError
from gateway.telemetry.metrics import exposition
from gateway.wire.verbatim import encode


async def live(scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG001 (ASGI's signature)
    """The process answers."""
    await respond(send, 200, b'{"status":"live"}', [_id()])


class Ready:
    """Listening, and not draining. A provider that is down does not make the gateway unready."""

    def __init__(self, draining: Callable[[], bool]) -> None:
        self._draining = draining

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Serve one HTTP request."""
        if self._draining():
            await respond(send, 503, b'{"status":"draining"}', [_id()])
        else:
            await respond(send, 200, b'{"status":"ready"}', [_id()])


class Health:
    """How every provider and target is; always 200, for a provider that is down leaves the gateway ready.

    Where there are keys, one sees what it may use, and who sends none is told the status alone: the names of providers
    and models are not for everybody. `report` is what a caller may see; everything, where it is given None.
    """

    def __init__(self, report: Callable[[Caller | None], Mapping[str, Any]], keyring: Keyring | None) -> None:
        self._report = report
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Serve one HTTP request."""
        try:
            told = self._told(scope["headers"])
        except GatewayError as error:
            await refuse(send, error, _id()[1])
        else:
            await respond(send, 200, encode(told), [_id()])

    def _told(self, headers: Sequence[tuple[bytes, bytes]]) -> Mapping[str, Any]:
        if self._keyring is None:
            return self._report(None)
        if credential(headers) is None:
            return {"status": self._report(None)["status"]}
        return self._report(self._keyring.identify(headers))


class MetricsPage:
    """What Prometheus scrapes."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Serve one HTTP request."""
        kind = (b"content-type", CONTENT_TYPE_LATEST.encode())
        await respond(send, 200, exposition(self._registry), [_id()], kind=kind)


def _id() -> tuple[bytes, bytes]:
    return (b"x-request-id", request_id().encode())


DESCRIPTION = Description(
    {
        "/": {"get": {"responses": {"200": answer("Somebody is there.", "Probe")}, **OPEN}},
        "/health": {
            "get": {
                "responses": {
                    "200": answer("Every provider and target that the key may use.", "Health"),
                    **errors(401),
                },
                **OPTIONAL,
            }
        },
        "/health/live": {"get": {"responses": {"200": answer("The process answers.", "Probe")}, **OPEN}},
        "/health/ready": {
            "get": {
                "responses": {"200": answer("Listening.", "Probe"), "503": answer("Draining.", "Probe")},
                **OPEN,
            }
        },
        "/metrics": {
            "get": {
                "responses": {
                    "200": {
                        "description": "Prometheus' text format.",
                        "content": {"text/plain": {"schema": {"type": "string"}}},
                    }
                },
                **OPEN,
            }
        },
    },
    {
        "Probe": {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}},
        "Health": {
            "type": "object",
            "required": ["status"],
            "description": "The status alone, where the gateway has keys and none was sent.",
            "properties": {
                "status": {"enum": ["ok", "degraded"]},
                "providers": {"type": "object"},
                "state": {
                    "type": "object",
                    "required": ["kind", "up"],
                    "properties": {"kind": {"enum": ["memory", "redis"]}, "up": {"type": "boolean"}},
                },
                "database": {"type": "object", "required": ["up"], "properties": {"up": {"type": "boolean"}}},
            },
        },
    },
)
