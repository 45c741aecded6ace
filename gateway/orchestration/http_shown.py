"""Chains, graphs and tools as they may be shown: without what their `http` steps send to prove who they are."""

from collections.abc import Mapping
from copy import deepcopy
from typing import Any, TypeVar

from gateway.orchestration.settings import Chain, Graph, Http, Tool
from gateway.orchestration.wiring import works

Workflow = TypeVar("Workflow", bound=Chain | Graph | Tool)
HIDDEN = "…"


def discreet(workflow: Workflow, place: str, variables: Mapping[str, str]) -> Workflow:
    """A copy without the values of headers, and in requests without what variables filled in.

    `variables` are places and the variables that they come from, as `Positions.hidden` has them.
    """
    shown = deepcopy(workflow)
    for at, work in works(shown, place):
        if work.http is not None:
            work.http = _discreet(work.http, f"{at}.http", variables)
    return shown


def _discreet(http: Http, place: str, variables: Mapping[str, str]) -> Http:
    for name in ("url", "query", "json", "body"):
        setattr(http, name, _without(getattr(http, name), f"{place}.{name}", variables))
    http.headers = dict.fromkeys(http.headers, HIDDEN)
    return http


def _without(value: Any, place: str, variables: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _without(item, f"{place}.{name}", variables) for name, item in value.items()}
    if isinstance(value, list):
        return [_without(item, f"{place}[{number}]", variables) for number, item in enumerate(value)]
    return f"{HIDDEN} from {variables[place]}" if place in variables else value
