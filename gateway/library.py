"""The gateway without HTTP: `await gateway.run(…)` in scripts, notebooks and tests."""

import json
from collections.abc import Awaitable, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Literal, Self, overload
from weakref import WeakSet

from gateway.api.ids import request_id
from gateway.routing.catalog import Catalog
from gateway.seam import (
    Batch,
    Call,
    Chunk,
    Env,
    GatewayError,
    InvalidRequest,
    ModelNotFound,
    Reply,
    Request,
    UpstreamError,
    Usage,
    fold,
)
from gateway.wire.verbatim import encode


class Answer:
    """What a model answered: `raw` is its JSON to the byte, `provider` and `model` served it.

    `run_id` names the run, of a chain or graph; it is empty of others.

    `usage` are its tokens: as reported or, where `estimated`, counted from the bytes that passed.
    """

    def __init__(self, chunk: Chunk, reply: Reply) -> None:
        head = reply.head
        self._chunk = chunk
        self.raw = chunk.raw
        self.usage, self.estimated = reply.usage()
        self.provider = head.provider or ""
        self.model = head.model or ""
        self.run_id = _run_of(reply)

    def __repr__(self) -> str:
        return f"Answer({self.text!r}, model={self.model!r}, provider={self.provider!r})"

    @property
    def text(self) -> str:
        """The text of the first choice; empty where it has none, as with tool calls."""
        return "".join(_texts(self._chunk))

    @property
    def json(self) -> Any:
        """What the text holds as JSON: a structured output. Raises `UpstreamError` where it is none."""
        try:
            return json.loads(self.text)
        except ValueError as error:
            raise UpstreamError(f"The model's text is no JSON: {error}") from error

    @property
    def document(self) -> Any:
        """The whole answer, decoded: tool calls, further choices and all that the provider adds."""
        return json.loads(self.raw)

    @property
    def finish(self) -> str | None:
        """Why it stopped, in the dialect's own word (`stop`, `length`, `tool_calls`)."""
        return self._chunk.finish


class Streamed:
    """An answer as it comes: an async iterator of text pieces, and an async context manager that closes it.

    It begins when it is awaited, entered or first read. `usage`, `provider` and `model` are those of `Answer`; `usage`
    is None until the end. Read to its end or left, it is closed; so it is when the gateway is left.
    """

    def __init__(self, begin: Callable[[], Awaitable[Reply]], told: Callable[[], AbstractContextManager[None]]) -> None:
        self._begin = begin
        self._told = told
        self._reply: Reply | None = None
        self._batches: list[Batch] = []
        self._pieces: Iterator[str] = iter(())
        self._over = False
        self._cut = False
        self._closed = False

    def __await__(self) -> Generator[Any, None, Self]:
        return self._opened().__await__()

    async def __aenter__(self) -> Self:
        return await self._opened()

    async def __aexit__(self, *_: object) -> None:
        await self.aclose()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> str:
        """The next piece of the first choice's text."""
        await self._opened()
        while (piece := next(self._pieces, None)) is None:
            if not await self._read():
                raise StopAsyncIteration
        return piece

    async def answer(self) -> Answer:
        """The whole answer, once all of it has come: what is still to come is read here."""
        reply = (await self._opened())._reply
        assert reply is not None
        while await self._read():
            pass
        if not self._over:
            raise GatewayError("The stream was closed, or broke off, before its end: it has no whole answer.")
        with self._told():
            return Answer(fold(self._batches, reply.surface), reply)

    @property
    def usage(self) -> Usage | None:
        """The tokens, once it is over."""
        return self._reply.usage()[0] if self._over and self._reply is not None else None

    @property
    def provider(self) -> str:
        """Who serves; empty before it has begun."""
        return (self._reply.head.provider if self._reply is not None else None) or ""

    @property
    def model(self) -> str:
        """By which model; empty before it has begun."""
        return (self._reply.head.model if self._reply is not None else None) or ""

    @property
    def run_id(self) -> str:
        """The run, of a chain or graph; empty before it has begun."""
        return "" if self._reply is None else _run_of(self._reply)

    async def aclose(self) -> None:
        """Be done with it: a provider that still sends is cut off."""
        if self._reply is not None and not self._over:
            self._cut = self._closed = True
            self._pieces = iter(())
            await self._reply.aclose()

    async def _opened(self) -> Self:
        if self._reply is None:
            self._reply = await self._begin()
        return self

    async def _read(self) -> bool:
        """Take the next batch; False where none will come."""
        if self._over or self._cut or self._reply is None:
            return False
        self._cut = True  # unless it goes well
        with self._told():
            batch = await anext(self._reply, None)
        if batch is None:
            self._over = not self._closed
            return False
        self._cut = self._closed
        self._batches.append(batch)
        self._pieces = iter([text for chunk in batch.chunks for text in _texts(chunk)])
        return True


class Run:
    """What `gateway.run` is: a call of a model, or of a chain, without HTTP and without a key."""

    def __init__(self, env: Env, catalog: Catalog, default_model: str | None, read: Callable[[bytes], Request]) -> None:
        """`read` makes a request of a body, and judges it, as the door for chat does."""
        self._env = env
        self._catalog = catalog
        self._default_model = default_model
        self._read = read
        self._streams: WeakSet[Streamed] = WeakSet()
        self._open = False

    @overload
    def __call__(
        self,
        model: str = "",
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        inputs: Mapping[str, Any] | None = None,
        stream: Literal[False] = False,
        **parameters: Any,
    ) -> Awaitable[Answer]: ...

    @overload
    def __call__(
        self,
        model: str = "",
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        inputs: Mapping[str, Any] | None = None,
        stream: Literal[True],
        **parameters: Any,
    ) -> Streamed: ...

    def __call__(
        self,
        model: str = "",
        *,
        messages: Sequence[Mapping[str, Any]] | None = None,
        inputs: Mapping[str, Any] | None = None,
        stream: bool = False,
        **parameters: Any,
    ) -> Awaitable[Answer] | Streamed:
        """Ask `model` (or what serves requests that name none), and await the `Answer`.

        `messages` are those of OpenAI's chat completions; `inputs` are a chain's or graph's; whatever else is given
        (`temperature`, `tools`, `response_format`) goes into the request as it is. With `stream=True` the answer is a
        `Streamed`. Raises `GatewayError`s, those that callers over HTTP see.
        """
        given = {"messages": [] if messages is None and inputs is not None else messages, "inputs": inputs}
        body = {"model": model or self._default_model} | given | parameters | {"stream": stream or None}
        body = {name: value for name, value in body.items() if value is not None}
        told = _Told(self._env, self._catalog, request_id())

        async def begin() -> Reply:
            if not self._open:
                raise RuntimeError("the gateway is not open: `async with Gateway.load(…) as gateway:`")
            with told():
                call = Call(self._request(body), self._env.tasks, id=told.call_id, origin="library")
                return await self._env.run(call)

        if not stream:
            return _whole(begin, told)
        streamed = Streamed(begin, told)
        self._streams.add(streamed)
        return streamed

    def _request(self, body: Mapping[str, Any]) -> Request:
        try:
            raw = encode(body)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise InvalidRequest(f"The request cannot be written as JSON: {error}.", code="invalid_json") from error
        request = self._read(raw)
        if not request.model:
            raise InvalidRequest("Name a model; no provider of the configuration has a default one.", param="model")
        return request

    def start(self) -> None:
        """The gateway is open."""
        self._open = True

    async def aclose(self) -> None:
        """The gateway is being left: streams that nobody has read to their end are closed."""
        self._open = False
        for streamed in list(self._streams):
            await streamed.aclose()


async def _whole(begin: Callable[[], Awaitable[Reply]], told: "_Told") -> Answer:
    reply = await begin()
    with told():
        return Answer(await reply.whole(), reply)


class _Told:
    """Errors as callers over HTTP see them: near names of models, and nothing of the gateway's own failures."""

    def __init__(self, env: Env, catalog: Catalog, call_id: str) -> None:
        self.call_id = call_id
        self._env = env
        self._catalog = catalog

    @contextmanager
    def __call__(self) -> Iterator[None]:
        try:
            yield
        except ModelNotFound as error:
            raise self._catalog.explain(error, None) from None
        except GatewayError:
            raise
        except Exception as error:
            self._env.log.exception("call %s failed inside the gateway", self.call_id)
            raise GatewayError(f"The gateway failed on this call; its log has more under {self.call_id}.") from error


def _run_of(reply: Reply) -> str:
    return reply.head.headers.get(b"x-gateway-run-id", b"").decode()


def _texts(chunk: Chunk) -> list[str]:
    return [part.text for part in chunk.parts() if part.kind == "text" and part.choice == 0]
