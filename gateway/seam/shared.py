"""One call, several followers: each reads the same answer from its start, at its own pace."""

import asyncio
from collections import deque
from collections.abc import AsyncIterator

from gateway.seam.call import Call, Outcome
from gateway.seam.chunk import Batch
from gateway.seam.errors import GatewayError, Unavailable
from gateway.seam.protocols import Handler
from gateway.seam.reply import Push, Reply
from gateway.seam.ring import owned
from gateway.wire.codec import Codec
from gateway.wire.parts import Usage

WEIGHT = 100
"""Bytes that a kept batch weighs beside its own."""


class Shared:
    """A call that runs in a task of its own, and what it has answered so far, as bytes.

    It runs while anybody wants it: it is cancelled at once when its last follower leaves, unless it is held. It is read
    no faster than its fastest follower reads; with nobody following and a hold, as fast as it comes. Of its answer
    `size` bytes are kept. An answer that outgrows them goes on for those who follow, but takes no new followers, and
    one who falls further behind than that is told so and let go.
    """

    def __init__(self, handler: Handler, call: Call, size: int) -> None:
        """Enter `handler` with `call`, which is this one's alone (`Call.apart`). Then `join` it, or `hold` it."""
        self.call = call
        self.limit = size
        self.size = 0
        """Bytes kept now."""
        self._kept: deque[tuple[bytes, Codec]] = deque()
        self._first = 0  # the place of the first batch that is kept
        self._full = False  # from then on the beginning is not kept
        self._reply: Reply | None = None
        self._over = False
        self._failed = False  # or given up
        self._held = False
        self._followers: dict[_Follower, None] = {}
        self._wanted: asyncio.Future[None] | None = None
        self._task: asyncio.Task[None] | None = call.tasks.spawn(self._run(handler))
        self._task.add_done_callback(self._cancelled)

    @property
    def joinable(self) -> bool:
        """Whether whoever comes now would get all of it: it has not failed, was not given up, and fits its buffer."""
        return not (self._full or self._failed)

    @property
    def over(self) -> bool:
        """Whether its answer is complete, or it failed, or was given up."""
        return self._over

    async def join(self, call: Call) -> Reply:
        """An answer to `call`, once the head is known. Raises what the call raised before its head.

        Only where it is `joinable`; the Reply is like any other, its head its own.
        """
        if not self.joinable:
            raise RuntimeError("a shared call was joined that cannot be joined any more")
        follower = _Follower(self)
        if not self._over:
            self._followers[follower] = None
        try:
            while (reply := self._reply) is None:
                await follower.arrival()
                follower.check()
        except BaseException:
            await follower.aclose()
            raise
        return Reply(call, follower, reply.head.copy(), surface=reply.surface, inner=reply)

    def hold(self) -> None:
        """Keep it going with nobody following."""
        self._held = True

    def release(self) -> None:
        """The hold is over: with nobody following, so is the call."""
        self._held = False
        self._give_up_unless_wanted()

    # ---- the call's side

    async def _run(self, handler: Handler) -> None:
        try:
            await self._answer(handler)
        except Exception as error:
            self._finish(error)
        else:
            self._finish(None)

    async def _answer(self, handler: Handler) -> None:
        reply = await owned(handler, self.call)
        try:
            self._reply = reply
            for follower in self._followers:
                follower.wake()
            while not self._failed:  # a handler may answer though it was cancelled
                await self._demand()
                if await reply.flow(self._push):
                    return
        finally:
            await reply.aclose()

    async def _demand(self) -> None:
        """Wait until somebody has read all that is there, and waits for more."""
        while not (self._failed or any(follower.waits for follower in self._followers) or self._runs_alone):
            self._wanted = asyncio.get_running_loop().create_future()
            await self._wanted

    def _push(self, batch: Batch) -> bool:
        """What the call brings: kept, and given to all who wait for it; False while nobody wants more."""
        self._kept.append((batch.raw, batch.codec))
        self.size += len(batch.raw) + WEIGHT
        self._full = self._full or self.size > self.limit
        more = self._runs_alone
        for follower in list(self._followers):
            more = follower.give(batch) or more
        if self._full:
            self._trim()
            self._give_up_unless_wanted()
        return more

    def _trim(self) -> None:
        """Nobody will join any more: keep what somebody has still to read, and no more of it than fits."""
        unread = min((follower.at for follower in self._followers), default=self._first + len(self._kept))
        while self._kept and (self._first < unread or (self.size > self.limit and len(self._kept) > 1)):
            self.size -= len(self._kept.popleft()[0]) + WEIGHT
            self._first += 1
        for follower in [follower for follower in self._followers if follower.at < self._first]:
            del self._followers[follower]
            follower.lose(_fell_behind(self.limit))

    def _finish(self, error: Exception | None) -> None:
        self._task, self._over, self._failed = None, True, self._failed or error is not None
        followers, self._followers = self._followers, {}
        for follower in followers:
            follower.end(None if error is None else _own(error))

    def _cancelled(self, _: object) -> None:
        """The task is over: cancelled, perhaps before it began, unless it said so itself."""
        if not self._over:
            self.call.end(Outcome("cancelled", Usage()))
            self._finish(Unavailable("The gateway gave this call up before its end; ask again."))

    # ---- the followers' side

    def want(self) -> None:
        """A follower has read all that is there, and waits for more."""
        if self._wanted is not None and not self._wanted.done():
            self._wanted.set_result(None)

    def read(self, at: int) -> Batch | None:
        """The batch at a place, counted from the start; None where it is still to come."""
        place = at - self._first
        return Batch(*self._kept[place]) if place < len(self._kept) else None

    async def leave(self, follower: "_Follower") -> None:
        """A follower leaves. The last one sees the call's end, so that what is further in ends first."""
        if follower in self._followers:
            del self._followers[follower]
            task = self._task
            self._give_up_unless_wanted()
            if self._failed and task is not None:
                await asyncio.wait((task,))

    @property
    def _runs_alone(self) -> bool:
        return self._held and not self._followers and not self._full

    def _give_up_unless_wanted(self) -> None:
        if self._runs_alone:
            self.want()
        elif not self._followers and self._task is not None:
            self._failed = True
            self._task.cancel()


class _Follower:
    """The source of one follower's Reply."""

    __slots__ = ("_error", "_over", "_refused", "_shared", "_sink", "_trouble", "_waiter", "at")

    def __init__(self, shared: Shared) -> None:
        self._shared: Shared | None = shared
        self.at = 0
        """The batch that it reads next, counted from the start."""
        self._over = shared.over
        self._error: Exception | None = None
        self._waiter: asyncio.Future[None] | None = None
        self._sink: Push | None = None
        self._refused = False
        self._trouble: BaseException | None = None

    @property
    def waits(self) -> bool:
        """Whether it has read all that is there, and waits for more."""
        return self._waiter is not None and not self._waiter.done()

    # ---- reading

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        while (batch := self._next()) is None:
            if self.check():
                raise StopAsyncIteration
            await self.arrival()
        return batch

    async def flow(self, push: Push) -> bool:
        """Hand on what is there; then be given each batch straight from where it came (see `Reply.flow`)."""
        while True:
            while (batch := self._next()) is not None:
                if not push(batch):
                    return False
            if self.check():
                return True
            self._sink, self._refused = push, False
            try:
                await self.arrival()
            finally:
                self._sink = None
            trouble, self._trouble = self._trouble, None
            if trouble is not None:
                raise trouble
            if self._refused:
                return False

    async def aclose(self) -> None:
        """Leave the others alone with it."""
        shared, self._shared = self._shared, None
        self._over = True
        if shared is not None:
            await shared.leave(self)

    def _next(self) -> Batch | None:
        batch = None if self._shared is None else self._shared.read(self.at)
        if batch is not None:
            self.at += 1
        return batch

    def check(self) -> bool:
        """Whether it is over. Raises the error that ended it."""
        error, self._error = self._error, None
        if error is not None:
            try:
                raise error
            finally:
                del error  # else it, its traceback and this frame keep each other alive
        return self._over

    async def arrival(self) -> None:
        """Wait until there is more, or nothing more will come."""
        self._waiter = asyncio.get_running_loop().create_future()
        if self._shared is not None:
            self._shared.want()
        try:
            await self._waiter
        finally:
            self._waiter = None

    # ---- being told

    def give(self, batch: Batch) -> bool:
        """The next batch has come; whether this follower wants more at once."""
        sink = self._sink
        if sink is None:
            self.wake()
            return False
        self.at += 1
        try:
            self._refused = not sink(batch)
        except BaseException as error:  # its reader's to handle, and nobody else's
            self._trouble, self._refused = error, True
        if self._refused:
            self._sink = None
            self.wake()
        return not self._refused

    def end(self, error: Exception | None) -> None:
        """Nothing more will come; `error` says why, where that is not the answer's end."""
        self._over, self._error = True, error
        self.wake()

    def lose(self, error: Exception) -> None:
        """What it would read next is there no more."""
        self._shared = None
        self.end(error)

    def wake(self) -> None:
        """Something has come."""
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)


def _own(error: Exception) -> Exception:
    """The error as one follower's own, who may add headers to it; what is no answer to clients stays as it is."""
    if not isinstance(error, GatewayError):
        return error
    own = type(error).__new__(type(error), *error.args)
    own.__dict__.update(error.__dict__)
    own.headers = list(error.headers)
    own.__cause__ = error
    return own


def _fell_behind(size: int) -> GatewayError:
    return Unavailable(
        f"This client shares its answer with others, and read it so slowly that it fell more than {size} bytes behind "
        "them; ask again.",
        code="fell_behind",
    )
