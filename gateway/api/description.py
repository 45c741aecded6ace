"""How an endpoint describes itself for `/openapi.json` (https://spec.openapis.org/oas/v3.1.0).

A module of `gateway.api` that serves paths has a `DESCRIPTION`; `gateway.api.openapi` puts them together.
"""

from collections.abc import Mapping
from typing import Any, NamedTuple

Schema = dict[str, Any]

JSON = "application/json"
MEANINGS = {
    400: "The request is wrong; `param` names where.",
    401: "No key, or none of this gateway's.",
    404: "The model is unknown, or this key may not use it.",
    408: "The body did not arrive in time.",
    409: "The run of a chain or graph was cancelled, or is over already.",
    413: "The body is larger than server.max_body.",
    429: "A limit of the provider's; see `retry-after`.",
    500: "The gateway failed; its log has more under the request's id.",
    502: "The provider failed, or refused the gateway's key.",
    503: "The provider is overloaded, switched off, or no connection to it is free.",
    504: "The provider took longer than a timeout allows.",
}
"""What each error of a model call means, by status."""
KEYS: list[dict[str, Any]] = [{"bearer": []}, {"x-api-key": []}, {"api-key": []}]
"""The ways to send a key."""
OPEN: dict[str, Any] = {"security": []}
"""Added to an operation that needs no key."""
OPTIONAL: dict[str, Any] = {"security": [{}, *KEYS]}
"""Added to an operation that tells less without a key."""
STREAM: dict[str, Any] = {"text/event-stream": {}}  # readers differ in what a schema of a stream describes
MODEL = {"type": ["string", "null"], "description": "A name of `/v1/models`, or `provider/model`."}
STREAMED = {
    "stream": {"type": ["boolean", "null"]},
    "stream_options": {"type": ["object", "null"], "properties": {"include_usage": {"type": ["boolean", "null"]}}},
}
"""The members of a request that may be streamed."""


class Description(NamedTuple):
    """The paths of one module, and the schemas that they name."""

    paths: Mapping[str, Any]
    schemas: Mapping[str, Schema]


def answer(description: str, schema: str, **more: Any) -> dict[str, Any]:
    """An answer of the schema `schema`, by name; `more` are further media types."""
    return {"description": description, "content": {JSON: {"schema": reference(schema)}, **more}}


def errors(*statuses: int, schema: str = "Error") -> dict[str, Any]:
    """Error answers by status."""
    return {str(status): answer(MEANINGS[status], schema) for status in statuses}


def reference(schema: str) -> Schema:
    """The schema of that name."""
    return {"$ref": f"#/components/schemas/{schema}"}


def model_call(operation: str, takes: str, gives: str, *, streams: bool = False) -> dict[str, Any]:
    """A path that calls a model: the schemas of its request and its answer, and every error that a call may end in."""
    ok = answer("The answer, whole; or its events, where `stream` is true.", gives, **STREAM)
    return {
        "post": {
            "operationId": operation,
            "requestBody": {"required": True, "content": {JSON: {"schema": reference(takes)}}},
            "responses": {"200": ok if streams else answer("The answer.", gives), **errors(*MEANINGS)},
        }
    }


def taken(required: str, members: Mapping[str, Any]) -> Schema:
    """A request's schema: what the gateway looks at; everything else goes to the provider."""
    return {
        "type": "object",
        "required": [required],
        "description": "OpenAI's request. Fields that are not listed here go to the provider as they are.",
        "properties": {"model": MODEL, **members},
    }


def text_or_list(*, empty: bool = False) -> Schema:
    """What `check_input` takes; `empty` as there."""
    text: Schema = {"type": "string"} if empty else {"type": "string", "minLength": 1}
    return {"anyOf": [text, {"type": "array", "minItems": 1}]}
