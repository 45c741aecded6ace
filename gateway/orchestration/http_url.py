"""The URL of an `http` step: its host stands in the file, its path and query are filled in, and stay what they are."""

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import quote, unquote, urljoin

from jinja2 import nodes

from gateway.config.hosts import Site
from gateway.config.problems import ConfigError, Problem
from gateway.config.words import shown
from gateway.orchestration.program import SANDBOX, Reader, parsed
from gateway.orchestration.template import Template
from gateway.seam import InvalidRequest
from gateway.upstream import Origin

Piece = str | Template
LONGEST = 8192
"""Characters of a path and query, and of a header's value: what servers take."""
_DECODED = 4
"""How often servers and those before them may decode a path."""
_BASE = re.compile(r"(https?)://([^/?#]*)", re.IGNORECASE)
_SIGNS = re.compile(r"(?:[A-Za-z0-9\-._~:/?@!$&'()*+,;=\[\]]|%[0-9A-Fa-f]{2})*")
_WHOLE = re.compile(r"(https?)://([^/?#]*)([^?#]*)(\?[^#]*)?(?:#.*)?", re.IGNORECASE)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_READABLE = "%:/?#[]@!$&'()*+,;=~"
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_EXAMPLE = "a URL such as https://api.example.com/orders/{{ id }}"


class Target(NamedTuple):
    """Where a request goes: `path` is the path with the query, as the request line has it."""

    origin: Origin
    path: str

    @property
    def site(self) -> Site:
        """What is connected to."""
        return Site(self.origin.scheme, self.origin.host, self.origin.port)

    def redirected(self, location: str) -> "Target":
        """Where a redirect leads (RFC 9110 section 10.2.2). Raises ValueError where it is no http or https URL."""
        if _CONTROL.search(location) or "\\" in location:
            raise ValueError("it holds signs that no URL has")
        there = quote(location, safe=_READABLE)
        if there.startswith("//"):
            there = f"{self.origin.scheme}:{there}"
        elif not _SCHEME.match(there):  # what has one stands for itself; others would read `http:///x` as a path
            there = urljoin(f"{self.origin.scheme}://{self.origin.host_header.decode()}{self.path}", there)
        found = _WHOLE.fullmatch(there)
        if found is None:
            raise ValueError("it is no http or https URL")
        path = (found[3] or "/") + (found[4] or "")
        if not _SIGNS.fullmatch(path) or len(path) > LONGEST:
            raise ValueError("its path is none")
        return Target(origin_of(found[1].lower(), found[2]), path)


class Url(Reader):
    """A URL with templates in its path and query."""

    def __init__(self, origin: Origin, pieces: Sequence[Piece]) -> None:
        """`pieces` are those of path and query."""
        super().__init__(frozenset().union(*(piece.reads for piece in pieces if not isinstance(piece, str))))
        self.origin = origin
        self._segments, self._query = _split(pieces)

    def target(self, names: Mapping[str, Any], query: str = "") -> Target:
        """Where it leads; `query` is added to its own, encoded.

        Raises `InvalidRequest` where a value would make another path of it.
        """
        path = "/" + "/".join([self._filled(segment, names) for segment in self._segments])
        parts = ["".join([_piece(piece, names) for piece in self._query]), query]
        asked = "&".join(filter(None, parts))
        whole = f"{path}?{asked}" if asked else path
        if len(whole) > LONGEST:
            raise refused(f"the path and query become longer than {LONGEST} characters")
        return Target(self.origin, whole)

    def climbs(self) -> bool:
        """Whether a part of the path that stands in the file leads out of those before it."""
        return any(_climbs(unquote(piece)) for piece, *more in self._segments if isinstance(piece, str) and not more)

    def _filled(self, segment: Sequence[Piece], names: Mapping[str, Any]) -> str:
        """What stands between two slashes."""
        if len(segment) == 1 and isinstance(segment[0], str):
            return segment[0]
        values = [unquote(piece) if isinstance(piece, str) else piece.render(names) for piece in segment]
        _check("".join(values))
        return "".join(
            [piece if isinstance(piece, str) else quoted(value) for piece, value in zip(segment, values, strict=True)]
        )


def quoted(value: str) -> str:
    """A value as it may stand in a URL: nothing in it ends its place. Raises `InvalidRequest`."""
    if len(value) > LONGEST:
        raise refused(f"a value is longer than {LONGEST} characters")
    try:
        return quote(value, safe="")
    except UnicodeEncodeError:
        raise refused("a value holds half a character") from None


def refused(what: str) -> InvalidRequest:
    """Why a request cannot be made of what the templates read."""
    return InvalidRequest(f"No request can be made: {what}.", code="http_value")


def origin_of(scheme: str, authority: str) -> Origin:
    """What stands before the path. Raises ValueError, saying what is wrong with it."""
    site = Site.parse(scheme, authority)
    host = f"[{site.host}]" if ":" in site.host else site.host
    return Origin.parse(f"{scheme}://{host}:{site.port}")


def compile_url(source: str, place: str) -> Url:
    """Compile a URL. Raises `ConfigError` with everything that may not stand in it."""
    source = source.strip()
    pieces = list(_pieces(parsed(source, place), source, place))
    first = pieces[0] if pieces else ""
    base = _BASE.match(first) if isinstance(first, str) else None
    if base is None:
        raise _wrong(place, "", _EXAMPLE, source, "write https:// and the host before everything else")
    assert isinstance(first, str)
    rest = first[base.end() :]
    if not rest and len(pieces) > 1:
        cure = "write the host out: a step for each, or a function"
        raise _wrong(place, "a template stands in the host", "a host that the file names", source, cure)
    try:
        origin = origin_of(base[1].lower(), base[2])
    except ValueError as error:
        raise _wrong(place, "", str(error).removeprefix("expected "), source) from None
    pieces[0] = rest
    for piece in pieces:
        if isinstance(piece, str):
            _check_literal(piece, source, place)
    url = Url(origin, pieces)
    if url.climbs():
        raise _wrong(place, "a part of the path is '.' or '..'", "the path that is meant", source, "write it out")
    return url


def _pieces(tree: nodes.Template, source: str, place: str) -> Iterator[Piece]:
    for output in tree.body:
        if not isinstance(output, nodes.Output):
            raise _wrong(place, "a tag stands in the URL", "{{ names }} only", source, "set it in a template before")
        for node in output.nodes:
            if isinstance(node, nodes.TemplateData):
                yield node.data
            else:
                alone = nodes.Template([nodes.Output([node], lineno=node.lineno)], lineno=1)
                alone.set_environment(SANDBOX)
                yield Template(alone, source, place)


def _check_literal(text: str, source: str, place: str) -> None:
    if "#" in text:
        raise _wrong(place, "what follows # is never sent", "a URL without #", source, "take it out, or write %23")
    if not _SIGNS.fullmatch(text):
        known = "letters, digits, and -._~:/?@!$&'()*+,;=[]%"
        raise _wrong(place, "it has signs that no URL has", known, source, "percent-encode them: a space is %20")


def _wrong(place: str, told: str, expected: str, source: str, cure: str = "") -> ConfigError:
    return ConfigError([Problem(place, told, expected, shown(source), cure)])


def _split(pieces: Sequence[Piece]) -> tuple[list[list[Piece]], list[Piece]]:
    """The segments of the path, each of pieces, and the pieces of the query."""
    segments: list[list[Piece]] = []
    query: list[Piece] = []
    in_query = False
    for piece in pieces:
        if in_query:
            query.append(piece)
        elif not isinstance(piece, str):
            segments[-1].append(piece)
        else:
            path, mark, asked = piece.partition("?")
            first, *others = path.split("/")
            if segments and first:
                segments[-1].append(first)
            segments += ([text] if text else [] for text in others)
            in_query = bool(mark)
            query += [asked] if asked else []
    return [segment or [""] for segment in segments or [[]]], query


def _piece(piece: Piece, names: Mapping[str, Any]) -> str:
    return piece if isinstance(piece, str) else quoted(piece.render(names))


def _check(segment: str) -> None:
    """Hold what stands between two slashes against what servers make another path of."""
    if not segment:
        raise refused("a part of the URL's path is empty")
    if _CONTROL.search(segment):
        raise refused("a part of the URL's path holds a line break (`trim` takes it off) or another control sign")
    if _climbs(segment):
        raise refused("a part of the URL's path is '.' or '..'")


def _climbs(text: str) -> bool:
    """Whether there is a step to another directory in it, for a server that decodes once more, or several times."""
    if len(text) > LONGEST:  # it is refused for that
        return False
    for _ in range(_DECODED):
        if any(part.strip() in (".", "..") for part in re.split(r"[/\\;]", text)):
            return True
        text = unquote(text)
    return False
