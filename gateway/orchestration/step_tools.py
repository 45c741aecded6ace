"""What is wrong with the tools that a step names."""

import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from gateway.config.problems import ConfigError, Problem
from gateway.config.words import near
from gateway.orchestration.settings import CHOICES, Tool, Work
from gateway.orchestration.toolbox import arguments_of, tool_name

_ALONE = (("max_turns", 8), ("on_max_turns", "fail"))
_NAME = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def step_tool_problems(
    work: Work, place: str, tools: Collection[str], function: Callable[[str, str], Any]
) -> Iterator[Problem]:
    """Everything that is wrong with a step's `tools`, where the block has such `tools`."""
    if not work.tools:
        said = [name for name, usual in _ALONE if getattr(work, name) != usual]
        said += [f"params.{name}" for name in ("tool_choice", "parallel_tool_calls") if _says(work, name)]
        for name in said:
            yield Problem(f"{place}.{name}", "goes with `tools` only", "`tools` beside it", "none", "add `tools`")
        return
    owners: dict[str, int] = {}
    for number, named in enumerate(work.tools):
        at = f"{place}.tools[{number}]"
        name = tool_name(named)
        if named in tools:
            pass
        elif ":" in named:
            yield from name_problems(name, at)
            yield from signature_problems(Tool(function=named), at, function)
        else:
            expected = (
                ", ".join([*sorted(tools)[:8], "or a function"]) if tools else "a function such as shop:find_order"
            )
            yield Problem(at, "no such tool", expected, repr(named), near(named, tools) or "add it to tools")
        if name in owners:
            told = f"tools[{owners[name]}] is called {name!r} too"
            yield Problem(at, told, "a name of its own", repr(named), "give one another name under `tools:`")
        owners.setdefault(name, number)
    yield from _choice(work, place, list(owners))


def _says(work: Work, name: str) -> bool:
    return getattr(work.params, name) is not None


def _choice(work: Work, place: str, names: list[str]) -> Iterator[Problem]:
    choice = work.params.tool_choice
    if choice is not None and choice not in CHOICES and choice not in names:
        known = [*CHOICES, *names]
        expected = f"one of {', '.join(known)}"
        yield Problem(f"{place}.params.tool_choice", "no such tool", expected, repr(choice), near(choice, known))
    if "tools" in work.params.extra:
        yield Problem(f"{place}.params.extra.tools", "stands beside `tools`", "one of the two", "both", "take it out")


def name_problems(name: str, place: str) -> Iterator[Problem]:
    """A problem where providers would refuse the name of a tool."""
    if not _NAME.fullmatch(name):
        yield Problem(place, "", "a name of at most 64 letters, digits, _ and -", repr(name), "rename it")


def signature_problems(tool: Tool, place: str, function: Callable[[str, str], Any]) -> Iterator[Problem]:
    """What is wrong with a tool's function; it must say what a model has to give, where `parameters` do not."""
    assert tool.function is not None
    try:
        arguments_of(tool, function(tool.function, place))
    except ConfigError as error:
        yield from error.problems
    except TypeError as error:
        expected = "a function whose annotations say what a model has to give"
        yield Problem(place, str(error), expected, tool.function, "annotate it, or write `parameters`")
