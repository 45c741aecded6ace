"""What is kept of conversations, as it is read: by turns, and by those who list, read and delete."""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any, Literal, NamedTuple

import msgspec
from sqlalchemy import Connection, Select, and_, bindparam, delete, or_, select, tuple_, update

from gateway.seam import Env
from gateway.stores.batches import Batches
from gateway.stores.database import Database
from gateway.stores.identity import WITHIN, Memory, Named
from gateway.stores.journal import VARIABLES, Entry, commit, lock, recount
from gateway.stores.message import Message, message, messages
from gateway.stores.prefix import Place
from gateway.stores.pruning import erase
from gateway.stores.recent import Recall, Recent
from gateway.stores.summary import Summaries
from gateway.stores.tables import conversations, items
from gateway.stores.writer import Answer, Writer

_MOST_BYTES_PER_TOKEN = 8
Order = Literal["asc", "desc"]


class Head(NamedTuple):
    """A conversation's row."""

    key: int
    owner: str
    name: str
    created_at: float
    updated_at: float
    expires_at: float | None
    version: int
    seq: int
    length: int
    turns: int
    weight: int
    chain: bytes
    instructions: bytes | None
    metadata: bytes | None
    summary: str | None
    summarised: int

    @property
    def named(self) -> Named:
        """Which conversation it is."""
        return Named(self.owner, self.name)


class Item(NamedTuple):
    """A message's row."""

    id: str
    seq: int
    live: bool
    body: bytes
    created_at: float


_HEAD = select(*[conversations.c[name] for name in Head._fields])
_ITEM = select(*[items.c[name] for name in Item._fields])
_ONE = _HEAD.where(conversations.c.owner == bindparam("owner"), conversations.c.name == bindparam("name"))
_SEVERAL = _HEAD.where(tuple_(conversations.c.owner, conversations.c.name).in_(bindparam("places", expanding=True)))


class Archive:
    """Conversations in the database."""

    def __init__(self, database: Database, env: Env) -> None:
        self._database = database
        self._recent = Recent()
        self._writer = Writer(database, env, self._recall)
        self._heads: Batches[Named, Head | None] = Batches(env.tasks, self._find)
        self._variables: Batches[int, dict[str, bytes]] = Batches(env.tasks, self._beside)
        self.summaries = Summaries(self, database, env)

    # ---- for turns

    async def head(self, named: Named) -> Head | None:
        """A conversation's row, all that has ended of it included. Raises `DatabaseUnavailable`."""
        await self._writer.settled(named)
        head = await self._heads.ask(named)
        return None if head is None or (head.expires_at is not None and head.expires_at <= time.time()) else head

    async def digests(self, head: Head) -> list[bytes]:
        """The digests of a conversation's messages, in their order."""
        wanted = select(items.c.digest).where(items.c.conversation == head.key, items.c.live).order_by(items.c.seq)

        def work(connection: Connection) -> list[bytes]:
            return list(connection.execute(wanted).scalars())

        return await self._database.read(work)

    async def last(self, head: Head, memory: Memory) -> Sequence[Message]:
        """The messages of the last turns; where tokens bound them, at least as many as those allow."""
        turns, size = _asked(memory)
        known = self._recent.get(head.named, head.version, turns, size)
        if known is not None:
            return known
        return messages(await self.between(head, head.turns - turns if turns else 0, head.turns, size))

    async def between(self, head: Head, after: int, until: int, size: int | None = None) -> list[bytes]:
        """The messages of the turns after the first `after`, up to and with the turn `until`; the last `size` bytes."""
        wanted = select(items.c.body).where(items.c.conversation == head.key, items.c.live, items.c.turn <= until)
        if after > 0:
            wanted = wanted.where(items.c.turn > after)
        if size is not None:  # the newest turn always comes
            wanted = wanted.where(or_(items.c.weight > head.weight - size, items.c.turn == head.turns))

        def work(connection: Connection) -> list[bytes]:
            return list(connection.execute(wanted.order_by(items.c.seq)).scalars())

        return await self._database.read(work)

    async def variables(self, head: Head) -> dict[str, Any]:
        """The variables beside the messages, by name. Raises `DatabaseUnavailable`."""
        found = await self._variables.ask(head.key)
        return {name: msgspec.json.decode(value) for name, value in found.items()}

    def entry(
        self,
        named: Named,
        head: Head | None,
        sent: Sequence[Message],
        where: Place,
        instructions: bytes | None,
        memory: Memory,
        kept: Sequence[Message] | None,
    ) -> Entry:
        """What a turn will add, once its answer is there."""
        appends = head is None or where.keep == head.length
        return Entry(
            named,
            sent,
            start=where.start,
            keep=None if appends else where.keep,
            version=0 if head is None else head.version,
            instructions=instructions,
            ttl=memory.ttl,
            recall=None if kept is None else Recall(*_asked(memory), kept),
        )

    def keep(self, entry: Entry, answer: Answer) -> None:
        """Write a turn that has ended, in the background."""
        self._writer.add(entry, answer)

    # ---- for those who list, read and delete

    async def create(self, named: Named, sources: Sequence[bytes], metadata: bytes | None) -> Head:
        """Make a conversation. Raises `DatabaseUnavailable`."""
        await self._put(Entry(named, [message(source) for source in sources]))
        await self.describe(named, metadata)
        head = await self.head(named)
        assert head is not None
        return head

    async def add(self, named: Named, sources: Sequence[bytes]) -> list[Item]:
        """Put messages behind a conversation, and return their rows."""
        entry = Entry(named, [message(source) for source in sources])
        await self._put(entry)
        wanted = _ITEM.where(items.c.id.in_([entry.id(number) for number in range(len(sources))]))
        return await self._items(wanted.order_by(items.c.seq))

    async def describe(self, named: Named, metadata: bytes | None) -> bool:
        """Set a conversation's metadata; False where there is no such conversation."""
        change = update(conversations).where(_is(named)).values(metadata=metadata)

        def work(connection: Connection) -> bool:
            return bool(connection.execute(change).rowcount)

        return await self._database.write(work)

    async def delete(self, named: Named) -> bool:
        """Delete a conversation and all that belongs to it, also those within it; False where there is none."""
        await self._writer.settled(named)
        for inner in self._writer.within(named):
            await self._writer.settled(inner)
        key = conversations.c.key
        wanted = select(key).where(or_(_is(named), _within(named))).order_by(key).with_for_update()

        def work(connection: Connection) -> bool:
            found = list(connection.execute(wanted).scalars())
            if found:
                erase(connection, found)
            return bool(found)

        return await self._database.write(work)

    async def page(self, owner: str, after: Head | None, limit: int, order: Order) -> list[Head]:
        """Conversations of a key, by the time when they were made."""
        now = time.time()
        column = conversations.c.key
        wanted = _HEAD.where(
            conversations.c.owner == owner,
            conversations.c.around.is_(None),
            or_(conversations.c.expires_at.is_(None), conversations.c.expires_at > now),
        )
        if after is not None:
            wanted = wanted.where(column < after.key if order == "desc" else column > after.key)
        wanted = wanted.order_by(column.desc() if order == "desc" else column).limit(limit)

        def work(connection: Connection) -> list[Head]:
            return [Head(*row) for row in connection.execute(wanted)]

        return await self._database.read(work)

    async def within(self, head: Head) -> list[str]:
        """The chains and graphs that have a conversation within this one."""
        wanted = select(conversations.c.name).where(_within(head.named)).order_by(conversations.c.name)

        def work(connection: Connection) -> list[str]:
            return list(connection.execute(wanted).scalars())

        return [name.partition(WITHIN)[2] for name in await self._database.read(work)]

    async def items(self, head: Head, after: int | None, limit: int, order: Order, *, replaced: bool) -> list[Item]:
        """Messages of a conversation after the one with the number `after`, those that were replaced too if asked."""
        wanted = _ITEM.where(items.c.conversation == head.key)
        if not replaced:
            wanted = wanted.where(items.c.live)
        if after is not None:
            wanted = wanted.where(items.c.seq < after if order == "desc" else items.c.seq > after)
        return await self._items(wanted.order_by(items.c.seq.desc() if order == "desc" else items.c.seq).limit(limit))

    async def item(self, head: Head, identity: str) -> Item | None:
        """One message of a conversation, also one that was replaced."""
        found = await self._items(_ITEM.where(items.c.id == identity, items.c.conversation == head.key))
        return found[0] if found else None

    async def remove(self, named: Named, identity: str) -> None:
        """Delete one message."""

        def work(connection: Connection) -> None:
            state = lock(connection, named)
            if state is None:
                return
            connection.execute(delete(items).where(items.c.id == identity, items.c.conversation == state.key))
            recount(connection, state)

        await self._database.write(work)

    # ---- inside

    def _recall(self, entry: Entry) -> None:
        """An entry is written: the next turn will want the end of its conversation."""
        if entry.written is None or entry.recall is None:
            self._recent.forget(entry.named)
            return
        added = [*entry.sent[entry.start :], *([] if entry.answer is None else [entry.answer])]
        self._recent.put(entry.named, entry.written, entry.recall.followed(added))

    async def _put(self, entry: Entry) -> None:
        """Write an entry now: whoever asked for it must know that it is there."""
        await self._writer.settled(entry.named)
        await self._database.write(partial(commit, entries=[entry]))

    async def _find(self, places: list[Named]) -> list[Head | None]:
        found = await self._database.read(partial(_heads, places))
        return [found.get(one) for one in places]

    async def _beside(self, keys: list[int]) -> list[dict[str, bytes]]:
        def work(connection: Connection) -> dict[int, dict[str, bytes]]:
            found: dict[int, dict[str, bytes]] = {key: {} for key in keys}
            for row in connection.execute(VARIABLES, {"keys": keys}):
                found[row.conversation][row.name] = row.value
            return found

        found = await self._database.read(work)
        return [found[key] for key in keys]

    async def _items(self, wanted: Select[Any]) -> list[Item]:
        return await self._database.read(partial(_rows, wanted))


def _heads(places: Sequence[Named], connection: Connection) -> dict[tuple[str, str], Head]:
    if len(places) == 1:  # a list of places must be spelt out each time
        rows = connection.execute(_ONE, places[0]._asdict())
    else:
        rows = connection.execute(_SEVERAL, {"places": places})
    return {(row.owner, row.name): Head(*row) for row in rows}


def _rows(wanted: Select[Any], connection: Connection) -> list[Item]:
    return [Item(*row) for row in connection.execute(wanted)]


def _asked(memory: Memory) -> tuple[int | None, int | None]:
    """How many turns, and how many bytes, a turn may want of what is kept."""
    return memory.reach(memory.last), memory.reach(memory.tokens and memory.tokens * _MOST_BYTES_PER_TOKEN)


def _is(named: Named) -> Any:
    return and_(conversations.c.owner == named.owner, conversations.c.name == named.name)


def _within(named: Named) -> Any:
    return and_(conversations.c.owner == named.owner, conversations.c.around == named.name)
