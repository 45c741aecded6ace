"""What is wrong with a configuration, told to a person."""

from collections.abc import Sequence
from typing import NamedTuple


class Problem(NamedTuple):
    """One thing that is wrong: where in the file, and what; what was expected, what was found, and what to do."""

    place: str
    message: str
    expected: str = ""
    found: str = ""
    cure: str = ""

    def __str__(self) -> str:
        return f"{self.place}: {self.message}" if self.place else self.message


class ConfigError(Exception):
    """The configuration cannot be used; `problems` says why."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("\n".join(map(str, problems)))
        self.problems = list(problems)
