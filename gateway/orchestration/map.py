"""A step done for each item of a list."""

from collections.abc import Mapping
from functools import partial
from typing import Any

from gateway.orchestration.group import Group
from gateway.orchestration.run import Run
from gateway.orchestration.work import Names, Value, Work
from gateway.seam import InvalidRequest, Reply


class Mapped:
    """Work for each item of a list, `max_concurrent` at one time; the outputs stand in the order of the items.

    `names` of the work hold the item under `name`. The first that fails ends the others.
    """

    def __init__(self, work: Work, items: Value, name: str, max_concurrent: int) -> None:
        self._work = work
        self._items = items
        self._name = name
        self._most = max_concurrent

    async def output(self, run: Run, names: Names) -> list[Any]:
        """All outputs. Raises `InvalidRequest` where there is no list."""
        items = self._items(names)
        if not isinstance(items, list | tuple):
            raise InvalidRequest(f"`map` needs a list, found {_kind(items)}: {str(items)[:40]!r}.", code="no_list")
        run.takes(items)
        results: list[Any] = [None] * len(items)
        async with Group(run.call.tasks, self._most) as group:
            for place, item in enumerate(items):
                group.add(place, partial(self._work.output, run, {**names, self._name: item}))
            async for done in group:
                results[done.key] = done.value()
        return results

    async def answer(self, run: Run, names: Names) -> Reply:
        """All outputs, as JSON."""
        return run.say(await self.output(run, names))


def _kind(value: Any) -> str:
    return {str: "text", int: "a number", float: "a number"}.get(
        type(value), "an object" if isinstance(value, Mapping) else "nothing" if value is None else "something else"
    )
