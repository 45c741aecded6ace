"""`/v1/conversations`: what is kept of conversations, in OpenAI's shape; the list of them is our own.

(https://platform.openai.com/docs/api-reference/conversations)
"""

import uuid
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec

from gateway.accounts.keys import Keyring
from gateway.api.conversation_items import items_of, messages_of, row_of
from gateway.api.description import Description, reference
from gateway.api.door import House
from gateway.api.endpoint import LIST, Ask, Endpoint, Order, in_path, limit_of, operation, order_of, page_of, paged
from gateway.api.openai_door import looked_at
from gateway.seam import GatewayError, InvalidRequest
from gateway.stores.conversations import Conversations
from gateway.stores.identity import NAME, Named
from gateway.wire.verbatim import encode

if TYPE_CHECKING:
    from gateway.stores.archive import Head, Item

_MOST_ITEMS = 20
_PAIRS, _NAME, _VALUE = 16, 64, 512
"""What OpenAI allows of metadata: how many, and the length of a name and a value."""


class _Created(msgspec.Struct, gc=False):
    items: list[Any] | None = None
    metadata: dict[str, str] | None = None


class _Added(msgspec.Struct, gc=False):
    items: list[Any]


class _Described(msgspec.Struct, gc=False):
    metadata: dict[str, str] | None


_created = msgspec.json.Decoder(_Created)
_added = msgspec.json.Decoder(_Added)
_described = msgspec.json.Decoder(_Described)


class ConversationsDoor:
    """The conversations of the caller's key. Another key's are not there: the same 404 as for those that never were."""

    def __init__(self, house: House, conversations: Conversations, keyring: Keyring | None) -> None:
        self._kept = conversations
        self.all = Endpoint(house, keyring, {"GET": self._list, "POST": self._create})
        self.one = Endpoint(house, keyring, {"GET": self._get, "POST": self._update, "DELETE": self._delete})
        self.items = Endpoint(house, keyring, {"GET": self._items, "POST": self._add})
        self.item = Endpoint(house, keyring, {"GET": self._item, "DELETE": self._remove})

    # ---- conversations

    async def _list(self, ask: Ask) -> Any:
        limit, order = limit_of(ask.query), order_of(ask.query)
        if not self._kept.database.exists:
            return page_of([], more=False)
        after = None
        if "after" in ask.query:
            after = await self._found(ask._replace(name=ask.query["after"][-1]))
        page = await self._kept.archive.page(ask.owner, after, limit + 1, order)
        return page_of([_conversation(head) for head in page[:limit]], more=len(page) > limit)

    async def _create(self, ask: Ask) -> Any:
        given = looked_at(_created, ask.body) if ask.body else _Created()
        sources = messages_of(_few(given.items or []))
        metadata = _metadata(given.metadata)
        named = Named(ask.owner, f"conv_{uuid.uuid4().hex}")
        return _conversation(await self._kept.archive.create(named, sources, metadata))

    async def _get(self, ask: Ask) -> Any:
        head = await self._found(ask)
        more = {
            "variables": await self._kept.archive.variables(head),
            "within": await self._kept.archive.within(head),
        }
        return _conversation(head) | {name: value for name, value in more.items() if value}

    async def _update(self, ask: Ask) -> Any:
        metadata = _metadata(looked_at(_described, ask.body).metadata)
        head = await self._found(ask)
        if not await self._kept.archive.describe(_named(ask), metadata):
            raise _no_conversation(ask.name)
        return _conversation(head._replace(metadata=metadata))

    async def _delete(self, ask: Ask) -> Any:
        await self._found(ask)
        await self._kept.archive.delete(_named(ask))
        return {"id": ask.name, "object": "conversation.deleted", "deleted": True}

    # ---- items

    async def _items(self, ask: Ask) -> Any:
        limit, order = limit_of(ask.query), order_of(ask.query)
        replaced = ask.query.get("replaced", ["false"])[-1] == "true"
        head = await self._found(ask)
        cursor = None
        after = ask.query.get("after", [""])[-1]
        if after:
            cursor = await self._row(head, after)
            if cursor is None:
                raise InvalidRequest(f"after: no item is called {after[:128]!r}.", param="after", code="invalid_value")
        # The cursor's own message may have items that are still to come: it is read once more.
        start = None if cursor is None else cursor.seq + (1 if order == "desc" else -1)
        rows = await self._kept.archive.items(head, start, limit + 2, order, replaced=replaced)
        found = [item for row in rows for item in _ordered(items_of(row.id, row.body), order)]
        ids = [item["id"] for item in found]
        if after in ids:
            found = found[ids.index(after) + 1 :]
        return page_of(found[:limit], more=len(found) > limit)

    async def _add(self, ask: Ask) -> Any:
        sources = messages_of(_few(looked_at(_added, ask.body).items))
        await self._found(ask)
        rows = await self._kept.archive.add(_named(ask), sources) if sources else []
        return page_of([item for row in rows for item in items_of(row.id, row.body)], more=False)

    async def _item(self, ask: Ask) -> Any:
        row = await self._row(await self._found(ask), ask.item)
        for item in () if row is None else items_of(row.id, row.body):
            if item["id"] == ask.item:
                return item
        raise _no_item(ask.item)

    async def _remove(self, ask: Ask) -> Any:
        head = await self._found(ask)
        row = await self._row(head, ask.item)
        if row is None:
            raise _no_item(ask.item)
        await self._kept.archive.remove(_named(ask), row.id)
        return _conversation(head)

    # ---- inside

    async def _found(self, ask: Ask) -> "Head":
        # To look must not make a file where nothing was ever kept.
        fits = NAME.fullmatch(ask.name) is not None and self._kept.database.exists
        head = await self._kept.archive.head(_named(ask)) if fits else None
        if head is None:
            raise _no_conversation(ask.name)
        return head

    async def _row(self, head: "Head", identity: str) -> "Item | None":
        row = row_of(identity)
        return None if row is None else await self._kept.archive.item(head, row)


def _named(ask: Ask) -> Named:
    """The conversation that a request is about."""
    named, within = Named(ask.owner, ask.name), ask.query.get("within")
    return named if within is None else named.within(within[-1])


def _conversation(head: "Head") -> dict[str, Any]:
    return {
        "id": (head.named.around or head.named).name,
        "object": "conversation",
        "created_at": int(head.created_at),
        "updated_at": int(head.updated_at),
        "metadata": {} if head.metadata is None else msgspec.Raw(head.metadata),
    }


def _ordered(items: list[Any], order: Order) -> list[Any]:
    return items[::-1] if order == "desc" else items


def _few(items: list[Any]) -> list[Any]:
    if len(items) > _MOST_ITEMS:
        raise InvalidRequest(
            f"items: at most {_MOST_ITEMS} at a time, found {len(items)}.", param="items", code="too_many_items"
        )
    return items


def _metadata(given: Mapping[str, str] | None) -> bytes | None:
    if given is None:
        return None
    if len(given) > _PAIRS or any(len(name) > _NAME or len(value) > _VALUE for name, value in given.items()):
        raise InvalidRequest(
            f"metadata: at most {_PAIRS} pairs, names of at most {_NAME} and values of at most {_VALUE} characters.",
            param="metadata",
            code="invalid_value",
        )
    return encode(given)


def _no_conversation(name: str) -> GatewayError:
    return GatewayError(
        f"Conversation with id {name[:128]!r} not found.",
        status=404,
        type="invalid_request_error",
        code="conversation_not_found",
    )


def _no_item(identity: str) -> GatewayError:
    return GatewayError(
        f"Item with id {identity[:128]!r} not found.", status=404, type="invalid_request_error", code="item_not_found"
    )


_REPLACED = {
    "name": "replaced",
    "in": "query",
    "schema": {"type": "boolean"},
    "description": "true: also what an edit or an answer that was given anew has replaced.",
}
_OBJECT: dict[str, Any] = {"type": "object"}
_METADATA = {
    "type": ["object", "null"],
    "maxProperties": _PAIRS,
    "propertyNames": {"maxLength": _NAME},
    "additionalProperties": {"type": "string", "maxLength": _VALUE},
}
_GIVEN = {"type": "array", "maxItems": _MOST_ITEMS, "items": _OBJECT}
_WITHIN = {
    "name": "within",
    "in": "query",
    "schema": {"type": "string"},
    "description": "A chain or graph, such as `chain:tutor`: its own conversation within this one is meant.",
}
_ONE, _ITEM = [*in_path("id"), _WITHIN], [*in_path("id", "item"), _WITHIN]
_ITEMS = _ONE + paged(_REPLACED)
_BODY = (400, 408, 413)

DESCRIPTION = Description(
    {
        "/v1/conversations": {
            "get": operation("listConversations", "Conversations", 400, 404, parameters=paged()),
            "post": operation("createConversation", "Conversation", *_BODY, takes="NewConversation"),
        },
        "/v1/conversations/{id}": {
            "get": operation("retrieveConversation", "Conversation", 404, parameters=_ONE),
            "post": operation(
                "updateConversation", "Conversation", 400, 404, 408, 413, takes="ConversationUpdate", parameters=_ONE
            ),
            "delete": operation("deleteConversation", "ConversationDeleted", 404, parameters=_ONE),
        },
        "/v1/conversations/{id}/items": {
            "get": operation(
                "listConversationItems", "ConversationItems", 400, 404, parameters=_ONE + paged(_REPLACED)
            ),
            "post": operation(
                "createConversationItems",
                "ConversationItems",
                400,
                404,
                408,
                413,
                takes="NewConversationItems",
                parameters=_ONE,
            ),
        },
        "/v1/conversations/{id}/items/{item}": {
            "get": operation("retrieveConversationItem", "ConversationItem", 404, parameters=_ITEM),
            "delete": operation("deleteConversationItem", "Conversation", 404, parameters=_ITEM),
        },
    },
    {
        "Conversation": {
            "type": "object",
            "required": ["id", "object", "created_at", "metadata"],
            "properties": {
                "id": {"type": "string"},
                "object": {"const": "conversation"},
                "created_at": {"type": "integer"},
                "updated_at": {"type": "integer"},
                "metadata": _OBJECT,
                "variables": {**_OBJECT, "description": "What chains and graphs keep beside the messages, by name."},
                "within": {
                    "type": "array",
                    "items": {"type": "string"},
                    "description": "The chains and graphs that have a conversation of their own within this one.",
                },
            },
        },
        "Conversations": {
            "type": "object",
            "required": ["object", "data", "has_more"],
            "properties": {**LIST, "data": {"type": "array", "items": reference("Conversation")}},
        },
        "NewConversation": {
            "type": "object",
            "properties": {"items": {**_GIVEN, "type": ["array", "null"]}, "metadata": _METADATA},
        },
        "ConversationUpdate": {"type": "object", "required": ["metadata"], "properties": {"metadata": _METADATA}},
        "ConversationDeleted": {
            "type": "object",
            "required": ["id", "object", "deleted"],
            "properties": {
                "id": {"type": "string"},
                "object": {"const": "conversation.deleted"},
                "deleted": {"const": True},
            },
        },
        "ConversationItem": {
            "type": "object",
            "required": ["id", "type"],
            "properties": {"id": {"type": "string"}, "type": {"type": "string"}},
        },
        "ConversationItems": {
            "type": "object",
            "required": ["object", "data", "has_more"],
            "properties": {**LIST, "data": {"type": "array", "items": reference("ConversationItem")}},
        },
        "NewConversationItems": {"type": "object", "required": ["items"], "properties": {"items": _GIVEN}},
    },
)
