"""What `/v1/runs` of a running gateway says, and what is told where it says nothing."""

from collections.abc import Iterator
from typing import Any, Self, TypeVar
from urllib.parse import quote

import httpx
import msgspec

from gateway.commands.runs.place import Place
from gateway.commands.runs.records import Event, Failure, Page, Run
from gateway.wire.sse import EventReader, payload

T = TypeVar("T")
_PAGE = 100
"""How many runs are asked for at one time."""
_PATIENCE = httpx.Timeout(30, connect=5)
_SILENCE = httpx.Timeout(60, connect=5)
"""A live stream is pinged: one that is silent for so long is lost."""


class Refused(Exception):
    """A person is told why something cannot be had, and what to do."""


class NotFound(Refused):
    """There is no such run, for this key."""


class Lost(Exception):
    """A connection broke, or an answer ended before its end."""


class _Error(msgspec.Struct):
    error: Failure


class Client:
    """A gateway's runs. A context manager."""

    def __init__(self, place: Place) -> None:
        self._place = place
        headers = {"authorization": f"Bearer {place.key}"} if place.key is not None else {}
        # No proxy stands between this machine and itself, whatever the environment says.
        self._http = httpx.Client(base_url=place.url, headers=headers, timeout=_PATIENCE, trust_env=not place.near)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def runs(self, limit: int, status: str | None = None, model: str | None = None) -> list[tuple[Run, bytes]]:
        """The newest runs, newest first, each with its JSON as it came. Raises `Refused`, `Lost`."""
        found: list[tuple[Run, bytes]] = []
        more = True
        while more and len(found) < limit:
            asked = {"limit": min(limit - len(found), _PAGE), "order": "desc", "status": status, "model": model}
            if found:
                asked["after"] = found[-1][0].id
            given = {name: value for name, value in asked.items() if value is not None}
            page = _decoded(self._asked("GET", "/v1/runs", params=given), Page)
            found += [(_decoded(bytes(source), Run), bytes(source)) for source in page.data]
            more = page.has_more and bool(page.data)
        return found

    def run(self, identifier: str) -> tuple[Run, bytes]:
        """A run with its events, and its JSON as it came. Raises `NotFound`, `Refused`, `Lost`."""
        body = self._asked("GET", _path(identifier), run=identifier)
        return _decoded(body, Run), body

    def cancel(self, identifier: str) -> Run:
        """Cancel a run. Raises `NotFound`, `Refused` where it has ended, `Lost`."""
        return _decoded(self._asked("POST", f"{_path(identifier)}/cancel", run=identifier), Run)

    def events(self, identifier: str, after: int = 0) -> Iterator[Event]:
        """The events after number `after`, as they come, to the run's end. Raises `NotFound`, `Refused`, `Lost`."""
        reader = EventReader()
        try:
            with self._http.stream(
                "GET", f"{_path(identifier)}/events", params={"after": after}, timeout=_SILENCE
            ) as answer:
                if answer.status_code != 200:
                    answer.read()
                    self._check(answer, identifier)
                # Bytes, not `iter_lines`: that breaks lines where JSON may hold them (U+2028).
                for data in answer.iter_bytes():
                    for text in filter(None, map(payload, reader.feed(data).split(b"\n\n"))):
                        if text == b"[DONE]":
                            return
                        yield _event(text)
        except httpx.ConnectError as error:
            raise self._nobody(error) from error
        except httpx.TransportError as error:
            raise Lost(_cause(error)) from error
        raise Lost("the stream ended before its end mark")

    def _asked(self, method: str, path: str, *, run: str = "", params: Any = None) -> bytes:
        try:
            answer = self._http.request(method, path, params=params)
        except httpx.ConnectError as error:
            raise self._nobody(error) from error
        except httpx.TransportError as error:
            raise Lost(_cause(error)) from error
        self._check(answer, run)
        return answer.content

    def _check(self, answer: httpx.Response, run: str) -> None:
        if answer.status_code == 200:
            return
        try:
            error = msgspec.json.decode(answer.content, type=_Error).error
        except (msgspec.MsgspecError, UnicodeDecodeError):
            error = Failure()
        url = self._place.url
        match answer.status_code:
            case 401 | 403:
                what = "refuses this key" if self._place.key is not None else "asks for a key"
                raise Refused(f"the gateway at {url} {what}; give one with --key or $GATEWAY_KEY")
            case 404 if run and error.code == "run_not_found":
                raise NotFound(
                    f"there is no run {run!r} at {url}: it is unknown, another key's, or kept no longer; "
                    "`gateway runs list` shows those of this key"
                )
            case 404:
                raise Refused(f"what answers at {url} knows no runs; is it a gateway, and a recent one?")
        raise Refused(error.message or f"{url} answered with status {answer.status_code}")

    def _nobody(self, error: httpx.ConnectError) -> Refused:
        url = self._place.url
        cure = f"start one with `gateway serve`, or name another with --url ({_cause(error)})"
        return Unreached(f"no gateway can be reached at {url}; {cure}")


class Unreached(Refused, Lost):
    """Nobody listens there; later, somebody may."""


def _path(identifier: str) -> str:
    return f"/v1/runs/{quote(identifier, safe='')}"


def _cause(error: Exception) -> str:
    return str(error) or type(error).__name__


def _event(text: bytes) -> Event:
    """An event of a stream. Raises `Lost` where it tells of an error that ends the stream."""
    if text.startswith(b'{"error"'):
        raise Lost(_decoded(text, _Error).error.message)
    return _decoded(text, Event)


def _decoded(body: bytes, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Refused(f"the answer is not what a gateway says of runs: {error}") from error
