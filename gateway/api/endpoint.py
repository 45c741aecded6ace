"""Paths whose answers are documents about what is kept: auth, body, query, pages, errors."""

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Literal, NamedTuple
from urllib.parse import parse_qs

from gateway.accounts.keys import Keyring
from gateway.api.answers import Receive, Scope, Send, openai_error, respond
from gateway.api.description import JSON, answer, errors, reference
from gateway.api.door import House
from gateway.api.ids import request_id
from gateway.api.visit import BodyPatience, Visit
from gateway.seam import GatewayError, InvalidRequest
from gateway.wire.verbatim import encode

_PAGE, _LARGEST_PAGE = 20, 100
_log = logging.getLogger("gateway")

Query = Mapping[str, list[str]]
Order = Literal["asc", "desc"]
Act = Callable[["Ask"], Awaitable[Any]]


class Ask(NamedTuple):
    """One request, as far as HTTP is concerned; `owner` is the key that asks, empty where there are no keys."""

    owner: str
    name: str
    item: str
    body: bytes
    query: Query


class Endpoint:
    """One path: what each method does there. Its answers are documents."""

    def __init__(self, house: House, keyring: Keyring | None, acts: Mapping[str, Act]) -> None:
        self.methods = tuple(acts)
        self._house = house
        self._keyring = keyring
        self._acts = acts
        self._patience = BodyPatience(house.server.body_timeout)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        answer_id = request_id()
        visit = Visit(scope, receive, send, self._house.tasks, answer_id)
        try:
            owner = owner_of(self._keyring, scope)
            body: bytes | None = b""
            if scope["method"] == "POST":
                body = await visit.body(self._house.server.max_body, self._patience)
            if body is None:
                return
            names = scope.get("path_params", {})
            ask = Ask(owner, names.get("id", ""), names.get("item", ""), body, query_of(scope))
            act = self._acts["GET" if scope["method"] == "HEAD" else scope["method"]]
            document = await act(ask)
        except GatewayError as error:
            await self._refuse(visit, error)
        except Exception:
            _log.exception("request %s failed inside the gateway", answer_id)
            trouble = GatewayError(f"The gateway failed on this request; its log has more under {answer_id}.")
            await self._refuse(visit, trouble)
        else:
            await respond(send, 200, encode(document), [(b"x-request-id", answer_id.encode())])

    async def _refuse(self, visit: Visit, error: GatewayError) -> None:
        await visit.answer(error.status, openai_error(error), error.headers)


def owner_of(keyring: Keyring | None, scope: Scope) -> str:
    """The name of the key that asks. Raises `Unauthorized`."""
    return "" if keyring is None else keyring.identify(scope["headers"]).name


def query_of(scope: Scope) -> Query:
    """What stands behind the question mark: values by name. An empty one is none, but for `within=`: it is not all."""
    found = parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True)
    return {name: values for name, values in found.items() if values[-1] or name == "within"}


def limit_of(query: Query) -> int:
    """How many of a list are asked for. Raises `InvalidRequest`."""
    text = query.get("limit", [str(_PAGE)])[-1]
    if not (text.isascii() and text.isdigit() and 1 <= int(text[:5]) <= _LARGEST_PAGE):
        message = f"limit: expected a number from 1 to {_LARGEST_PAGE}, found {text[:40]!r}."
        raise InvalidRequest(message, param="limit", code="invalid_value")
    return int(text[:5])


def order_of(query: Query) -> Order:
    """In which order a list is asked for. Raises `InvalidRequest`."""
    text = query.get("order", ["desc"])[-1]
    if text == "asc" or text == "desc":
        return text  # type: ignore[return-value]  # narrowed by the line before
    raise InvalidRequest(f"order: expected asc or desc, found {text[:40]!r}.", param="order", code="invalid_value")


def page_of(data: list[Any], *, more: bool) -> dict[str, Any]:
    """A page of a list, in OpenAI's shape."""
    first, last = (data[0]["id"], data[-1]["id"]) if data else (None, None)
    return {"object": "list", "data": data, "first_id": first, "last_id": last, "has_more": more}


# ---- how such paths describe themselves

LIST = {
    "object": {"const": "list"},
    "first_id": {"type": ["string", "null"]},
    "last_id": {"type": ["string", "null"]},
    "has_more": {"type": "boolean"},
}
"""The members of a page beside its data."""


def in_path(*names: str) -> list[dict[str, Any]]:
    """Parameters that stand in the path."""
    return [{"name": name, "in": "path", "required": True, "schema": {"type": "string"}} for name in names]


def paged(*more: dict[str, Any]) -> list[dict[str, Any]]:
    """The parameters of a list."""
    limit = {"type": "integer", "minimum": 1, "maximum": _LARGEST_PAGE, "default": _PAGE}
    return [
        {"name": "limit", "in": "query", "schema": limit},
        {"name": "order", "in": "query", "schema": {"enum": ["asc", "desc"], "default": "desc"}},
        {"name": "after", "in": "query", "schema": {"type": "string"}},
        *more,
    ]


def operation(name: str, gives: str, *statuses: int, takes: str | None = None, **more: Any) -> dict[str, Any]:
    """One method of a path: the schemas of what it takes and gives, and the statuses of its errors."""
    body = {"requestBody": {"content": {JSON: {"schema": reference(takes)}}}} if takes else {}
    failures = errors(401, 500, 503, *statuses)
    return {"operationId": name, **more, **body, "responses": {"200": answer("As asked.", gives), **failures}}
