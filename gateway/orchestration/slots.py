"""How many runs there may be at one time, and whose turn is next."""

import asyncio
from collections import OrderedDict, deque

from gateway.routing.patience import Patience
from gateway.seam import GatewayError, Unavailable


class SlotPatience(Patience):
    """How long a run waits for its turn."""

    def __init__(self, seconds: float, limit: str) -> None:
        super().__init__(seconds)
        self._limit = limit

    def reason(self) -> GatewayError:
        """Status 503."""
        return Unavailable(
            f"All runs that {self._limit} allows are under way, and none ended within {self.seconds:g} s. Try again.",
            code="orchestrator_busy",
            headers=[(b"retry-after", b"1")],
        )


class Slots:
    """At most `most` runs at one time. Whoever waits is let in by turns of callers, not by who asked most.

    `setting` names the limit in the configuration.
    """

    def __init__(self, most: int, setting: str) -> None:
        self.setting = setting
        self.free = most
        self._waiting: OrderedDict[str, deque[asyncio.Future[None]]] = OrderedDict()

    def __len__(self) -> int:
        """How many wait."""
        return sum(map(len, self._waiting.values()))

    def take(self) -> bool:
        """Take a slot, if one is free; it must be given back by `release`, once."""
        if self.free and not self._waiting:
            self.free -= 1
            return True
        return False

    async def turn(self, caller: str) -> None:
        """Wait for a slot: as `take`, once it is this caller's turn."""
        turn = asyncio.get_running_loop().create_future()
        self._waiting.setdefault(caller, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self.release()  # it had come at the same moment
            else:
                self._forget(caller, turn)
            raise

    def release(self) -> None:
        """A run is over: its slot is the next one's, of the caller whose turn it is."""
        while self._waiting:
            caller, turns = self._waiting.popitem(last=False)
            turn = turns.popleft()
            if turns:
                self._waiting[caller] = turns  # behind the others
            if not turn.done():  # else it was cancelled just now
                turn.set_result(None)
                return
        self.free += 1

    def _forget(self, caller: str, turn: asyncio.Future[None]) -> None:
        turns = self._waiting.get(caller)
        if turns is not None and turn in turns:
            turns.remove(turn)
            if not turns:
                del self._waiting[caller]
