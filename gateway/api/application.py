"""The ASGI application: which path leads to which door."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router

from gateway.api.answers import Receive, Scope, Send, refuse
from gateway.api.anthropic_errors import refuse_anthropic
from gateway.api.chat import ChatDoor
from gateway.api.completions import CompletionsDoor
from gateway.api.conversations import ConversationsDoor
from gateway.api.door import House
from gateway.api.embeddings import EmbeddingsDoor
from gateway.api.endpoint import Endpoint
from gateway.api.health import Health, MetricsPage, Ready, live
from gateway.api.ids import request_id
from gateway.api.messages import CountTokensDoor, MessagesDoor
from gateway.api.models import ModelsDoor
from gateway.api.moderations import ModerationsDoor
from gateway.api.openapi import OpenAPIPage
from gateway.api.runs import RunEvents, RunsDoor
from gateway.config.schema import Cors
from gateway.seam import GatewayError

ASGIApp = Callable[[Scope, Receive, Send], Awaitable[None]]
_MESSAGES = "/v1/messages"


def application(
    house: House,
    models: ModelsDoor,
    conversations: ConversationsDoor,
    runs: RunsDoor,
    ready: Ready,
    health: Health,
    metrics: MetricsPage | None,
) -> ASGIApp:
    """Every path of the gateway, the busiest first. Without `metrics`, `/metrics` is not there."""
    paths = {
        "/v1/chat/completions": _Method(ChatDoor(house), "POST"),
        "/v1/embeddings": _Method(EmbeddingsDoor(house), "POST"),
        "/v1/completions": _Method(CompletionsDoor(house), "POST"),
        "/v1/moderations": _Method(ModerationsDoor(house), "POST"),
        _MESSAGES: _Method(MessagesDoor(house), "POST"),
        f"{_MESSAGES}/count_tokens": _Method(CountTokensDoor(house), "POST"),
        "/v1/models": _Method(models, "GET"),
        "/v1/conversations": _endpoint(conversations.all),
        "/v1/runs": _endpoint(runs.all),
        "/": _Method(live, "GET"),  # some clients look whether anybody is there
        "/health": _Method(health, "GET"),
        "/health/live": _Method(live, "GET"),
        "/health/ready": _Method(ready, "GET"),
        "/openapi.json": _Method(OpenAPIPage(), "GET"),
    }
    if metrics is not None:
        paths["/metrics"] = _Method(metrics, "GET")
    templates = [
        Route("/v1/models/{id:path}", _Method(models, "GET")),
        Route("/v1/conversations/{id}", _endpoint(conversations.one)),
        Route("/v1/conversations/{id}/items", _endpoint(conversations.items)),
        Route("/v1/conversations/{id}/items/{item}", _endpoint(conversations.item)),
        Route("/v1/runs/{id}", _endpoint(runs.one)),
        Route("/v1/runs/{id}/events", _endpoint(runs.events)),
        Route("/v1/runs/{id}/cancel", _endpoint(runs.cancel)),
    ]
    nowhere = _Nowhere([*paths, *(route.path for route in templates)])
    app = _Paths(paths, Router(templates, default=nowhere, redirect_slashes=False))
    cors = house.server.cors
    return app if cors is None else _with_cors(app, cors)


# These two hand on what the endpoint returns instead of awaiting it: a coroutine less for each event of each stream.


class _Paths:
    """Plain paths by one look-up; those with something in them by Starlette's router, which costs ten times that."""

    def __init__(self, paths: Mapping[str, ASGIApp], others: ASGIApp) -> None:
        self._paths = dict(paths)
        self._others = others

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        return self._paths.get(scope["path"], self._others)(scope, receive, send)


class _Method:
    """Only some methods (and HEAD with GET); another is told which."""

    def __init__(self, app: ASGIApp, *methods: str) -> None:
        self._app = app
        self._methods = tuple(
            name for method in methods for name in (("GET", "HEAD") if method == "GET" else (method,))
        )

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        if scope["method"] in self._methods:
            return self._app(scope, receive, send)
        allowed = ", ".join(self._methods)
        error = GatewayError(
            f"{scope['method']} is not allowed on {scope['path']}; use {allowed}.",
            status=405,
            type="invalid_request_error",
            code="method_not_allowed",
            headers=[(b"allow", allowed.encode())],
        )
        return _refuse(scope, send, error)


def _endpoint(endpoint: Endpoint | RunEvents) -> _Method:
    return _Method(endpoint, *endpoint.methods)


class _Nowhere:
    """What answers where no route leads."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = ", ".join(path.replace(":path}", "}") for path in paths)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        if scope["type"] != "http":
            return
        error = GatewayError(
            f"Unknown path {scope['path']}. The gateway serves: {self._paths}.",
            status=404,
            type="invalid_request_error",
            code="unknown_url",
        )
        await _refuse(scope, send, error)


def _refuse(scope: Scope, send: Send, error: GatewayError) -> Awaitable[None]:
    path: str = scope["path"]
    shape = refuse_anthropic if path == _MESSAGES or path.startswith(f"{_MESSAGES}/") else refuse
    return shape(send, error, request_id().encode())


def _with_cors(app: ASGIApp, cors: Cors) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=cors.origins,
        allow_methods=("GET", "POST", "DELETE"),
        allow_headers=cors.headers,
        expose_headers=(
            "x-request-id",
            "request-id",
            "x-gateway-provider",
            "x-gateway-model",
            "x-gateway-run-id",
            "x-gateway-dropped",
            "retry-after",
        ),
        max_age=int(cors.max_age),
    )
