"""`GET /openapi.json`: the gateway described by itself (https://spec.openapis.org/oas/v3.1.0)."""

from typing import Any

from gateway import __version__
from gateway.api.answers import Receive, Scope, Send, respond
from gateway.api.ids import request_id
from gateway.wire.verbatim import encode

_JSON = "application/json"


def _answer(description: str, schema: str, **more: Any) -> dict[str, Any]:
    content = {_JSON: {"schema": {"$ref": f"#/components/schemas/{schema}"}}, **more}
    return {"description": description, "content": content}


def _errors(*statuses: int) -> dict[str, Any]:
    return {str(status): _answer(_MEANINGS[status], "Error") for status in statuses}


_MEANINGS = {
    400: "The request is wrong; `param` names where.",
    401: "No key, or none of this gateway's.",
    404: "The model is unknown, or this key may not use it.",
    408: "The body did not arrive in time.",
    413: "The body is larger than server.max_body.",
    429: "A limit of the provider's; see `retry-after`.",
    500: "The gateway failed; its log has more under the request's id.",
    502: "The provider failed, or refused the gateway's key.",
    503: "The provider is overloaded, switched off, or no connection to it is free.",
    504: "The provider took longer than a timeout allows.",
}

_MESSAGE = {
    "type": "object",
    "required": ["role"],
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool", "function"]},
        "content": {"anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "object"}}, {"type": "null"}]},
        "tool_calls": {"type": "array", "items": {"type": "object"}},
        "tool_call_id": {"type": "string"},
    },
}

_REQUEST = {
    "type": "object",
    "required": ["messages"],
    "description": "OpenAI's request. Fields that are not listed here go to the provider as they are.",
    "properties": {
        "model": {"type": ["string", "null"], "description": "A name of `/v1/models`, or `provider/model`."},
        "messages": {"type": "array", "items": {"$ref": "#/components/schemas/Message"}},
        "stream": {"type": ["boolean", "null"]},
        "stream_options": {
            "type": ["object", "null"],
            "properties": {"include_usage": {"type": ["boolean", "null"]}},
        },
    },
}

_COMPLETION = {
    "type": "object",
    "required": ["choices"],
    "properties": {
        "id": {"type": "string"},
        "object": {"type": "string"},
        "created": {"type": "integer"},
        "model": {"type": "string"},
        "choices": {"type": "array", "items": {"type": "object"}},
        "usage": {"type": ["object", "null"]},
    },
}

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

_MODEL = {
    "type": "object",
    "required": ["id", "object", "created", "owned_by"],
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "model"},
        "created": {"type": "integer"},
        "owned_by": {"type": "string"},
    },
}

_MODELS = {
    "type": "object",
    "required": ["object", "data"],
    "properties": {
        "object": {"const": "list"},
        "data": {"type": "array", "items": {"$ref": "#/components/schemas/Model"}},
    },
}

_PROBE = {"type": "object", "required": ["status"], "properties": {"status": {"type": "string"}}}
_STREAM: dict[str, Any] = {"text/event-stream": {}}  # readers differ in what a schema of a stream describes
_TEXT = {"description": "Prometheus' text format.", "content": {"text/plain": {"schema": {"type": "string"}}}}
_OPEN: dict[str, Any] = {"security": []}


def document() -> dict[str, Any]:
    """The description of every path that the gateway serves."""
    body = {"required": True, "content": {_JSON: {"schema": {"$ref": "#/components/schemas/ChatRequest"}}}}
    chat = _answer("The answer, whole; or its events, where `stream` is true.", "Completion", **_STREAM)
    name = {"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "LLM gateway", "version": __version__},
        "security": [{"bearer": []}, {"x-api-key": []}, {"api-key": []}],
        "paths": {
            "/v1/chat/completions": {
                "post": {
                    "operationId": "createChatCompletion",
                    "requestBody": body,
                    "responses": {"200": chat, **_errors(*_MEANINGS)},
                }
            },
            "/v1/models": {
                "get": {
                    "operationId": "listModels",
                    "responses": {"200": _answer("What this key may use.", "Models"), **_errors(401)},
                }
            },
            "/v1/models/{id}": {
                "get": {
                    "operationId": "retrieveModel",
                    "parameters": [name],
                    "responses": {"200": _answer("The model.", "Model"), **_errors(401, 404)},
                }
            },
            "/health/live": {"get": {"responses": {"200": _answer("The process answers.", "Probe")}, **_OPEN}},
            "/health/ready": {
                "get": {
                    "responses": {
                        "200": _answer("Listening.", "Probe"),
                        "503": _answer("Draining.", "Probe"),
                    },
                    **_OPEN,
                }
            },
            "/metrics": {"get": {"responses": {"200": _TEXT}, **_OPEN}},
            "/openapi.json": {"get": {"responses": {"200": {"description": "This document."}}, **_OPEN}},
        },
        "components": {
            "securitySchemes": {
                "bearer": {"type": "http", "scheme": "bearer"},
                "x-api-key": {"type": "apiKey", "in": "header", "name": "x-api-key"},
                "api-key": {"type": "apiKey", "in": "header", "name": "api-key"},
            },
            "schemas": {
                "ChatRequest": _REQUEST,
                "Message": _MESSAGE,
                "Completion": _COMPLETION,
                "Models": _MODELS,
                "Model": _MODEL,
                "Error": _ERROR,
                "Probe": _PROBE,
            },
        },
    }


class OpenAPIPage:
    """Serves the document, encoded once."""

    def __init__(self) -> None:
        self._body = encode(document())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Serve one HTTP request."""
        await respond(send, 200, self._body, [(b"x-request-id", request_id().encode())])
