"""Expressions that hold or do not: `'refund' in input`."""

from collections.abc import Mapping
from typing import Any

from gateway.orchestration.program import Program, expression


class Condition(Program):
    """A compiled condition."""

    def holds(self, names: Mapping[str, Any]) -> bool:
        """Whether it holds for these names. Raises `TemplateError` where a name is not defined."""
        return bool(self.result(names, bool))


def compile_condition(source: str, place: str) -> Condition:
    """Compile a condition. Raises `ConfigError` with everything that may not stand in it."""
    return Condition(expression(source, place), place, "\n" in source)
