"""Which names a template may read where it stands."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from gateway.config.problems import Problem
from gateway.config.words import near
from gateway.orchestration.reads import Read

BUILT_IN = ("input", "messages", "inputs", "params", "metadata", "visits")
"""Names that are always there; `visits` in graphs only."""
_OPEN = frozenset({"messages", "inputs", "params", "metadata", "visits"})


class Shape(NamedTuple):
    """What is known of a value: the fields that it has; None, that it may have any."""

    fields: frozenset[str] | None = None
    text: bool = False
    """Whether it is a text, which has none."""


TEXT = Shape(frozenset(), True)
ANYTHING = Shape()


class Names:
    """The names at one place: those that are there on every way to it, and those that are on some."""

    def __init__(
        self,
        sure: Iterable[str] = (),
        maybe: Iterable[str] = (),
        shapes: dict[str, Shape] | None = None,
        nodes: Iterable[str] | None = None,
        elsewhere: Iterable[str] = (),
        kept: Iterable[str] = (),
    ) -> None:
        """`nodes` are those of a graph, whose visits are counted; `elsewhere` are names that are made somewhere.

        `kept` are names that an earlier turn of the conversation may have left.
        """
        self.nodes = None if nodes is None else frozenset(nodes)
        own = BUILT_IN if nodes is not None else BUILT_IN[:-1]
        self.sure = {*own, *sure}
        self.kept = frozenset(kept)
        self.maybe = {*maybe, *self.kept} - self.sure
        self.elsewhere = frozenset(elsewhere)
        self.shapes = {"input": TEXT, **(shapes or {})}

    def with_name(self, name: str, shape: Shape = ANYTHING) -> "Names":
        """The same with one more."""
        shapes = {**self.shapes, name: shape}
        return Names({*self.sure, name}, self.maybe, shapes, self.nodes, self.elsewhere, self.kept)

    def problems(self, reads: Iterable[Read], place: str) -> Iterator[Problem]:
        """What is read at a place and is not there."""
        told = set()
        for read in sorted(reads):
            name = read.path[0]
            if name in self.sure or (name in self.maybe and read.optional):
                yield from self._field_problems(read, place)
            elif name not in told:
                told.add(name)
                yield self._unsure(name, place) if name in self.maybe else self._unknown(name, place)

    def _unsure(self, name: str, place: str) -> Problem:
        if name in self.kept:
            told = f"{name!r} is not there yet in a conversation's first turn"
            cure = f"write {{{{ {name} | default('…') }}}}"
            if self.nodes is not None:
                cure += f", or `state: {{{name}: {{default: …}}}}`"
            return Problem(place, told, "a name that is defined in every turn", repr(name), cure)
        return Problem(
            place,
            f"{name!r} is defined on some ways to here only",
            "a name that is defined on every way",
            repr(name),
            f"write {{{{ {name} | default('…') }}}}, or give what makes it a default",
        )

    def _unknown(self, name: str, place: str) -> Problem:
        known = sorted(self.sure | self.maybe)
        if name in self.elsewhere:
            told = f"{name!r} is not made on any way to here"
            return Problem(place, told, f"one of {', '.join(known)}", repr(name), "read it after what makes it")
        if name == "visits":
            cure = "only graphs count visits"
        else:
            cure = near(name, known) or f"what callers send is read as inputs.{name}"
        return Problem(place, "no such name here", f"one of {', '.join(known)}", repr(name), cure)

    def _field_problems(self, read: Read, place: str) -> Iterator[Problem]:
        name, *fields = read.path
        if not fields:
            return
        if name == "visits" and self.nodes is not None and fields[0] not in self.nodes:
            cure = near(fields[0], self.nodes) or "name a node"
            yield Problem(place, "no such node", f"one of {', '.join(sorted(self.nodes))}", repr(fields[0]), cure)
        shape = self.shapes.get(name, ANYTHING) if name not in _OPEN else ANYTHING
        if shape.text:
            cure = "read it without a field" if name == "input" else "give what makes it a response_format"
            yield Problem(place, f"{name!r} is text and has no field", "", repr(".".join(read.path)), cure)
        elif shape.fields is not None and fields[0] not in shape.fields:
            known = ", ".join(sorted(shape.fields))
            cure = near(fields[0], shape.fields) or "add it to its response_format"
            yield Problem(place, f"{name!r} has no such field", f"one of {known}", repr(fields[0]), cure)


def own_name(name: str, place: str) -> Iterator[Problem]:
    """A problem where a name would hide one of the gateway's own."""
    if name in BUILT_IN:
        yield Problem(place, f"{name!r} is one of the gateway's own names", "another name", repr(name), "rename it")


def spelling(name: str, place: str) -> Iterator[Problem]:
    """A problem where templates could not read a name."""
    if not (name.isidentifier() and name.isascii()):
        yield Problem(place, "", "a name of letters, digits and underscores", repr(name), "rename it")
