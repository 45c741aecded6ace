"""An answer on its way: the head is known, the body is read once, by whoever stands outermost."""

import asyncio
import warnings
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Protocol

from gateway.seam.call import Call, Ending, Outcome, run_endings
from gateway.seam.chunk import REPORTED, Batch, Chunk
from gateway.seam.errors import InvalidRequest, UpstreamError
from gateway.seam.estimates import BYTES_PER_TOKEN
from gateway.seam.rewrite import Rewriter
from gateway.wire.dialect import DIALECTS, TEXTLESS
from gateway.wire.parts import Key, Usage
from gateway.wire.said import SAID
from gateway.wire.verbatim import INVALID

if TYPE_CHECKING:
    from gateway.seam.protocols import Filter, TextFilter

EVENT_BYTES_PER_TOKEN = 190
"""What a token weighs in a stream of one event a token: for usage that nobody reported."""


class Head:
    """What is known before the first event: status, headers (names in lower case), and who serves."""

    __slots__ = ("headers", "model", "provider", "status")

    def __init__(
        self,
        status: int = 200,
        headers: Mapping[bytes, bytes] | None = None,
        *,
        model: str | None = None,
        provider: str | None = None,
    ) -> None:
        self.status = status
        self.headers = {} if headers is None else dict(headers)
        self.model = model
        self.provider = provider

    def copy(self) -> "Head":
        """A head of one's own: followers of one answer may each add to theirs."""
        return Head(self.status, self.headers, model=self.model, provider=self.provider)


class Source(Protocol):
    """Where a Reply's batches come from: an async iterator, with an `aclose` where it holds something open."""

    def __aiter__(self) -> AsyncIterator[Batch]:
        """Itself."""
        ...

    async def __anext__(self) -> Batch:
        """The next batch. Raises StopAsyncIteration at a clean end, `GatewayError` where the answer broke."""
        ...


class Given:
    """A source of what is there already, then of what `rest` still brings."""

    __slots__ = ("_batches", "_rest")

    def __init__(self, batches: Iterable[Batch], rest: "Source | None" = None) -> None:
        self._batches = list(batches)
        self._batches.reverse()
        self._rest = rest

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    @property
    def only(self) -> Batch | None:
        """The one batch that is there, where nothing else comes."""
        return self._batches[0] if len(self._batches) == 1 and self._rest is None else None

    async def __anext__(self) -> Batch:
        if self._batches:
            return self._batches.pop()
        if self._rest is None:
            raise StopAsyncIteration
        return await self._rest.__anext__()

    async def flow(self, push: "Push") -> bool:
        """Hand on what is there, then what `rest` brings (see `Reply.flow`)."""
        while self._batches:
            if not push(self._batches.pop()):
                return False
        return True if self._rest is None else await flow(self._rest, push)

    async def aclose(self) -> None:
        """Close what `rest` holds open."""
        if self._rest is not None:
            await close(self._rest)


class Reply:
    """One answer, whole or streamed: an async iterator of batches.

    Whoever takes a Reply reads it to its end or closes it. Layers add verbs on its way up (`tap`, `rewrite`, `pipe`,
    `on_end`); those run while the outermost reader reads, in the order in which they were added.
    """

    __slots__ = (
        "__weakref__",
        "_bytes",
        "_ended",
        "_ends",
        "_outcome",
        "_push",
        "_stages",
        "_usage",
        "call",
        "head",
        "inner",
        "source",
        "surface",
    )

    def __init__(
        self,
        call: Call,
        source: Source,
        head: Head | None = None,
        *,
        surface: str | None = None,
        inner: "Reply | None" = None,
        usage: Usage | None = None,
    ) -> None:
        self.call = call
        self.source = source
        self.head = Head() if head is None else head
        self.surface = call.request.surface if surface is None else surface
        self.inner = inner
        """The Reply that this one reads, where it is a source of a Reply: usage is inherited from it."""
        self._stages: list[tuple[Any, bool]] | None = None
        self._ends: list[Ending] | None = None
        self._ended = False
        self._outcome: Outcome | None = None
        self._usage = usage  # given where an answer is known to cost what it does not report
        self._bytes = 0
        self._push: Push  # while it flows

    @classmethod
    def of(cls, call: Call, chunk: Chunk, head: Head | None = None, *, usage: Usage | None = None) -> "Reply":
        """A whole answer that is there already; `usage` where it does not report its own."""
        return cls(call, Given((Batch.of((chunk,)),)), head, surface=chunk.codec.surface, usage=usage)

    @classmethod
    def saying(cls, call: Call, text: str) -> "Reply":
        """A whole answer of one text, in the call's dialect, that cost no tokens: for whoever answers by itself.

        Raises `InvalidRequest` where the dialect's answers are no texts (embeddings).
        """
        request = call.request
        if request.surface not in SAID:
            raise InvalidRequest(f"A call of {request.surface} has no answer that is a text.")
        codec, say = SAID[request.surface]
        return cls.of(call, Chunk(say(call.id, request.model, text), codec))

    # ---- verbs

    def tap(self, see: Callable[[Batch], Any]) -> "Reply":
        """Let `see` look at each batch; it cannot alter it."""
        return self._stage(see, changes=False)

    def pipe(self, events: "Filter") -> "Reply":
        """Pass each event through a filter of whole events."""
        return self._stage(events, changes=True)

    def rewrite(self, new: "Callable[[Key], TextFilter]") -> "Reply":
        """Pass each running text through a filter of its own: `new(key)` makes one for each choice, kind and index."""
        return self.pipe(Rewriter(new))

    def on_end(self, ending: Ending) -> "Reply":
        """Run `ending` exactly once when this stream is over: read, broken, closed, or dropped unread.

        Where it is over already, `ending` runs now, and is told the outcome without its error.
        """
        if self._outcome is not None:
            run_endings((ending,), self._outcome, self.call.tasks)
        elif self._ends is None:
            self._ends = [ending]
        else:
            self._ends.append(ending)
        return self

    # ---- reading

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        if self._ended:
            raise StopAsyncIteration
        try:
            while True:
                batch = self._seen(await self.source.__anext__())
                if batch is not None:
                    return batch
        except StopAsyncIteration:
            tail = None if self._ended else self._last()  # somebody may have closed it meanwhile
            if tail is None:
                raise
            return tail
        except BaseException as error:
            # A reader that is cancelled will not come back: its stream is over too.
            if not self._ended:
                await self._closed(error)
            raise

    async def flow(self, push: "Push") -> bool:
        """Read it into `push`, which is called with each batch as it comes, and must not block.

        Returns True at the end, and False as soon as `push` returned False: call again to go on. Raises what reading
        raises. A source that can (it has a `flow` of its own) calls straight from its socket's callback: no task is
        woken for each batch.
        """
        if self._ended:
            return True
        self._push = push
        try:
            ended = await flow(self.source, self._into())
        except BaseException as error:
            if not self._ended:
                await self._closed(error)
            raise
        finally:
            del self._push  # it may know this Reply
        if not ended:
            return False
        tail = None if self._ended else self._last()  # somebody may have closed it meanwhile
        if tail is not None:
            push(tail)
        return True

    async def whole(self) -> Chunk:
        """Read all of it, folded into one answer. Raises `UpstreamError` where its events do not fold."""
        batches: list[Batch] = []

        def keep(batch: Batch) -> bool:
            batches.append(batch)
            return True

        await self.flow(keep)
        return fold(batches, self.surface)

    async def aclose(self) -> None:
        """Be done with it, read or not: what it holds open is closed at once."""
        if not self._ended:
            await self._closed(None)

    @property
    def here(self) -> Batch | None:
        """The whole answer, where it is there already and no filter has still to see it; else None."""
        only = self.source.only if self._stages is None and isinstance(self.source, Given) else None
        return only if only is not None and only.whole else None

    @property
    def over(self) -> bool:
        """Whether it has been read to its end, broke off, or was closed: nothing more comes of it."""
        return self._ended

    def usage(self) -> tuple[Usage, bool]:
        """The tokens so far, and whether they are estimated."""
        if self._usage is not None:
            return self._usage, False
        if self.inner is not None:
            return self.inner.usage()
        request = self.call.request
        per_token = EVENT_BYTES_PER_TOKEN if request.stream else BYTES_PER_TOKEN
        output = 0 if self.surface in TEXTLESS else self._bytes // per_token
        return Usage(len(request.raw) // BYTES_PER_TOKEN, output), True

    # ---- inside

    def _stage(self, stage: Any, *, changes: bool) -> "Reply":
        if self._stages is None:
            self._stages = []
        self._stages.append((stage, changes))
        return self

    def _seen(self, batch: Batch) -> Batch | None:
        """A batch as it leaves: through all stages, and counted; None where nothing is left of it."""
        if self._stages is not None:
            left = self._through(batch, 0)
            if left is None:
                return None
            batch = left
        if self.inner is None:
            self._count(batch)
        return batch

    def _into(self) -> "Push":
        """What takes the source's batches: no more than what there is to do with each."""
        if self._stages is not None:
            return self._passed
        return self._push if self.inner is not None else self._counted

    def _passed(self, batch: Batch) -> bool:
        left = self._seen(batch)
        return left is None or self._push(left)

    def _counted(self, batch: Batch) -> bool:
        raw = batch.raw  # most tokens pass here: the look that `usage` begins with is taken without a call
        if raw.rfind(REPORTED) < 0:
            self._bytes += len(raw)
        else:
            self._count(batch)
        return self._push(batch)

    def _count(self, batch: Batch) -> None:
        self._bytes += len(batch.raw)
        usage = batch.usage
        if usage is not None:
            self._usage = usage if self._usage is None else self._usage.merge(usage)

    def _through(self, batch: Batch, start: int) -> Batch | None:
        """The batch as it leaves the stages from `start` on; None where nothing is left of it."""
        for stage, changes in self._stages[start:] if self._stages is not None else ():
            if not changes:
                stage(batch)
                continue
            out: list[Chunk] = []
            same = True
            for chunk in batch.chunks:
                now = stage.feed(chunk)
                same = same and len(now) == 1 and now[0] is chunk
                out += now
            if not out:
                return None
            if not same:
                batch = Batch.of(out)
        return batch

    def _last(self) -> Batch | None:
        """What filters still held, at a clean end."""
        self._ended = True
        try:
            tail = Batch.of(held) if self._stages is not None and (held := self._flush()) else None
            if tail is not None and self.inner is None:
                self._count(tail)
        except Exception as error:
            self._finish(Outcome.of(error, *self.usage()))
            raise
        self._finish(Outcome("ok", *self.usage()))
        return tail

    def _flush(self) -> list[Chunk]:
        tail: list[Chunk] = []
        for number, (stage, changes) in enumerate(self._stages or ()):
            if changes and (held := stage.end()):
                rest = self._through(Batch.of(held), number + 1)
                tail += rest.chunks if rest is not None else ()
        return tail

    async def _closed(self, error: BaseException | None) -> None:
        """Over before its end: the source is closed first, so that what is further in ends first."""
        self._ended = True
        if error is None and self.inner is None and (here := self.here) is not None:
            with suppress(UpstreamError):
                self._count(here)  # nobody wants it, and it has cost what it says
        try:
            await close(self.source)
        finally:
            usage, estimated = self.usage()
            self._finish(
                Outcome("cancelled", usage, estimated) if error is None else Outcome.of(error, usage, estimated)
            )

    def _finish(self, outcome: Outcome) -> None:
        self._outcome = outcome if outcome.error is None else outcome._replace(error=None)
        # Endings and stages may know this Reply, and an error's traceback does: kept here, they would keep it alive.
        ends, self._ends, self._stages = self._ends, None, None
        if ends is not None:
            run_endings(ends, outcome, self.call.tasks)

    def __del__(self) -> None:
        if self._ended:
            return
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            self._ended = True
            self._finish(Outcome("cancelled", *self.usage()))
        else:
            self.call.tasks.settle(self.aclose())
        # Last, since it raises where warnings are errors.
        warnings.warn(f"a Reply to {self.call.request.model!r} was dropped unread", ResourceWarning, 2)


Push = Callable[[Batch], bool]
"""Takes a batch; False where it wants no more for now."""


async def flow(source: Source, push: Push) -> bool:
    """Hand a source's batches to `push`, by its own `flow` where it has one (see `Reply.flow`)."""
    own = getattr(source, "flow", None)
    if own is not None:
        ended: bool = await own(push)
        return ended
    async for batch in source:
        if not push(batch):
            return False
    return True


async def close(source: Source) -> None:
    """Close what a source holds open, where it holds anything."""
    aclose = getattr(source, "aclose", None)
    if aclose is not None:
        await aclose()


def fold(batches: Sequence[Batch], surface: str) -> Chunk:
    """All batches of one answer as one whole answer. Raises `UpstreamError` where they do not fold."""
    chunks = [chunk for batch in batches for chunk in batch.chunks]
    if len(chunks) == 1 and chunks[0].whole:
        return chunks[0]
    dialect = DIALECTS[surface]
    sources = [source for chunk in chunks if (source := chunk.codec.source(chunk.raw))]
    if not sources:
        raise UpstreamError("The provider's answer is empty.")
    try:
        return Chunk(dialect.fold(sources), dialect.answer)
    except (*INVALID, ValueError) as error:
        raise UpstreamError(f"The provider's stream is no {surface} stream: {error}") from error


def unfold(chunk: Chunk) -> list[Chunk]:
    """A whole answer as the events of a stream, its end mark included. Raises `UpstreamError` where it is none."""
    dialect = DIALECTS[chunk.codec.surface]
    try:
        events = [Chunk(dialect.frame(source), dialect.event) for source in dialect.unfold(chunk.raw)]
    except (*INVALID, ValueError) as error:
        raise UpstreamError(f"The provider's answer is no {chunk.codec.surface} answer: {error}") from error
    if dialect.done:
        events.append(Chunk(dialect.done, dialect.event))
    return events
