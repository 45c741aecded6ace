"""What is wrong with a configuration, told to a person."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from gateway.config.schema import Config


class Problem(NamedTuple):
    """One thing that is wrong: its place, and what; what was expected, what was found, and what to do.

    `place` is a path such as `models.fast.targets[0].weight`. `file`, `line` and `column` (both from 1; 0: not known)
    need not be given: `Positions.locate` fills them in from the place.
    """

    place: str
    message: str
    expected: str = ""
    found: str = ""
    cure: str = ""
    file: str = ""
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        expected = f"expected {self.expected}" if self.expected else ""
        found = f"found {self.found}" if self.found else ""
        told = "; ".join(part for part in (self.message, expected, found, self.cure) if part)
        return ": ".join(part for part in (where, self.place, told) if part)


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says why.

    `rest` is what is left of it without the parts that are wrong; whoever builds it can find what else is wrong.
    """

    def __init__(self, problems: Sequence[Problem], rest: "Config | None" = None) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)
        self.rest = rest
