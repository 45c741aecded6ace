"""Chains, graphs and tools as they may be shown: as their file has them, without what variables brought."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeVar

import msgspec

from gateway.config.filled import Filled
from gateway.orchestration.settings import Chain, Graph, Http, Tool

Workflow = TypeVar("Workflow", bound=Chain | Graph | Tool)
HIDDEN = "…"
_NAMES = frozenset(("type", "name", "save", "as", "model", "chain", "graph", "function", "tools"))
_NAMES |= {"start", "from", "to", "on_error"}
"""Fields that name something: without them nobody could tell what leads where, and no secret is a name."""


def discreet(workflow: Workflow, place: str, variables: Mapping[str, Filled]) -> Workflow:
    """A copy in which texts that a variable filled in stand as the file has them; and without the values of headers.

    Names, numbers and durations stay. `variables` are such texts by place, as `Positions.hidden` has them.
    """
    shown: Workflow = _discreet(deepcopy(workflow), place, variables)
    return shown


def _discreet(value: Any, place: str, variables: Mapping[str, Filled]) -> Any:
    if isinstance(value, msgspec.Struct):
        for name, field in zip(value.__struct_encode_fields__, value.__struct_fields__, strict=True):
            if name not in _NAMES:
                setattr(value, field, _discreet(getattr(value, field), f"{place}.{name}", variables))
        if isinstance(value, Http):
            value.headers = dict.fromkeys(value.headers, HIDDEN)
    elif isinstance(value, dict):
        return {name: _discreet(item, f"{place}.{name}", variables) for name, item in value.items()}
    elif isinstance(value, list):
        return [_discreet(item, f"{place}[{number}]", variables) for number, item in enumerate(value)]
    elif isinstance(value, str) and place in variables:
        return variables[place].written
    return value
