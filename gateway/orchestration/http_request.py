"""The request of an `http` step: filled in for a run, and what becomes of it on a redirect."""

from collections.abc import Iterator, Mapping
from typing import NamedTuple, Self
from urllib.parse import parse_qsl

from gateway import __version__
from gateway.orchestration.http_url import LONGEST, Target, Url, quoted, refused
from gateway.orchestration.run import text_of
from gateway.orchestration.work import Names, Render, Value
from gateway.upstream import check_header
from gateway.wire.verbatim import INVALID, encode

_OURS = {
    "user-agent": f"llm-orchestration-gateway/{__version__}",
    "accept": "application/json, */*;q=0.5",
    "accept-encoding": "gzip",
}
"""What is said of every request; a step's own headers win."""
_GUARDED = 6
"""Characters from which on a word of a header or query is taken out of what is told."""


class Sent(NamedTuple):
    """A request that is ready. `headers` are the step's own, by names in lower case."""

    method: str
    to: Target
    headers: Mapping[str, str]
    body: bytes = b""
    kind: str = ""
    """The content type of the body, where the headers say nothing else."""

    def head(self) -> bytes:
        """Request line and headers, as `Client.send` takes them. Raises `InvalidRequest`."""
        headers = {"host": self.to.origin.host_header.decode(), **_OURS}
        if self.body and self.kind:
            headers["content-type"] = self.kind
        lines = [f"{self.method} {self.to.path} HTTP/1.1\r\n".encode()]
        for name, value in (headers | dict(self.headers)).items():
            lines.append(_line(name, value))
        return b"".join(lines)

    def redirected(self, status: int, location: str) -> Self:
        """What a redirect makes of it (https://fetch.spec.whatwg.org/#http-redirect-fetch).

        Another host gets none of the step's headers, for they may be credentials. Raises ValueError where the location
        is none, or would give up TLS.
        """
        to = self.to.redirected(location)
        if to.site.scheme != "https" and self.to.site.scheme == "https":
            raise ValueError("it would give up TLS")
        sent = self._replace(to=to)
        if to.site != self.to.site:
            kind = self.headers.get("content-type", self.kind)
            sent = sent._replace(headers={}, kind=kind)
        if status == 303 or (status in (301, 302) and self.method == "POST"):
            headers = {name: value for name, value in sent.headers.items() if not name.startswith("content-")}
            sent = sent._replace(method="GET", headers=headers, body=b"")
        return sent

    def without_secrets(self, text: str) -> str:
        """The beginning of a text that came back, without what this request sent in its headers and query."""
        words = sorted(self._words(), key=len, reverse=True)
        for word in words:
            text = text.replace(word, "…")
        for word in words:  # of which the text may hold the beginning at its end
            ends = (length for length in range(len(word) - 1, 0, -1) if text.endswith(word[:length]))
            text = text[: len(text) - next(ends, 0)]
        return text

    def _words(self) -> Iterator[str]:
        asked = [value for _, value in parse_qsl(self.to.path.partition("?")[2])]
        for word in {word for value in (*self.headers.values(), *asked) for word in (value, *value.split())}:
            if len(word) >= _GUARDED:
                yield word
                yield quoted(word)


class Request:
    """A request with templates in it. `json` and `body` are what is sent, or neither."""

    def __init__(
        self,
        method: str,
        url: Url,
        headers: Mapping[str, Render],
        query: Mapping[str, Value],
        json: Value | None,
        body: Render | None,
    ) -> None:
        self.url = url
        self._method = method
        self._headers = {name.lower(): render for name, render in headers.items()}
        self._query = query
        self._json = json
        self._body = body

    def filled(self, names: Names) -> Sent:
        """The request for these names. Raises `TemplateError`, and `InvalidRequest` where a value cannot be sent."""
        pairs = [(name, text) for name, value in self._query.items() for text in _texts(value(names))]
        to = self.url.target(names, "&".join([f"{quoted(name)}={quoted(text)}" for name, text in pairs]))
        headers = {name: render(names) for name, render in self._headers.items()}
        try:
            if self._json is not None:
                return Sent(self._method, to, headers, encode(self._json(names)), "application/json")
            if self._body is not None:
                return Sent(self._method, to, headers, self._body(names).encode(), "text/plain; charset=utf-8")
        except INVALID:
            raise refused("what is to be sent holds half a character, or is nested too deeply") from None
        return Sent(self._method, to, headers)


def _texts(value: object) -> list[str]:
    """The texts of a query's value; None is left out."""
    items = value if isinstance(value, list | tuple) else [value]
    return [text_of(item) for item in items if item is not None]


def _line(name: str, value: str) -> bytes:
    """A header's line. Raises `InvalidRequest` where the value could break out of it."""
    if len(value) > LONGEST:
        raise refused(f"the value of header {name!r} becomes longer than {LONGEST} characters")
    try:
        line, text = name.encode(), value.strip().encode()
        check_header(line, text)
    except ValueError:  # and half a character
        told = f"the value of header {name!r} holds a line break or another sign that no header has"
        raise refused(told) from None
    return b"%b: %b\r\n" % (line, text)
