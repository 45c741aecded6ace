"""How turns are written: those that end within the same moment in one transaction, each whole or not at all."""

import os
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Connection, bindparam, delete, insert, select, tuple_, update
from sqlalchemy.dialects import postgresql, sqlite

from gateway.stores.identity import Change, Named
from gateway.stores.message import Message, chained, message, turns_in
from gateway.stores.prefix import place
from gateway.stores.recent import Recall
from gateway.stores.tables import conversations, items, variables


def _base() -> str:
    # They grow with time, so that new rows are neighbours in the index: a page or two a transaction, not one a row.
    return f"{time.time_ns() // 1_000_000:012x}{os.urandom(6).hex()}"


@dataclass
class Entry:
    """What one turn adds.

    `sent` are all messages of the request; those from `start` on are new. `keep` is None where they are put behind
    whatever is there, else how many of the messages that were seen at `version` stay. `answer` follows them. Without a
    `version` nobody has looked, and all is new.
    """

    named: Named
    sent: Sequence[Message]
    start: int = 0
    keep: int | None = None
    version: int | None = None
    answer: Message | None = None
    instructions: bytes | None = None
    variables: Mapping[str, Change] = field(default_factory=dict)
    ttl: float | None = None
    base: str = field(default_factory=_base)
    """What its rows' ids begin with: given once, so that a turn whose commit was not heard of is not written twice."""
    tries: int = 0
    recall: Recall | None = None
    written: int | None = None
    """The conversation's version that it made, where it was put right behind what its turn had seen."""

    def id(self, number: int) -> str:
        """The id of a row."""
        return f"{self.base}{number:08x}"

    @property
    def mark(self) -> str:
        """The id of the last row, which is there when the entry is."""
        return self.id(len(self.sent) if self.answer is not None else len(self.sent) - 1)


class _State:
    """A conversation's row while entries are added to it."""

    FIELDS = ("version", "seq", "length", "turns", "weight", "chain", "instructions", "summary", "summarised")

    def __init__(self, row: Any) -> None:
        self.key: int = row.key
        self.expires_at: float | None = row.expires_at
        self.version: int = row.version
        self.seq: int = row.seq
        self.length: int = row.length
        self.turns: int = row.turns
        self.weight: int = row.weight
        self.chain: bytes = row.chain
        self.instructions: bytes | None = row.instructions
        self.summary: str | None = row.summary
        self.summarised: int = row.summarised

    def empty(self) -> None:
        """Nothing is live any more; rows that were keep their numbers."""
        self.length = self.turns = self.weight = self.summarised = 0
        self.chain, self.summary = b"", None

    def columns(self, now: float) -> dict[str, Any]:
        """What is written back."""
        named = {name: getattr(self, name) for name in self.FIELDS}
        return named | {"_key": self.key, "updated_at": now, "expires_at": self.expires_at}


_UPDATE = update(conversations).where(conversations.c.key == bindparam("_key"))
_RENUMBER = update(items).where(items.c.id == bindparam("_id"))
_HEADS = (
    select(*[conversations.c[name] for name in ("key", "owner", "name", "expires_at", *_State.FIELDS)])
    .order_by(conversations.c.key)
    .with_for_update()
)
_HEAD = _HEADS.where(conversations.c.owner == bindparam("owner"), conversations.c.name == bindparam("name"))
_SEVERAL = _HEADS.where(tuple_(conversations.c.owner, conversations.c.name).in_(bindparam("places", expanding=True)))
_INSERT = insert(items)
VARIABLES = (
    select(variables.c.conversation, variables.c.name, variables.c.value)
    .where(variables.c.conversation.in_(bindparam("keys", expanding=True)))
    .order_by(variables.c.name)
)
"""The variables of the conversations with these `keys`, by name."""


def commit(connection: Connection, entries: Sequence[Entry]) -> None:
    """Add entries, in their order, to their conversations, which are made where they are not there yet."""
    now = time.time()
    touched = {entry.named for entry in entries}
    touched |= {around for named in touched if (around := named.around) is not None}
    states = _locked(connection, sorted(touched), now)
    done = _written(connection, entries)
    entries = [entry for entry in entries if entry.mark not in done]
    rows: list[dict[str, Any]] = []
    for entry in entries:
        state = states[entry.named]
        if state.expires_at is not None and state.expires_at <= now:
            _wipe(connection, state)
        start = entry.start
        if entry.version is not None and (state.version != entry.version or entry.keep is not None):
            if rows:  # they may be of this conversation
                connection.execute(_INSERT, rows)
                rows = []
            start = _fit(connection, state, entry)
        behind = entry.keep is None and start == entry.start and state.version == entry.version
        rows += _appended(state, entry, start, now)
        state.version += 1
        entry.written = state.version if behind else None
        if entry.version is not None:  # a turn says how long; what is put in over the API does not
            state.expires_at = None if entry.ttl is None else now + entry.ttl
        if entry.instructions is not None:
            state.instructions = entry.instructions
    if rows:
        connection.execute(_INSERT, rows)
    connection.execute(_UPDATE, [state.columns(now) for state in states.values()])
    _keep_variables(connection, entries, states, now)


def _locked(connection: Connection, places: Sequence[Named], now: float) -> dict[Named, _State]:
    """The conversations' rows, made where they are missing, locked in one order so that no two wait for each other."""
    fresh = {"version": 0, "seq": 0, "length": 0, "turns": 0, "weight": 0, "chain": b"", "summarised": 0}
    times = {"created_at": now, "updated_at": now}
    found = _found(connection, places)
    if len(found) < len(places):
        there = {(row.owner, row.name) for row in found}
        missing = [{**fresh, **times, **_names(one)} for one in places if one not in there]
        connection.execute(_insert(connection, conversations).on_conflict_do_nothing(), missing)
        found = _found(connection, places)
    return {Named(row.owner, row.name): _State(row) for row in found}


def _names(one: Named) -> dict[str, str | None]:
    return one._asdict() | {"around": None if one.around is None else one.around.name}


def _found(connection: Connection, places: Sequence[Named]) -> Sequence[Any]:
    # Most often it is one, and a list of places must be spelt out each time.
    if len(places) == 1:
        return connection.execute(_HEAD, places[0]._asdict()).all()
    return connection.execute(_SEVERAL, {"places": places}).all()


def _written(connection: Connection, entries: Sequence[Entry]) -> set[str]:
    """The rows of entries that were tried before and are there already."""
    again = [entry.mark for entry in entries if entry.tries]
    for entry in entries:
        entry.tries += 1
    if not again:
        return set()
    return set(connection.execute(select(items.c.id).where(items.c.id.in_(again))).scalars())


def _appended(state: _State, entry: Entry, start: int, now: float) -> list[dict[str, Any]]:
    """The rows of an entry, behind what is there."""
    # One that was deleted meanwhile begins anew, with all that its client still knows.
    if state.length == 0:
        start = 0
    added = list(enumerate(entry.sent[start:], start))
    if entry.answer is not None:
        added.append((len(entry.sent), entry.answer))
    rows = []
    for number, one in added:
        state.seq += 1
        state.length += 1
        state.turns += turns_in((one,))
        state.weight += len(one.source)
        state.chain = chained(state.chain, (one,))
        rows.append(
            {
                "id": entry.id(number),
                "conversation": state.key,
                "seq": state.seq,
                "live": True,
                "turn": state.turns,
                "weight": state.weight,
                "digest": one.digest,
                "body": one.source,
                "created_at": now,
            }
        )
    return rows


def _fit(connection: Connection, state: _State, entry: Entry) -> int:
    """Make an entry's place where it is not simply what comes next; return where that begins which is new.

    Where another turn was written meanwhile, both stay: this one follows it, but for what both clients had already.
    Where the history differs from what is kept, what the client no longer has is replaced.
    """
    answered = any(one.role == "assistant" for one in entry.sent)
    if entry.keep is None and not answered:
        return entry.start
    columns = (items.c.seq, items.c.digest, items.c.turn, items.c.weight)
    live = select(*columns).where(items.c.conversation == state.key, items.c.live).order_by(items.c.seq)
    rows = connection.execute(live).all()
    keep, start = entry.keep, entry.start
    if state.version != entry.version:
        found = place([row.digest for row in rows], [one.digest for one in entry.sent], answered=answered)
        keep, start = (len(rows), max(start, found.start)) if keep is None else found
    if keep is not None and keep < len(rows):
        gone = items.c.conversation == state.key, items.c.seq >= rows[keep].seq
        connection.execute(update(items).where(*gone).values(live=False))
        _recounted(state, rows[:keep])
    return start


def _recounted(state: "_State", rows: Sequence[Any]) -> None:
    """What a conversation's row says of its live messages, which are these."""
    state.length = len(rows)
    state.turns, state.weight = (rows[-1].turn, rows[-1].weight) if rows else (0, 0)
    state.chain = chained(b"", [Message(b"", "", row.digest) for row in rows])
    if state.turns < state.summarised:  # what was summed up is not what was said any more
        state.summary, state.summarised = None, 0


def lock(connection: Connection, named: Named) -> "_State | None":
    """A conversation's row, which nobody else changes until the transaction ends."""
    row = connection.execute(_HEAD, named._asdict()).first()
    return None if row is None else _State(row)


def recount(connection: Connection, state: "_State") -> None:
    """After messages were deleted: bring the sums in the rows behind them, and in the conversation's, up to date."""
    columns = (items.c.id, items.c.digest, items.c.body, items.c.turn, items.c.weight)
    live = select(*columns).where(items.c.conversation == state.key, items.c.live).order_by(items.c.seq)
    turns = weight = 0
    chain, changed = b"", []
    rows = connection.execute(live).all()
    for row in rows:
        one = message(row.body)
        turns += turns_in((one,))
        weight += len(one.source)
        chain = chained(chain, (one,))
        if (turns, weight) != (row.turn, row.weight):
            changed.append({"_id": row.id, "turn": turns, "weight": weight})
    if changed:
        connection.execute(_RENUMBER, changed)
        state.summary, state.summarised = None, 0
    state.length, state.turns, state.weight, state.chain = len(rows), turns, weight, chain
    state.version += 1
    connection.execute(_UPDATE, [state.columns(time.time())])


def _wipe(connection: Connection, state: _State) -> None:
    """One that has outlived its time, and was not pruned yet, begins anew."""
    for table in (items, variables):
        connection.execute(delete(table).where(table.c.conversation == state.key))
    state.empty()
    state.instructions, state.expires_at = None, None


def _keep_variables(
    connection: Connection, entries: Sequence[Entry], states: Mapping[Named, _State], now: float
) -> None:
    changes = [(states[entry.named].key, name, change) for entry in entries for name, change in entry.variables.items()]
    if not changes:
        return
    keys = {"keys": sorted({key for key, _, _ in changes})}
    kept = {(row.conversation, row.name): row.value for row in connection.execute(VARIABLES, keys)}
    newest: dict[tuple[int, str], bytes] = {}
    for key, name, change in changes:
        value = change(newest.get((key, name), kept.get((key, name))))
        if value is not None:
            newest[key, name] = value
    if not newest:
        return
    put = _insert(connection, variables)
    put = put.on_conflict_do_update(
        index_elements=["conversation", "name"],
        set_={"value": put.excluded.value, "updated_at": put.excluded.updated_at},
    )
    connection.execute(
        put,
        [
            {"conversation": key, "name": name, "value": value, "updated_at": now}
            for (key, name), value in sorted(newest.items())
        ],
    )


def _insert(connection: Connection, table: Any) -> Any:
    return (sqlite if connection.dialect.name == "sqlite" else postgresql).insert(table)
