"""OpenAI, and every server that speaks its chat completions (https://platform.openai.com/docs/api-reference/chat)."""

from collections.abc import Sequence
from typing import Any

import msgspec

from gateway import __version__
from gateway.providers.events import Events
from gateway.providers.failures import from_answer, from_success
from gateway.seam import (
    Batch,
    Call,
    Env,
    Given,
    Head,
    Reply,
    Request,
    Settings,
    Timeouts,
    UpstreamError,
)
from gateway.upstream import Client, ClientSettings, Exchange, Origin, check_header, open_client
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.verbatim import encode

_ANSWER_HEADERS = frozenset({b"openai-processing-ms", b"openai-version"})
"""Headers of the upstream's answer that go on. Its rate limits are the gateway's, its cookies nobody's."""
_ASK_USAGE = b'{"include_usage":true}'


class OpenAISettings(Settings):
    """One OpenAI-compatible server."""

    api_key: str | None = None
    base_url: str = "https://api.openai.com/v1"
    organization: str | None = None
    project: str | None = None
    headers: dict[str, str] = {}
    """Further headers of every request to this server."""
    models: list[str] = []
    """Names that `/v1/models` lists as `provider/name`; the provider serves others too."""
    model: str | None = None
    """What serves requests that name no model."""
    max_tokens: int | None = None
    """Added where the call sets neither `max_tokens` nor `max_completion_tokens`."""
    stream_usage: bool = True
    """Whether streams are asked for their usage (`stream_options`); some servers refuse the field."""
    http: ClientSettings = msgspec.field(default_factory=ClientSettings)


class OpenAI:
    """A provider that passes a chat request's bytes on, but for the model's name and a stream's `stream_options`."""

    Settings = OpenAISettings
    surfaces: Sequence[str] = ("chat",)

    def __init__(self, settings: OpenAISettings) -> None:
        self.models: Sequence[str] = settings.models
        self._settings = settings
        self._origin = Origin.parse(settings.base_url)
        self._head = self._prepared(settings)
        self._client: Client = open_client(settings.http)

    async def start(self, env: Env) -> None:
        """Nothing to open: connections open with the first call."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def __call__(self, call: Call) -> Reply:
        """Ask the server, and return its answer as soon as its head is there."""
        request = call.request
        head = self._head
        if request.headers:
            head += b"".join([b"%s: %s\r\n" % header for header in request.headers])
        timeouts = call.target.timeouts if call.target is not None else Timeouts()
        exchange = await self._client.send(self._origin, head, self._body(request), timeouts)
        try:
            return await self._reply(call, exchange)
        except BaseException:
            await exchange.aclose()
            raise

    async def _reply(self, call: Call, exchange: Exchange) -> Reply:
        kind = (exchange.header(b"content-type") or b"").lower()
        if exchange.status != 200:
            body = await exchange.whole()
            raise from_answer(self._origin.host, exchange.status, body, exchange.headers)
        head = Head(200, {name: value for name, value in exchange.headers if name in _ANSWER_HEADERS})
        if kind.startswith(b"text/event-stream"):
            return Reply(call, Events(exchange, CHAT_EVENT, self._origin.host), head)
        body = await exchange.whole()
        if not kind.startswith(b"application/json"):
            shown = kind.decode("latin-1") or "no content-type"
            raise UpstreamError(f"{self._origin.host} answered with {shown} where JSON was asked for.")
        if (error := from_success(self._origin.host, body, exchange.headers)) is not None:
            raise error
        return Reply(call, Given((Batch(body, CHAT_ANSWER),)), head)

    def _body(self, request: Request) -> bytes:
        members: dict[str, bytes] = {}
        settings = self._settings
        if request.stream and settings.stream_usage and not request.wants_usage:
            members["stream_options"] = _asking(request)
        if settings.max_tokens is not None and not _limited(request):
            members["max_tokens"] = b"%d" % settings.max_tokens
        return request.spliced(members) if members else request.raw

    def _prepared(self, settings: OpenAISettings) -> bytes:
        """The request's line and headers, the same for every call."""
        headers = {
            "host": self._origin.host_header.decode(),
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "user-agent": f"llm-orchestration-gateway/{__version__}",
        }
        if settings.api_key:
            headers["authorization"] = f"Bearer {settings.api_key}"
        if settings.organization:
            headers["openai-organization"] = settings.organization
        if settings.project:
            headers["openai-project"] = settings.project
        headers |= {name.lower(): value for name, value in settings.headers.items()}
        lines = [b"POST %s/chat/completions HTTP/1.1\r\n" % self._origin.path.encode()]
        for name, value in headers.items():
            check_header(name.encode(), value.encode())
            lines.append(b"%s: %s\r\n" % (name.encode(), value.encode()))
        return b"".join(lines)


def _asking(request: Request) -> bytes:
    """`stream_options` that ask for usage, beside what the client set there."""
    options: Any = request.body.get("stream_options") if b'"stream_options"' in request.raw else None
    return encode({**options, "include_usage": True}) if isinstance(options, dict) else _ASK_USAGE


def _limited(request: Request) -> bool:
    return b"_tokens" in request.raw and any(
        request.body.get(name) is not None for name in ("max_tokens", "max_completion_tokens")
    )
