"""Where in its files each part of a configuration stands."""

from collections.abc import Iterable
from typing import NamedTuple

from gateway.config.filled import Filled
from gateway.config.problems import Problem

Path = tuple[str | int, ...]
"""The names and list indices that lead to a value."""


class Mark(NamedTuple):
    """A file as the operator named it, a line and a column; both from 1, 0 where there is none."""

    file: str
    line: int = 0
    column: int = 0


def place_of(path: Path) -> str:
    """A path as it is shown: `models.fast.targets[0]`."""
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path).removeprefix(".")


class Positions:
    """The marks of a configuration's parts, by their places."""

    def __init__(self) -> None:
        self.files: list[str] = []
        """Every file that was read, prompts too, the first one first."""
        self.hidden: dict[str, Filled] = {}
        """Places whose values are not shown, and what variables made of them."""
        self.secrets: set[str] = set()
        """Texts that no problem may show."""
        self.lacking = False
        """Whether an included file could not be read, so that names may be lacking that stand in it."""
        self._marks: dict[str, Mark] = {}
        self._again: dict[str, Mark] = {}

    def add(self, place: str, mark: Mark) -> None:
        """Remember where something stands; what was there first stays."""
        if self._marks.setdefault(place, mark) is not mark:
            self._again.setdefault(place, mark)

    def take(self, place: str) -> Mark:
        """Where something stands, which is then forgotten: another file may have the same place."""
        mark = self.find(place)
        self._marks.pop(place, None)
        return mark

    def both(self, place: str) -> tuple[Mark, Mark]:
        """Where something stands that stands in two files."""
        first = self.find(place)
        return first, self._again.get(place, first)

    def move(self, place: str, mark: Mark) -> None:
        """Say that something comes from elsewhere."""
        self._marks[place] = mark

    def find(self, place: str) -> Mark:
        """Where something stands; what does not stand anywhere, stands where its nearest ancestor does."""
        while place:
            if (mark := self._marks.get(place)) is not None:
                return mark
            place = place[: max(place.rfind("."), place.rfind("["), 0)]
        return Mark(self.files[0] if self.files else "")

    def locate(self, problems: Iterable[Problem]) -> list[Problem]:
        """The problems with file and line, without secrets, in the order of the files."""
        located = [self._discreet(self.marked(problem)) for problem in problems]
        order = {file: number for number, file in enumerate(self.files)}
        return sorted(located, key=lambda problem: (order.get(problem.file, len(order)), problem.line, problem.column))

    def marked(self, problem: Problem) -> Problem:
        """The problem with its file and line."""
        return problem if problem.file else problem._replace(**self.find(problem.place)._asdict())

    def _discreet(self, problem: Problem) -> Problem:
        if problem.found and problem.place in self.hidden:
            problem = problem._replace(found=f"'…' from {self.hidden[problem.place].variable}")
        for secret in self.secrets:
            if secret in problem.message:
                problem = problem._replace(message=problem.message.replace(secret, "…"))
        return problem
