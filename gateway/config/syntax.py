"""Why a text is no YAML, in words that lead to the cure."""

import re
from typing import Any

import yaml

from gateway.config.problems import Problem

_KNOWN: list[tuple[str, str, str]] = [
    # what PyYAML says, context before problem; what we say; what helps
    (r"found character '\\t'", "a tab stands where YAML wants spaces", "indent with spaces"),
    (r"found a tab character", "a tab stands where YAML wants spaces", "indent with spaces"),
    (r"found character '(.)' that cannot start", "no value may begin with {0}", "put the value in quotes"),
    (r"mapping values are not allowed", "a colon stands where no name can", "quote the value, or mend the indentation"),
    (r"sequence entries are not allowed", "a list cannot begin here", "begin it on a line of its own"),
    (r"quoted scalar found unexpected end", "a quote that begins here is not closed", "close it"),
    (r"unknown escape character '(.)'", "\\{0} is not known between double quotes", "write it in single quotes"),
    (r"flow \w+ expected ',' or '(.)', but got '\{'", "a comma or {0} is missing", "put ${{…}} in quotes"),
    (r"flow \w+ expected ',' or '(.)'", "a comma or {0} is missing after what begins in line {line}", "close it"),
    (r"flow node expected the node content", "a list or block is not closed", "close it"),
    (r"block \w+ expected <block end>", "this does not continue what begins in line {line}", "mend the indentation"),
    (r"could not find expected ':'", "a name without its colon", "write `name: value`"),
    (r"expected '<document start>'", "there is more after the end of the block", "take it out"),
]
_HERE = re.compile(r"quoted scalar found unexpected end|could not find expected ':'")
"""Where the beginning is the place to look at, not the end of the file."""


def unreadable(text: str, file: str, error: yaml.YAMLError) -> Problem:
    """The problem that a parser's error is; PyYAML's own parser tells more than libyaml does."""
    try:
        for _ in yaml.parse(text, yaml.SafeLoader):
            pass
    except yaml.YAMLError as better:
        error = better
    if not isinstance(error, yaml.MarkedYAMLError):
        return _control(text, file, error)
    said = f"{error.context or ''} {error.problem or ''}"
    mark: Any = error.problem_mark or error.context_mark
    begun: Any = error.context_mark or mark
    if _HERE.search(said):
        mark = begun
    message, cure = _translated(said, begun.line + 1 if begun else 0)
    line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
    return Problem("", f"not valid YAML: {message}", cure=cure, file=file, line=line, column=column)


def _translated(said: str, line: int) -> tuple[str, str]:
    for pattern, message, cure in _KNOWN:
        if found := re.search(pattern, said):
            return message.format(*found.groups(), line=line), cure.format()
    return said.strip(), ""


def _control(text: str, file: str, error: yaml.YAMLError) -> Problem:
    position = getattr(error, "position", 0)
    line = text.count("\n", 0, position) + 1
    character = f"the control character U+{ord(text[position]):04X}" if position < len(text) else "a control character"
    message = f"not valid YAML: {character} stands in the file"
    return Problem("", message, cure="take it out", file=file, line=line)
