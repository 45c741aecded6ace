"""`/v1/runs`: the runs of chains and graphs, what happened in them, live or afterwards, and how to cancel them."""

import asyncio
import logging
from typing import TYPE_CHECKING, Any, get_args

import msgspec
from msgspec import Raw

from gateway.accounts.keys import Keyring
from gateway.api.answers import Receive, Scope, Send, openai_error, refuse
from gateway.api.description import STREAM, Description, errors, reference
from gateway.api.door import House
from gateway.api.endpoint import (
    LIST,
    Ask,
    Endpoint,
    Query,
    in_path,
    limit_of,
    operation,
    order_of,
    owner_of,
    page_of,
    paged,
    query_of,
)
from gateway.api.ids import request_id
from gateway.api.visit import STREAM_HEADERS, Visit
from gateway.seam import GatewayError, InvalidRequest
from gateway.stores.run_row import RunRow, Status, Wanted
from gateway.wire.sse import DONE, frame
from gateway.wire.verbatim import NULL

if TYPE_CHECKING:
    from gateway.orchestration.followers import Follower
    from gateway.orchestration.records import Records

STATUSES = get_args(Status)
_PING = b": ping\n\n"
_log = logging.getLogger("gateway")


class _Contents(msgspec.Struct, gc=False):
    """What an event holds of a run's input or output."""

    input: Raw = NULL
    output: Raw = NULL


class _Numbered(msgspec.Struct, gc=False):
    """The number of an event."""

    seq: int


_contents = msgspec.json.Decoder(_Contents).decode
_number = msgspec.json.Decoder(_Numbered).decode


class RunsDoor:
    """The runs of the caller's key. Another key's are not there: the same 404 as for those that never were.

    Without `records` there are neither chains nor graphs, and so no runs.
    """

    def __init__(self, house: House, records: "Records | None", keyring: Keyring | None) -> None:
        self._records = records
        self._open = keyring is None
        self.all = Endpoint(house, keyring, {"GET": self._list})
        self.one = Endpoint(house, keyring, {"GET": self._get})
        self.cancel = Endpoint(house, keyring, {"POST": self._cancel})
        self.events = RunEvents(house, records, keyring)

    async def _list(self, ask: Ask) -> Any:
        limit, order = limit_of(ask.query), order_of(ask.query)
        status, model = _status(ask.query), ask.query.get("model", [None])[-1]
        after = ask.query.get("after", [""])[-1] or None
        if after is not None and (self._records is None or await self._records.row(after, self._owner(ask)) is None):
            raise _no_run(after)
        wanted = Wanted(limit + 1, order, self._owner(ask), status, model, after)
        rows = [] if self._records is None else await self._records.rows(wanted)
        return page_of([_run(row) for row in rows[:limit]], more=len(rows) > limit)

    async def _get(self, ask: Ask) -> Any:
        story = None if self._records is None else await self._records.story(ask.name, self._owner(ask))
        if story is None:
            raise _no_run(ask.name)
        events = story.events
        found = _run(story.row)
        found["input"] = _contents(events[0]).input if events else None
        found["output"] = _contents(events[-1]).output if events and story.row.status == "completed" else None
        return found | {"events": [Raw(event) for event in events]}

    async def _cancel(self, ask: Ask) -> Any:
        row = None if self._records is None else await self._records.cancel(ask.name, self._owner(ask))
        if row is None:
            raise _no_run(ask.name)
        return _run(row)

    def _owner(self, ask: Ask) -> str | None:
        return None if self._open else ask.owner


class RunEvents:
    """A run's events as they come, as server-sent events; the number of each is its id, from which to go on."""

    methods = ("GET",)

    def __init__(self, house: House, records: "Records | None", keyring: Keyring | None) -> None:
        self._house = house
        self._records = records
        self._keyring = keyring

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one HTTP request."""
        visit = Visit(scope, receive, send, self._house.tasks, request_id())
        try:
            follower = await self._follower(scope)
            if scope["method"] == "HEAD":
                await send({"type": "http.response.start", "status": 200, "headers": [*STREAM_HEADERS]})
                await send({"type": "http.response.body", "body": b""})
                return
            visit.watch()
            await visit.start(200, STREAM_HEADERS)
            while events := await self._more(follower, visit):
                visit.push(b"".join([b"id: %d\n%b" % (_number(event).seq, frame(event)) for event in events]))
                await visit.drained()
            visit.push(DONE)
            await visit.drained()
            await visit.end()
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if not visit.gone or task is None or task.uncancel() > 0:
                raise
        except GatewayError as error:
            await self._fail(visit, send, error)
        except Exception:
            _log.exception("request %s failed inside the gateway", visit.id.decode())
            trouble = f"The gateway failed on this request; its log has more under {visit.id.decode()}."
            await self._fail(visit, send, GatewayError(trouble))
        finally:
            visit.over()

    async def _follower(self, scope: Scope) -> "Follower":
        owner = None if self._keyring is None else owner_of(self._keyring, scope)
        after, name = _after(scope), scope["path_params"]["id"]
        found = None if self._records is None else await self._records.follower(name, owner, after)
        if found is None:
            raise _no_run(name)
        return found

    async def _more(self, follower: "Follower", visit: Visit) -> list[bytes]:
        """The next events; pings, while there are none."""
        while True:
            try:
                async with asyncio.timeout(self._house.server.stream.ping):
                    return await follower.more()
            except TimeoutError:
                await visit.write(_PING)

    async def _fail(self, visit: Visit, send: Send, error: GatewayError) -> None:
        if not visit.started:
            await refuse(send, error, visit.id)
            return
        await visit.write(frame(openai_error(error)))
        await visit.end()


def _run(row: RunRow) -> dict[str, Any]:
    """A run as it is shown."""
    return {
        "id": row.id,
        "object": "run",
        "model": row.model,
        "status": row.status,
        "created_at": int(row.created_at),
        "completed_at": None if row.completed_at is None else int(row.completed_at),
        "duration_ms": row.ms,
        "usage": {
            "prompt_tokens": row.prompt_tokens,
            "completion_tokens": row.completion_tokens,
            "total_tokens": row.prompt_tokens + row.completion_tokens,
        },
        "error": None if row.error is None else Raw(row.error),
        "conversation_id": row.conversation,
        "steps": row.steps,
    }


def _status(query: Query) -> str | None:
    text = query.get("status", [None])[-1]
    if text is not None and text not in STATUSES:
        expected = ", ".join(STATUSES)
        raise InvalidRequest(
            f"status: expected one of {expected}, found {text[:40]!r}.", param="status", code="invalid_value"
        )
    return text


def _after(scope: Scope) -> int:
    """The number of the event behind which to go on: a browser that comes back says it in a header."""
    header = next((value.decode("latin-1") for name, value in scope["headers"] if name == b"last-event-id"), "0")
    text = query_of(scope).get("after", [header])[-1]
    if not (text.isascii() and text.isdigit() and len(text) <= 9):
        raise InvalidRequest(
            f"after: expected the number of an event, found {text[:40]!r}.", param="after", code="invalid_value"
        )
    return int(text)


def _no_run(name: str) -> GatewayError:
    return GatewayError(
        f"Run with id {name[:64]!r} not found. Runs that are not kept (runs.keep) are known to the process that "
        "serves them, and for an hour.",
        status=404,
        type="invalid_request_error",
        code="run_not_found",
    )


_ONE = in_path("id")
_SELECTED = [
    {"name": "status", "in": "query", "schema": {"enum": list(STATUSES)}},
    {"name": "model", "in": "query", "schema": {"type": "string"}},
]
_AFTER = {
    "name": "after",
    "in": "query",
    "schema": {"type": "integer", "minimum": 0, "maximum": 999_999_999},
    "description": "The number of an event: only those behind it. The header `last-event-id` says the same.",
}
_NUMBER = {"type": ["number", "null"]}
_TEXT = {"type": ["string", "null"]}
_RUN = {
    "id": {"type": "string"},
    "object": {"const": "run"},
    "model": {"type": "string"},
    "status": {"enum": list(STATUSES)},
    "created_at": {"type": "integer"},
    "completed_at": {"type": ["integer", "null"]},
    "duration_ms": _NUMBER,
    "usage": {"type": "object"},
    "error": {"type": ["object", "null"]},
    "conversation_id": _TEXT,
    "steps": {"type": "integer"},
}
_REQUIRED = list(_RUN)

DESCRIPTION = Description(
    {
        "/v1/runs": {"get": operation("listRuns", "Runs", 400, 404, parameters=paged(*_SELECTED))},
        "/v1/runs/{id}": {"get": operation("retrieveRun", "RunTold", 404, parameters=_ONE)},
        "/v1/runs/{id}/events": {
            "get": {
                "operationId": "followRun",
                "parameters": [*_ONE, _AFTER],
                "responses": {
                    "200": {"description": "The run's events, as they come, up to its end.", "content": STREAM},
                    **errors(400, 401, 404, 500, 503),
                },
            }
        },
        "/v1/runs/{id}/cancel": {"post": operation("cancelRun", "Run", 404, 408, 409, 413, parameters=_ONE)},
    },
    {
        "Run": {"type": "object", "required": _REQUIRED, "properties": _RUN},
        "Runs": {
            "type": "object",
            "required": ["object", "data", "has_more"],
            "properties": {**LIST, "data": {"type": "array", "items": reference("Run")}},
        },
        "RunTold": {
            "type": "object",
            "required": [*_REQUIRED, "input", "output", "events"],
            "properties": {
                **_RUN,
                "events": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["seq", "at", "type"],
                        "properties": {
                            "seq": {"type": "integer"},
                            "at": {"type": "number"},
                            "type": {"type": "string"},
                        },
                    },
                },
            },
        },
    },
)
