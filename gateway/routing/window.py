"""How many, of how many, in the last while."""

_SLOTS = 10


class Window:
    """Counts events, and those among them that are marked, over the last `seconds` of a clock that one gives.

    It moves on by tenths of its length, so that it looks back between nine and ten of them.
    """

    __slots__ = ("_all", "_marked", "_step", "_width", "all", "marked")

    def __init__(self, seconds: float) -> None:
        self._width = seconds / _SLOTS
        self._step = 0
        self._all = [0] * _SLOTS
        self._marked = [0] * _SLOTS
        self.all = 0
        """Events that are counted at present; see `move`."""
        self.marked = 0
        """Those among them that are marked."""

    def add(self, now: float, count: int = 1, marked: int = 0) -> None:
        """Count events at the time `now`, seconds that never fall."""
        self.move(now)
        slot = self._step % _SLOTS
        if count:
            self._all[slot] += count
            self.all += count
        if marked:
            self._marked[slot] += marked
            self.marked += marked

    def move(self, now: float) -> None:
        """Forget what is too long ago."""
        step = int(now / self._width)
        if step <= self._step:
            return
        for passed in range(max(self._step + 1, step - _SLOTS + 1), step + 1):
            slot = passed % _SLOTS
            self.all -= self._all[slot]
            self.marked -= self._marked[slot]
            self._all[slot] = self._marked[slot] = 0
        self._step = step

    def clear(self) -> None:
        """Forget all."""
        self._all = [0] * _SLOTS
        self._marked = [0] * _SLOTS
        self.all = self.marked = 0
