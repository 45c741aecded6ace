"""The files that a configuration consists of: `include:`, and prompts in files of their own."""

from collections.abc import Mapping
from os.path import realpath
from pathlib import Path
from typing import Any

from gateway.config.document import read_yaml
from gateway.config.filled import Filled
from gateway.config.positions import Positions, place_of
from gateway.config.problems import Problem
from gateway.config.variables import Variables
from gateway.config.words import shown

_LARGEST = 16 * 2**20
"""Bytes that a file may have: whoever names a device by mistake must not wait for ever."""
PROMPTS = frozenset({"prompt", "system", "template"})
"""Names whose text may stand in a file of its own."""


class Sources:
    """Reads files and puts them together. What is wrong is added to `problems`."""

    def __init__(self, environment: Mapping[str, str], problems: list[Problem], positions: Positions) -> None:
        self._variables = Variables(environment, problems, positions.hidden)
        self._problems = problems
        self._positions = positions
        # By their real paths, the names by which they were asked for.
        self._open: dict[str, str] = {}
        self._read: dict[str, str] = {}
        self.broken = False
        """Whether nothing can be made of the first file. An included one leaves `Positions.lacking`."""

    def file(self, path: str, at: Problem) -> dict[str, Any]:
        """What a file says, with what it includes. `at` is what is told where it cannot be read."""
        real = realpath(path) if "\0" not in path else path
        if real in self._open:
            chain = " → ".join([*self._open.values(), path])
            self._problems.append(at._replace(message="a file includes itself", found=chain, cure="take it out"))
            return {}
        if real in self._read:
            self._problems.append(at._replace(message=f"{path} is included twice", cure="take one out"))
            return {}
        self._open[real] = self._read[real] = path
        text = self._text(path, at)
        document = None if text is None else self._parsed(text, path)
        self.broken = document is None
        merged = {} if document is None else self.document(document, path)
        del self._open[real]
        return merged

    def document(self, given: Any, file: str) -> dict[str, Any]:
        """What a file's mapping says, filled in, with what it includes and the prompts that it names."""
        if not isinstance(given, dict):
            expected = "blocks by name, such as `server:`"
            self._problems.append(Problem("", "", expected, shown(given), file=file))
            self.broken = True
            return {}
        before = len(self._problems)
        document: dict[str, Any] = self._variables.fill(given)
        self._problems[before:] = map(self._positions.marked, self._problems[before:])
        included = document.pop("include", None)
        for kind in ("chains", "graphs", "tools"):
            if kind in document:
                document[kind] = self._prompts(document[kind], (kind,), file)
        for name, at in self._included(included):
            self._merge(document, self.file(str(Path(file).parent / name), at))
            self._positions.lacking |= self.broken
            self.broken = False
        return document

    def _included(self, included: Any) -> list[tuple[str, Problem]]:
        """Each file that `include:` names, and the problem that it may be."""
        listed = isinstance(included, list)
        found = []
        for number, name in enumerate(included if listed else [included] if included is not None else []):
            place = f"include[{number}]" if listed else "include"
            at = Problem(place, "", "", "", "", *self._positions.take(place))
            if isinstance(name, str) and name:
                found.append((name, at))
                continue
            self._positions.lacking = True
            if not (isinstance(name, Filled) and name.told):
                self._problems.append(at._replace(expected="a file, or a list of files", found=shown(name)))
        self._positions.take("include")
        return found

    def _merge(self, document: dict[str, Any], other: dict[str, Any]) -> None:
        """Add what another file says: blocks are put together, names stand once."""
        for block, value in other.items():
            mine = document.setdefault(block, value)
            if mine is value:
                continue
            if not (isinstance(mine, dict) and isinstance(value, dict)):
                self._twice(block)
                continue
            for name, item in value.items():
                if mine.setdefault(name, item) is not item:
                    self._twice(place_of((block, name)))

    def _twice(self, place: str) -> None:
        first, second = self._positions.both(place)
        message = f"stands in two files: here and in {second.file}:{second.line}"
        self._problems.append(Problem(place, message, "", "", "take one out", *first))

    def _prompts(self, value: Any, path: tuple[str | int, ...], file: str) -> Any:
        """The value with each `prompt: {file: …}` as that file's text, in which `${…}` is left alone."""
        if isinstance(value, list):
            return [self._prompts(item, (*path, number), file) for number, item in enumerate(value)]
        if not isinstance(value, dict):
            return value
        return {name: self._prompt(name, item, (*path, name), file) for name, item in value.items()}

    def _prompt(self, name: str, value: Any, path: tuple[str | int, ...], file: str) -> Any:
        if name not in PROMPTS or not isinstance(value, dict) or "file" not in value:
            return self._prompts(value, path, file)
        place = place_of((*path, "file"))
        mark = self._positions.find(place)
        named = value["file"]
        if not isinstance(named, str) or not named or len(value) > 1:
            self._problems.append(Problem(place_of(path), "", "text, or {file: PATH} alone", shown(value), "", *mark))
            return ""
        text = self._text(str(Path(file).parent / named), Problem(place, "", "", "", "", *mark))
        return text if text is not None else ""

    def _text(self, path: str, at: Problem) -> str | None:
        self._positions.files.append(path)
        try:
            with Path(path).open("rb") as file:
                data = file.read(_LARGEST + 1)
        except OSError as error:
            at = at._replace(message=f"{path if at.place else 'the file'} cannot be read: {error.strerror}")
            if isinstance(error, FileNotFoundError) and not at.place:
                at = at._replace(cure="`gateway init` writes one, --config names another")
            self._problems.append(at)
            return None
        except ValueError:  # a null character in its name
            self._problems.append(at._replace(message=f"{path!r} cannot be read: it is no name of a file"))
            return None
        if len(data) > _LARGEST:
            self._problems.append(at._replace(message=f"{path} is larger than 16 MiB"))
            return None
        try:
            return data.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            found, cure = f"byte 0x{data[error.start]:02X}", "save the file as UTF-8"
            self._problems.append(Problem("", "the file is not UTF-8", "", found, cure, path, line))
            return None

    def _parsed(self, text: str, path: str) -> Any:
        """What a file says: nothing where it is empty, None where that cannot be read."""
        before = len(self._problems)
        document = read_yaml(text, path, self._positions, self._problems)
        return {} if document is None and len(self._problems) == before else document
