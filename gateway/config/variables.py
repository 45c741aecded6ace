"""`${VAR}` and `${VAR:-default}` in a configuration's texts, filled in from the environment."""

import re
from collections.abc import Mapping
from typing import Any

from gateway.config.filled import TOLD, Filled
from gateway.config.positions import Path, place_of
from gateway.config.problems import Problem
from gateway.config.words import shown

_USE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)(?:(:-)([^{}]*))?\}|(\$\{)")
_FORMS = "${NAME} or ${NAME:-default}"


class Variables:
    """Fills in variables; what is wrong is added to `problems`, and to `hidden` the places that variables fill."""

    def __init__(self, environment: Mapping[str, str], problems: list[Problem], hidden: dict[str, Filled]) -> None:
        self._environment = environment
        self._problems = problems
        self._hidden = hidden

    def fill(self, value: Any, path: Path = ()) -> Any:
        """A copy of the value with every text filled in. Names are left as they are."""
        if isinstance(value, dict):
            return {name: self.fill(item, (*path, name)) for name, item in value.items()}
        if isinstance(value, list):
            return [self.fill(item, (*path, number)) for number, item in enumerate(value)]
        return self._text(value, path) if isinstance(value, str) and "${" in value else value

    def _text(self, text: str, path: Path) -> Any:
        missing: list[str] = []
        names: list[str] = []
        from_file = True

        def fill(use: re.Match[str]) -> str:
            nonlocal from_file
            name, has_default, default, broken = use.groups()
            if broken:
                cure = "write $${ where ${ itself is meant"
                self._problems.append(Problem(place_of(path), "${ begins no variable", _FORMS, shown(text, path), cure))
            if name is None:
                return "${"
            names.append(name)
            if value := self._environment.get(name):
                from_file = False
                return value
            if not default and (not has_default or _switches(path)):
                missing.append(name)
            return default or ""

        filled = _USE.sub(fill, text)
        if not from_file:
            self._hidden[place_of(path)] = Filled(filled, names[0], text)
        if not missing:
            return Filled(filled, "" if from_file else names[0], text, shown=from_file) if names else filled
        if _switches(path):
            self._hidden[place_of(path)] = Filled("", missing[0], text)
            return None
        for name in missing:
            cure = f"set it, or write ${{{name}:-default}}"
            self._problems.append(Problem(place_of(path), f"the environment variable {name} is not set", cure=cure))
        return TOLD


def _switches(path: Path) -> bool:
    """Where a variable without a value switches a provider off instead of being an error."""
    return len(path) == 3 and path[0] == "providers" and path[2] == "api_key"
