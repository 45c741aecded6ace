"""OpenAI, and every server that speaks as it does (https://platform.openai.com/docs/api-reference)."""

from collections.abc import Awaitable, Sequence
from functools import partial
from typing import Literal, NamedTuple, get_args

import msgspec
from msgspec import Raw

from gateway.providers.embedding_batches import Part, ask_all, split
from gateway.providers.events import Events
from gateway.providers.failures import check, kind_of, probe
from gateway.providers.request_head import lowered, request_head
from gateway.seam import (
    Batch,
    Call,
    Env,
    Given,
    Head,
    InvalidRequest,
    Reply,
    Request,
    Settings,
    Timeouts,
)
from gateway.upstream import Client, ClientSettings, Exchange, Origin, open_client
from gateway.wire.dialect import DIALECTS, TEXTLESS, Dialect
from gateway.wire.verbatim import INVALID, NULL, Object, encode, is_null, open_object

Surface = Literal["chat", "completions", "embeddings", "moderations"]
_PATHS: dict[str, str] = {
    "chat": "chat/completions",
    "completions": "completions",
    "embeddings": "embeddings",
    "moderations": "moderations",
}
_MEMBERS = {"embeddings": "data", "moderations": "results"}
_MODERATION = "omni-moderation-latest"
"""What OpenAI itself takes where a moderation names no model."""
_ANSWER_HEADERS = frozenset({b"openai-processing-ms", b"openai-version"})
"""Headers of the upstream's answer that go on. Its rate limits are the gateway's, its cookies nobody's."""
_ASK_USAGE = b'{"include_usage":true}'


class OpenAISettings(Settings):
    """One OpenAI-compatible server."""

    api_key: str | None = None
    key_header: str = "authorization"
    """The header that holds the key: `authorization` (as `Bearer KEY`), or another that holds the key alone."""
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
    """Added where a call for text sets neither `max_tokens` nor `max_completion_tokens`."""
    surfaces: tuple[Surface, ...] = ("chat", "embeddings", "moderations")
    """What the server speaks; `completions`, the legacy one, only where it is named here."""
    moderation_model: str | None = None
    """What serves moderations that name no model; with OpenAI itself, unless said, its latest."""
    embedding_batch: int | None = 2048
    """How many inputs a request for embeddings may have (OpenAI's limit); more go up as several. null: any number."""
    embedding_base64: bool = True
    """Whether the server knows `encoding_format: base64`; else it is asked for numbers, which are encoded here."""
    stream_usage: bool = True
    """Whether streams are asked for their usage (`stream_options`); some servers refuse the field."""
    cache_control: bool = False
    """Whether the server takes Anthropic's `cache_control`; else a request of Anthropic's dialect goes without."""
    end_mark: bool = True
    """Whether streams end with `data: [DONE]`, so that one without it is cut; some servers send none."""
    http: ClientSettings = msgspec.field(default_factory=ClientSettings)

    def __post_init__(self) -> None:
        if not self.surfaces:
            raise ValueError(f"surfaces: expected at least one of {', '.join(get_args(Surface))}, found none")
        if self.embedding_batch is not None and self.embedding_batch < 1:
            raise ValueError(f"embedding_batch: expected 1 or more, or null, found {self.embedding_batch}")


class _Way(NamedTuple):
    """How one surface is spoken with a server."""

    head: bytes
    """The request's line and headers, the same for every call."""
    dialect: Dialect
    member: str
    """The array by which an answer is told from anything else."""
    streams: bool


class OpenAI:
    """A provider that passes a request's bytes on, but for the model's name and a stream's `stream_options`."""

    Settings = OpenAISettings

    def __init__(self, settings: OpenAISettings) -> None:
        self.models: Sequence[str] = settings.models
        self.surfaces: Sequence[str] = settings.surfaces
        self.cache_control = settings.cache_control
        self.address = settings.base_url
        self._settings = settings
        self._origin = Origin.parse(settings.base_url)
        self.moderation_model: str | None = settings.moderation_model
        if self.moderation_model is None and self._origin.host == "api.openai.com":
            self.moderation_model = _MODERATION
        self._ways: dict[str, _Way] = {surface: self._way(surface) for surface in self.surfaces}
        self._client: Client = open_client(settings.http)

    async def start(self, env: Env) -> None:
        """Nothing to open: connections open with the first call."""

    async def aclose(self) -> None:
        """Close all connections."""
        await self._client.aclose()

    async def probe(self, timeouts: Timeouts) -> None:
        """Ask for the list of models, which costs nothing. Raises what a call would."""
        way = next(iter(self._ways.values()))
        head = b"GET %s/models HTTP/1.1\r\n%s" % (self._origin.path.encode(), way.head.partition(b"\r\n")[2])
        await probe(self._client, self._origin, head, timeouts)

    async def __call__(self, call: Call) -> Reply:
        """Ask the server, and return its answer as soon as its head is there."""
        request = call.request
        way = self._ways.get(request.surface)
        if way is None:
            raise InvalidRequest(
                f"{request.model!r} does not serve {request.surface}: {self._origin.host} speaks "
                f"{', '.join(self.surfaces)}.",
                param="model",
                code="unsupported_surface",
            )
        if request.surface == "embeddings" and (parts := self._parts(request)):
            body = await ask_all(call, parts, partial(self._part, call, way), self._origin.host)
            return Reply(call, Given((Batch(body, way.dialect.answer),)))
        exchange = await self._sent(call, way, self._body(request))
        try:
            return await self._reply(call, way, exchange)
        except BaseException:
            await exchange.aclose()
            raise

    def _sent(self, call: Call, way: _Way, body: bytes) -> Awaitable[Exchange]:
        head = way.head
        if call.request.headers:
            head += b"".join([b"%s: %s\r\n" % header for header in call.request.headers])
        timeouts = call.target.timeouts if call.target is not None else Timeouts()
        return self._client.send(self._origin, head, body, timeouts)

    async def _reply(self, call: Call, way: _Way, exchange: Exchange) -> Reply:
        head = Head(200, {name: value for name, value in exchange.headers if name in _ANSWER_HEADERS})
        kind = kind_of(exchange)
        if exchange.status == 200 and way.streams and kind.startswith(b"text/event-stream"):
            marked = self._settings.end_mark
            return Reply(call, Events(exchange, way.dialect.event, self._origin.host, marked=marked), head)
        body = await exchange.whole()
        check(self._origin.host, exchange, kind, body, way.member)
        return Reply(call, Given((Batch(body, way.dialect.answer),)), head)

    def _parts(self, request: Request) -> list[Part]:
        limit = self._settings.embedding_batch
        return [] if limit is None else split(request.raw, limit)

    async def _part(self, call: Call, way: _Way, part: Part) -> bytes:
        request = call.request
        exchange = await self._sent(call, way, request.spliced({**self._form(request), "input": part.source}))
        try:
            body = await exchange.whole()
            check(self._origin.host, exchange, kind_of(exchange), body, way.member)
            return body
        finally:
            await exchange.aclose()

    def _form(self, request: Request) -> dict[str, bytes]:
        """What to set where this server does not know the form of embeddings that is asked for."""
        unknown = not self._settings.embedding_base64 and b'"base64"' in request.raw
        return {"encoding_format": b'"float"'} if unknown else {}

    def _body(self, request: Request) -> bytes:
        members: dict[str, bytes] = {}
        settings = self._settings
        if request.surface in TEXTLESS:
            members = self._form(request) if request.surface == "embeddings" else members
            return request.spliced(members) if members else request.raw
        if request.stream and settings.stream_usage and not request.wants_usage:
            members["stream_options"] = _asking(request)
        if settings.max_tokens is not None and not _limited(request):
            members["max_tokens"] = b"%d" % settings.max_tokens
        return request.spliced(members) if members else request.raw

    def _way(self, surface: str) -> _Way:
        settings = self._settings
        named = {"openai-organization": settings.organization, "openai-project": settings.project}
        head = request_head(
            self._origin,
            f"{self._origin.path}/{_PATHS[surface]}",
            api_key=settings.api_key,
            key_header=settings.key_header,
            headers={name: value for name, value in named.items() if value} | lowered(settings.headers),
        )
        member = _MEMBERS.get(surface, "choices")
        return _Way(head, DIALECTS[surface], member, surface not in TEXTLESS)


def _asking(request: Request) -> bytes:
    """`stream_options` that ask for usage, beside what the client set there."""
    options = _members(request).get("stream_options", NULL) if b'"stream_options"' in request.raw else NULL
    if bytes(memoryview(options)[:1]) != b"{":
        return _ASK_USAGE
    return encode({**_opened(options), "include_usage": True})


def _limited(request: Request) -> bool:
    if b"_tokens" not in request.raw:
        return False
    members = _members(request)
    return any(not is_null(members.get(name, NULL)) for name in ("max_tokens", "max_completion_tokens"))


def _members(request: Request) -> Object:
    """The body opened no further than its members: a number that nobody can hold is the server's to read."""
    return _opened(request.raw)


def _opened(source: bytes | Raw) -> Object:
    try:
        return open_object(source)
    except INVALID as error:
        raise InvalidRequest(f"The body is not valid JSON: {error}", code="invalid_json") from error
