"""One call's way through a plugin: its own time is bounded and measured, the time further in is not."""

import types
from collections.abc import AsyncIterator, Awaitable, Callable, Generator
from functools import partial
from time import perf_counter
from typing import TYPE_CHECKING, Any, TypeVar

from gateway.pipeline.handed import Handed
from gateway.routing.patience import Wait
from gateway.seam import Batch, Call, Ending, GatewayError, Handler, Middleware, Outcome, PluginFailed, Reply

if TYPE_CHECKING:
    from gateway.pipeline.plugin import Plugin

T = TypeVar("T")


class Misuse(Exception):
    """A plugin did what the contract does not allow. The text is ours, and clients may read it."""


class Turn:
    """A plugin's work on one call: from its start to its Reply, and while that is read."""

    def __init__(self, plugin: "Plugin", call: Call, call_next: Handler) -> None:
        self.plugin = plugin
        self.call = call
        self._call_next = call_next
        self._handed: list[Handed] = []  # what the plugin has to answer for
        self._over = False
        self._busy = False
        self._wait: _OwnTime | None = None  # while the plugin itself is at work
        self._foreign: BaseException | None = None  # what was raised further in meanwhile
        self._further_in = 0.0  # seconds of the present step that are not the plugin's
        self._endings = len(call.endings)  # how many of the call's endings are not the plugin's, or are under its name

    async def run(self, middleware: Middleware) -> Reply:
        """The plugin's answer."""
        handed = self._handed
        try:
            reply: object = await self.own(middleware(self.call, self._next))
            if not isinstance(reply, Reply):
                found = "nothing" if reply is None else f"a {type(reply).__name__}"
                raise self._misused(f"it returned {found} where a Reply is due; does it lack a return?")
            if reply.over:
                raise self._misused("it returned a Reply that it had read or closed; return Reply.of(call, chunk)")
        except BaseException:
            for one in handed:
                await one.aclose()
            raise
        finally:
            self._over, self._handed = True, []
            self._claim()
        if isinstance(reply, Handed) and any(reply is one for one in handed):
            reply.release()
            return reply
        return Reply(self.call, _Made(self, reply), reply.head, surface=reply.surface, inner=reply)

    async def own(self, awaitable: Awaitable[T], *, reads: bool = False) -> T:
        """Let the plugin work: its time is limited, its errors bear its name. Where it reads, it may come to an end."""
        wait = self._wait = _OwnTime(self)
        try:
            with wait:
                return await _stepped(awaitable, self._step)
        except GatewayError:
            raise
        except (Exception, SystemExit) as error:
            if error is self._foreign or (reads and isinstance(error, StopAsyncIteration)):
                raise
            raise self.plugin.failed(self.call, error) from error
        finally:
            self._wait = self._foreign = None

    async def inside(self, awaitable: Awaitable[T]) -> T:
        """Let what is further in work: neither its time nor its errors are the plugin's."""
        wait = self._wait
        if wait is None:
            return await awaitable
        wait.pause()
        try:
            return await _stepped(awaitable, self._step_inside)
        except BaseException as error:
            if wait is self._wait:
                self._foreign = error
            raise
        finally:
            if wait is self._wait:
                wait.resume()

    def called(self, function: Callable[..., T], *args: Any) -> T:
        """What a synchronous function of the plugin's returns, called under its name."""
        began = perf_counter()
        try:
            return function(*args)
        except GatewayError:
            raise
        except Exception as error:
            raise self.plugin.failed(self.call, error) from error
        finally:
            self.plugin.took(perf_counter() - began, self.call)

    def ended(self, ending: Ending, outcome: Outcome) -> Awaitable[Any] | None:
        """Run an ending of the plugin's: what it raises is logged, since nobody waits for it."""
        try:
            rest = self.called(ending, outcome)
        except GatewayError as error:
            self._unheard(error)
            return None
        return None if rest is None else self._settled(rest)

    def late(self) -> None:
        """The plugin's time is up."""
        plugin = self.plugin
        plugin.log.error(
            "the plugin %r took longer than %g s on %s", plugin.name, plugin.patience.seconds, self.call.id
        )

    def dropped(self) -> None:
        """A Reply is gone that the plugin neither returned nor read nor closed."""
        self.plugin.log.warning("the plugin %r dropped the Reply of call_next on %s", self.plugin.name, self.call.id)

    def _misused(self, how: str) -> PluginFailed:
        return self.plugin.failed(self.call, Misuse(how))

    async def _settled(self, rest: Awaitable[Any]) -> None:
        try:
            with _OwnTime(self):
                await rest
        except GatewayError as error:
            self._unheard(error)
        except Exception as error:
            self.plugin.failed(self.call, error)

    def _unheard(self, error: GatewayError) -> None:
        if not isinstance(error, PluginFailed):  # which has been logged
            self.plugin.failed(self.call, error)

    async def _next(self, call: object) -> Reply:
        """What the plugin gets as `call_next`."""
        if not isinstance(call, Call):
            raise Misuse(f"it called call_next with a {type(call).__name__} where the call is due")
        if self._over:
            raise Misuse("it called call_next after it had returned")
        if self._busy:
            raise Misuse("it called call_next while an earlier call_next was still under way; await one, then the next")
        self._busy = True
        self._claim()
        try:
            handed = Handed(self, await self.inside(self._call_next(call)))
        finally:
            self._busy = False
            self._endings = len(self.call.endings)
        if self._over:
            await handed.aclose()  # type: ignore[unreachable]  # the plugin may have returned meanwhile
            raise Misuse("it returned while its call_next was still under way")
        self._handed.append(handed)
        return handed

    def _claim(self) -> None:
        """What the plugin has added to the call's endings is called under its name."""
        endings = self.call.endings
        endings[self._endings :] = [partial(self.ended, ending) for ending in endings[self._endings :]]
        self._endings = len(endings)

    def _step(self, seconds: float) -> None:
        own, self._further_in = seconds - self._further_in, 0.0
        self.plugin.took(own, self.call)

    def _step_inside(self, seconds: float) -> None:
        if self._wait is not None:
            self._further_in += seconds


class _OwnTime(Wait):
    """The limit of a plugin's own time; the log is told where it is reached."""

    __slots__ = ("_turn",)

    def __init__(self, turn: Turn) -> None:
        super().__init__(turn.plugin.patience)
        self._turn = turn

    def expire(self, reason: GatewayError) -> None:
        self._turn.late()
        super().expire(reason)


class _Made:
    """The source of a Reply that the plugin made itself: to read it is to let the plugin work."""

    __slots__ = ("_reply", "_turn")

    def __init__(self, turn: Turn, reply: Reply) -> None:
        self._turn = turn
        self._reply = reply

    def __aiter__(self) -> AsyncIterator[Batch]:
        return self

    async def __anext__(self) -> Batch:
        try:
            return await self._turn.own(self._reply.__anext__(), reads=True)
        except BaseException:
            await self.aclose()
            raise

    async def aclose(self) -> None:
        reply = self._reply
        try:
            if not reply.over:
                await self._turn.own(reply.aclose())
        except PluginFailed:
            pass  # the log has it, and nobody reads on
        finally:
            # An async generator that is closed leaves what it was reading as it is.
            if reply.inner is not None:
                await reply.inner.aclose()


@types.coroutine
def _stepped(awaitable: Awaitable[T], took: Any) -> Generator[Any, Any, T]:
    """Await something, and tell for each step how long it kept the loop to itself."""
    steps: Any = awaitable.__await__()
    step, argument = steps.send, None
    while True:
        began = perf_counter()
        try:
            waited_for = step(argument)
        except StopIteration as stop:
            result: T = stop.value
            return result
        finally:
            took(perf_counter() - began)
        try:
            argument = yield waited_for
            step = steps.send
        except BaseException as error:
            step, argument = steps.throw, error
