"""`GET /v1/models` and `/v1/models/{id}`, in the shape of the caller's SDK.

OpenAI's (https://platform.openai.com/docs/api-reference/models); Anthropic's where `anthropic-version` is sent
(https://docs.claude.com/en/api/models-list).
"""

import time
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qs

from gateway.accounts.keys import Keyring
from gateway.api.answers import Receive, Scope, Send, refuse, respond
from gateway.api.anthropic_errors import ID_HEADERS, refuse_anthropic
from gateway.api.description import Description, answer, errors, reference
from gateway.api.ids import request_id
from gateway.routing.catalog import Catalog, Listing
from gateway.seam import Caller, GatewayError, InvalidRequest, ModelNotFound
from gateway.wire.verbatim import encode

_PAGE = 20
_LARGEST_PAGE = 1000
"""How many models Anthropic's list has, where the caller does not say, and at most."""


class ModelsDoor:
    """The models that the caller's key may use. An id may hold `/` and `:`, raw or encoded."""

    def __init__(self, catalog: Catalog, keyring: Keyring | None) -> None:
        self._catalog = catalog
        self._keyring = keyring
        self._created = int(time.time())
        self._created_at = datetime.fromtimestamp(self._created, UTC).isoformat().replace("+00:00", "Z")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Serve one HTTP request."""
        answer_id = request_id().encode()
        headers = scope["headers"]
        anthropic = any(name == b"anthropic-version" for name, _ in headers)
        try:
            caller = self._keyring.identify(headers) if self._keyring is not None else None
            name = scope.get("path_params", {}).get("id")
            if anthropic:
                document = self._page(scope, caller) if name is None else self._anthropic(self._find(name, caller))
            else:
                document = self._all(caller) if name is None else self._openai(self._find(name, caller))
        except GatewayError as error:
            await (refuse_anthropic if anthropic else refuse)(send, error, answer_id)
        else:
            ids = [(header, answer_id) for header in (ID_HEADERS if anthropic else ID_HEADERS[:1])]
            await respond(send, 200, encode(document), ids)

    def _find(self, name: str, caller: Caller | None) -> Listing:
        for entry in self._catalog.visible(caller):
            if entry.name == name:
                return entry
        raise self._catalog.explain(ModelNotFound(name), caller)

    def _all(self, caller: Caller | None) -> dict[str, Any]:
        return {"object": "list", "data": [self._openai(entry) for entry in self._catalog.visible(caller)]}

    def _openai(self, entry: Listing) -> dict[str, Any]:
        return {"id": entry.name, "object": "model", "created": self._created, "owned_by": entry.owner}

    def _page(self, scope: Scope, caller: Caller | None) -> dict[str, Any]:
        query = parse_qs(scope["query_string"].decode("latin-1"))
        entries = self._catalog.visible(caller)
        limit = _limit(query.get("limit", [str(_PAGE)])[-1])
        if "before_id" in query:
            entries = entries[: _position(entries, query, "before_id")]
            page = entries[-limit:]
        else:
            entries = entries[_position(entries, query, "after_id") + 1 :] if "after_id" in query else entries
            page = entries[:limit]
        return {
            "data": [self._anthropic(entry) for entry in page],
            "has_more": len(page) < len(entries),
            "first_id": page[0].name if page else None,
            "last_id": page[-1].name if page else None,
        }

    def _anthropic(self, entry: Listing) -> dict[str, Any]:
        return {
            "type": "model",
            "id": entry.name,
            "display_name": entry.name,
            "created_at": self._created_at,
            "lifecycle": "active",
        }


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= _LARGEST_PAGE):
        raise InvalidRequest(f"limit: expected a number from 1 to {_LARGEST_PAGE}, found {text[:40]!r}.")
    return int(text[:5])


def _position(entries: list[Listing], query: dict[str, list[str]], cursor: str) -> int:
    wanted = query[cursor][-1]
    for position, entry in enumerate(entries):
        if entry.name == wanted:
            return position
    raise InvalidRequest(f"{cursor}: no model that this key may use is called {wanted[:256]!r}.")


DESCRIPTION = Description(
    {
        "/v1/models": {
            "get": {
                "operationId": "listModels",
                "responses": {"200": answer("What this key may use.", "Models"), **errors(401)},
            }
        },
        "/v1/models/{id}": {
            "get": {
                "operationId": "retrieveModel",
                "parameters": [{"name": "id", "in": "path", "required": True, "schema": {"type": "string"}}],
                "responses": {"200": answer("The model.", "Model"), **errors(401, 404)},
            }
        },
    },
    {
        "Models": {
            "type": "object",
            "required": ["object", "data"],
            "properties": {"object": {"const": "list"}, "data": {"type": "array", "items": reference("Model")}},
        },
        "Model": {
            "type": "object",
            "required": ["id", "object", "created", "owned_by"],
            "properties": {
                "id": {"type": "string"},
                "object": {"const": "model"},
                "created": {"type": "integer"},
                "owned_by": {"type": "string"},
            },
        },
    },
)
