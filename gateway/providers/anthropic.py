"""Anthropic, and every server that speaks its messages (https://docs.claude.com/en/api/messages)."""

import re
from collections.abc import Sequence

import msgspec

from gateway.providers.events import Events
from gateway.providers.failures import check, kind_of, probe
from gateway.providers.request_head import header_lines, lowered, request_head
from gateway.seam import (
    Batch,
    Call,
    Chunk,
    Env,
    Given,
    Head,
    InvalidRequest,
    Reply,
    Request,
    Settings,
    Timeouts,
    Usage,
)
from gateway.translate.chat_thoughts import without_chat_thoughts
from gateway.translate.dropped import name
from gateway.upstream import Client, ClientSettings, Exchange, Origin, open_client
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT
from gateway.wire.sse import MESSAGE_STOP
from gateway.wire.token_count import TOKEN_COUNT_ANSWER
from gateway.wire.verbatim import INVALID, NULL, is_null

VERSION = "2023-06-01"
"""The `anthropic-version` of requests whose caller sends none."""
MAX_TOKENS = 4096
"""What every model takes."""


class AnthropicSettings(Settings):
    """One server that speaks Anthropic's messages."""

    api_key: str | None = None
    key_header: str = "x-api-key"
    """The header that holds the key alone; or `authorization` (as `Bearer KEY`), for OAuth tokens and some servers."""
    base_url: str = "https://api.anthropic.com"
    """With or without `/v1` at its end."""
    headers: dict[str, str] = {}
    """Further headers of every request to this server."""
    models: list[str] = []
    """Names that `/v1/models` lists as `provider/name`; the provider serves others too."""
    model: str | None = None
    """What serves requests that name no model."""
    max_tokens: int | None = None
    """Added where the call sets none: Anthropic's API demands one. Unset: the most that the model is known to take."""
    count_tokens: bool = True
    """Whether the server counts tokens; else the gateway estimates them."""
    http: ClientSettings = msgspec.field(default_factory=ClientSettings)

    def __post_init__(self) -> None:
        if self.max_tokens is not None and self.max_tokens < 1:
            raise ValueError(f"expected max_tokens of at least 1, found {self.max_tokens}")


# Where nearly every client puts it: before all arrays and objects, or after them. A quote inside of a text has a
# backslash before it, so that what looks like the member is one; only elsewhere must the body be read to know.
_LIMITED_EARLY = re.compile(rb'\s*{[^][{}]*"max_tokens"\s*:\s*[0-9]')
_LIMITED_LATE = re.compile(rb'"max_tokens"\s*:\s*[0-9][^][{}]*}\s*')


class _Limit(msgspec.Struct, gc=False):
    max_tokens: msgspec.Raw = NULL


_limit_of = msgspec.json.Decoder(_Limit).decode


class Anthropic:
    """A provider that passes a request's bytes on, but for the model's name and a `max_tokens` that is lacking."""

    Settings = AnthropicSettings

    def __init__(self, settings: AnthropicSettings) -> None:
        self.models: Sequence[str] = settings.models
        self.surfaces: Sequence[str] = ("messages", "count_tokens") if settings.count_tokens else ("messages",)
        self.address = settings.base_url
        self._origin = Origin.parse(settings.base_url)
        self.max_tokens = settings.max_tokens
        self._max_tokens = b"%d" % (settings.max_tokens or MAX_TOKENS)
        headers = lowered(settings.headers)
        self._version = header_lines({"anthropic-version": headers.pop("anthropic-version", VERSION)})
        below = f"{self._origin.path.removesuffix('/v1')}/v1/messages"
        self._head = self._prepared(below, settings, headers)
        self._count_head = self._prepared(f"{below}/count_tokens", settings, headers)
        self._client: Client = open_client(settings.http)

    async def start(self, env: Env) -> None:
        """Nothing to open: connections open with the first call."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def probe(self, timeouts: Timeouts) -> None:
        """Ask for the list of models, which costs nothing. Raises what a call would."""
        line, _, lines = self._head.partition(b"\r\n")
        path = line.split(b" ")[1].removesuffix(b"/messages")
        head = b"GET %s/models?limit=1 HTTP/1.1\r\n%s%s" % (path, lines, self._version)
        await probe(self._client, self._origin, head, timeouts)

    async def __call__(self, call: Call) -> Reply:
        """Ask the server, and return its answer as soon as its head is there."""
        request = call.request
        counted = request.surface == "count_tokens"
        lines = [self._count_head if counted else self._head]
        lines += [b"%s: %s\r\n" % header for header in request.headers]
        if not any(name == b"anthropic-version" for name, _ in request.headers):
            lines.append(self._version)
        body, head = self._body(request, counted)
        timeouts = call.target.timeouts if call.target is not None else Timeouts()
        exchange = await self._client.send(self._origin, b"".join(lines), body, timeouts)
        try:
            return await self._reply(call, exchange, head, counted)
        except BaseException:
            await exchange.aclose()
            raise

    async def _reply(self, call: Call, exchange: Exchange, head: Head, counted: bool) -> Reply:
        kind = kind_of(exchange)
        host = self._origin.host
        if exchange.status == 200 and kind.startswith(b"text/event-stream") and not counted:
            return Reply(call, Events(exchange, MESSAGES_EVENT, host, MESSAGE_STOP), head)
        body = await exchange.whole()
        check(host, exchange, kind, body, None if counted else "content")
        if counted:
            return Reply.of(call, Chunk(body, TOKEN_COUNT_ANSWER), head, usage=Usage())
        return Reply(call, Given((Batch(body, MESSAGES_ANSWER),)), head)

    def _body(self, request: Request, counted: bool) -> tuple[bytes, Head]:
        """The body with a `max_tokens` where an answer is wanted, and the head that names what it goes without."""
        raw = request.raw
        head = Head()
        members: dict[str, bytes] = {}
        if (cleared := without_chat_thoughts(raw)) is not None:
            members["messages"], paths = cleared
            name(head.headers, paths)
        if not counted and not _limited(raw):
            members["max_tokens"] = self._max_tokens
        return request.spliced(members) if members else raw, head

    def _prepared(self, path: str, settings: AnthropicSettings, more: dict[str, str]) -> bytes:
        return request_head(self._origin, path, api_key=settings.api_key, key_header=settings.key_header, headers=more)


def _limited(raw: bytes) -> bool:
    """Whether a body sets `max_tokens`."""
    if _LIMITED_EARLY.match(raw) or _LIMITED_LATE.fullmatch(raw, max(0, raw.rfind(b'"max_tokens"'))):
        return True
    try:
        return not is_null(_limit_of(raw).max_tokens)
    except INVALID as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error
