"""Turns on their way into the database: written in the background, in their order, together."""

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple

from gateway.seam import Env
from gateway.stores.database import Database, DatabaseUnavailable
from gateway.stores.identity import Named
from gateway.stores.journal import Entry, commit
from gateway.stores.message import Message

_MOST = 100
"""Turns in one transaction."""
Answer = Callable[[], Message | None]


class _Waiting(NamedTuple):
    entry: Entry
    answer: Answer | None
    done: asyncio.Future[None]


class Writer:
    """Writes turns, those that end while a transaction is under way in the next one.

    While the database is lost they wait for it: it is only those turns whose answers were on their way when it was.
    """

    def __init__(self, database: Database, env: Env, written: Callable[[Entry], None]) -> None:
        """`written` is told of each entry that is in the database."""
        self._written = written
        self._database = database
        self._env = env
        self._queue: deque[_Waiting] = deque()
        self._newest: dict[Named, asyncio.Future[None]] = {}
        self._running = False

    def __len__(self) -> int:
        return len(self._newest)

    def add(self, entry: Entry, answer: Answer | None = None) -> "asyncio.Future[None]":
        """Write an entry, with the answer that is made when its turn has come; done when it is written.

        The future raises what kept it from being written.
        """
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._newest[entry.named] = done
        self._queue.append(_Waiting(entry, answer, done))
        if not self._running:
            self._running = True
            self._env.tasks.spawn(self._run())
        return done

    def within(self, named: Named) -> list[Named]:
        """The conversations within one that are being written."""
        return [inner for inner in self._newest if inner.around == named]

    async def settled(self, named: Named) -> None:
        """Wait until what has ended of a conversation is written. Raises `DatabaseUnavailable`."""
        done = self._newest.get(named)
        if done is None:
            return
        if self._database.error:
            raise DatabaseUnavailable
        await asyncio.wait((done,), timeout=self._database.settings.timeout)
        if not done.done():
            raise DatabaseUnavailable

    async def _run(self) -> None:
        batch: list[_Waiting] = []
        try:
            while self._queue:
                batch = [self._queue.popleft() for _ in range(min(_MOST, len(self._queue)))]
                await self._write([one for one in batch if self._whole(one)])
                batch = []
        except asyncio.CancelledError:
            self._env.log.error("%d turns of conversations could not be written", len(batch) + len(self._queue))
            raise
        finally:
            self._running = False

    def _whole(self, one: _Waiting) -> bool:
        """Put the answer in its place; False where there is none to keep."""
        if one.answer is None:
            return True
        try:
            one.entry.answer = one.answer()
        except Exception:
            self._env.log.exception("an answer in %s is not kept: it cannot be read", one.entry.named.name)
        if one.entry.answer is None:
            self._over(one, None)
        return one.entry.answer is not None

    async def _write(self, batch: Sequence[_Waiting]) -> None:
        if not batch:
            return
        error = await self._tried(batch)
        if error is not None and len(batch) > 1:
            for one in batch:  # what is wrong with one must not cost the others
                await self._write([one])
            return
        for one in batch:
            if error is None:
                self._written(one.entry)
            self._over(one, error)

    async def _tried(self, batch: Sequence[_Waiting]) -> Exception | None:
        """Write them, as soon as the database answers; what is wrong with them, if anything."""
        work = partial(commit, entries=[one.entry for one in batch])
        while True:
            try:
                await self._database.write(work)
            except DatabaseUnavailable:
                await self._database.back()
            except Exception as error:
                if len(batch) == 1:
                    self._env.log.exception("a turn of %s could not be written", batch[0].entry.named.name)
                return error
            else:
                return None

    def _over(self, one: _Waiting, error: Exception | None) -> None:
        if self._newest.get(one.entry.named) is one.done:
            del self._newest[one.entry.named]
        if one.done.done():
            return
        if error is None:
            one.done.set_result(None)
        else:
            one.done.set_exception(error)
            one.done.exception()  # looked at: most of them nobody waits for
