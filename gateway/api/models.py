"""`GET /v1/models` and `/v1/models/{id}` (https://platform.openai.com/docs/api-reference/models)."""

import time
from typing import Any

from gateway.accounts.keys import Keyring
from gateway.api.answers import Receive, Scope, Send, refuse, respond
from gateway.api.description import Description, answer, errors, reference
from gateway.api.ids import request_id
from gateway.routing.catalog import Catalog, Listing
from gateway.seam import Caller, GatewayError, ModelNotFound
from gateway.wire.verbatim import encode


class ModelsDoor:
    """The models that the caller's key may use. An id may hold `/` and `:`, raw or encoded."""

    def __init__(self, catalog: Catalog, keyring: Keyring | None) -> None:
        self._catalog = catalog
        self._keyring = keyring
        self._created = int(time.time())

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:  # noqa: ARG002 (ASGI's signature)
        """Serve one HTTP request."""
        answer_id = request_id().encode()
        try:
            caller = self._keyring.identify(scope["headers"]) if self._keyring is not None else None
            name = scope.get("path_params", {}).get("id")
            document = self._all(caller) if name is None else self._one(name, caller)
        except GatewayError as error:
            await refuse(send, error, answer_id)
        else:
            await respond(send, 200, encode(document), [(b"x-request-id", answer_id)])

    def _all(self, caller: Caller | None) -> dict[str, Any]:
        return {"object": "list", "data": [self._shape(entry) for entry in self._catalog.visible(caller)]}

    def _one(self, name: str, caller: Caller | None) -> dict[str, Any]:
        for entry in self._catalog.visible(caller):
            if entry.name == name:
                return self._shape(entry)
        raise self._catalog.explain(ModelNotFound(name), caller)

    def _shape(self, entry: Listing) -> dict[str, Any]:
        return {"id": entry.name, "object": "model", "created": self._created, "owned_by": entry.owner}


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
