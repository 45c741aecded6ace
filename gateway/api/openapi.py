"""`GET /openapi.json`: the gateway described by itself (https://spec.openapis.org/oas/v3.1.0)."""

from collections.abc import Sequence
from typing import Any

from gateway import __version__
from gateway.api import chat, completions, conversations, embeddings, health, messages, models, moderations, runs
from gateway.api.answers import Receive, Scope, Send, respond
from gateway.api.description import KEYS, OPEN, Description
from gateway.api.ids import request_id
from gateway.wire.verbatim import encode

_ERROR = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["message", "type", "param", "code"],
            "properties": {
                "message": {"type": "string"},
                "type": {"type": "string"},
                "param": {"type": ["string", "null"]},
                "code": {"type": ["string", "null"]},
            },
        }
    },
}
_ITSELF = Description(
    {"/openapi.json": {"get": {"responses": {"200": {"description": "This document."}}, **OPEN}}}, {"Error": _ERROR}
)
DESCRIPTIONS: Sequence[Description] = (
    chat.DESCRIPTION,
    embeddings.DESCRIPTION,
    completions.DESCRIPTION,
    moderations.DESCRIPTION,
    messages.DESCRIPTION,
    models.DESCRIPTION,
    conversations.DESCRIPTION,
    runs.DESCRIPTION,
    health.DESCRIPTION,
    _ITSELF,
)
"""One of each module that serves paths: a door that is added adds its own."""


def document() -> dict[str, Any]:
    """The description of every path that the gateway serves."""
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLM gateway", "version": __version__},
        "security": KEYS,
        "paths": {path: item for part in DESCRIPTIONS for path, item in part.paths.items()},
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
            },
            "schemas": {name: schema for part in DESCRIPTIONS for name, schema in part.schemas.items()},
        },
    }


class OpenAPIPage:
    """Serves the document, encoded once."""

    def __init__(self) -> None:
        self._body = encode(document())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Serve one HTTP request."""
        await respond(send, 200, self._body, [(b"x-request-id", request_id().encode())])
