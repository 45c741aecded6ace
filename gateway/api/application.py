"""The ASGI application: which path leads to which door."""

from collections.abc import Sequence
from typing import Any

from starlette.middleware.cors import CORSMiddleware
from starlette.routing import Route, Router

from gateway.api.answers import Receive, Scope, Send, refuse
from gateway.api.chat import ChatDoor
from gateway.api.door import House
from gateway.api.health import MetricsPage, Ready, live
from gateway.api.ids import request_id
from gateway.api.models import ModelsDoor
from gateway.api.openapi import OpenAPIPage
from gateway.config.schema import Cors
from gateway.seam import GatewayError

ASGIApp = Any  # Starlette's own type is looser than our endpoints'


def application(house: House, models: ModelsDoor, ready: Ready, metrics: MetricsPage) -> ASGIApp:
    """Every path of the gateway, the busiest first."""
    routes = [
        _route("/v1/chat/completions", ChatDoor(house), "POST"),
        _route("/v1/models", models, "GET"),
        _route("/v1/models/{id:path}", models, "GET"),
        _route("/health/live", live, "GET"),
        _route("/health/ready", ready, "GET"),
        _route("/metrics", metrics, "GET"),
        _route("/openapi.json", OpenAPIPage(), "GET"),
    ]
    router = Router(routes, default=_Nowhere(routes), redirect_slashes=False)
    cors = house.server.cors
    return router if cors is None else _with_cors(router, cors)


def _route(path: str, endpoint: ASGIApp, method: str) -> Route:
    # Starlette is given no method: it would answer a wrong one in its own shape.
    return Route(path, _Method(endpoint, method))


class _Method:
    """Only one method (and HEAD with GET); another is told which."""

    def __init__(self, app: ASGIApp, method: str) -> None:
        self._app = app
        self._methods = ("GET", "HEAD") if method == "GET" else (method,)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["method"] in self._methods:
            await self._app(scope, receive, send)
            return
        allowed = ", ".join(self._methods)
        error = GatewayError(
            f"{scope['method']} is not allowed on {scope['path']}; use {allowed}.",
            status=405,
            type="invalid_request_error",
            code="method_not_allowed",
            headers=[(b"allow", allowed.encode())],
        )
        await refuse(send, error, request_id().encode())


class _Nowhere:
    """What answers where no route leads."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self._paths = ", ".join(route.path for route in routes)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        if scope["type"] != "http":
            return
        error = GatewayError(
            f"Unknown path {scope['path']}. The gateway serves: {self._paths}.",
            status=404,
            type="invalid_request_error",
            code="unknown_url",
        )
        await refuse(send, error, request_id().encode())


def _with_cors(app: ASGIApp, cors: Cors) -> ASGIApp:
    return CORSMiddleware(
        app,
        allow_origins=cors.origins,
        allow_methods=("GET", "POST"),
        allow_headers=cors.headers,
        expose_headers=("x-request-id", "x-gateway-provider", "x-gateway-model", "retry-after"),
        max_age=int(cors.max_age),
    )
