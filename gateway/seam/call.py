"""One call on its way: who asks, for what, how long it may take, and what happens when it is over."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Literal, NamedTuple, Protocol, TypeVar

from gateway.seam.env import Tasks
from gateway.seam.errors import GatewayError, InvalidRequest
from gateway.seam.request import Request
from gateway.seam.timeouts import Timeouts
from gateway.wire.parts import Usage

MAX_DEPTH = 16
"""How deep calls may nest: chains that call chains."""

_log = logging.getLogger("gateway")
T = TypeVar("T")


class Outcome(NamedTuple):
    """How a call ended, once it has.

    `refused` is a 4xx that the gateway or the provider gave, `filtered` an answer withheld, `cancelled` one that nobody
    wanted any more. `usage` is always there: as reported or, where `estimated`, counted from the bytes that passed.
    """

    kind: Literal["ok", "failed", "refused", "filtered", "cancelled"]
    usage: Usage
    estimated: bool = False
    error: BaseException | None = None

    @classmethod
    def of(cls, error: BaseException, usage: Usage, estimated: bool = False) -> "Outcome":
        """The outcome that an error means. A cancellation may carry its reason (`task.cancel(reason)`)."""
        if isinstance(error, asyncio.CancelledError) and error.args and isinstance(error.args[0], GatewayError):
            error = error.args[0]
        if isinstance(error, GatewayError):
            return cls("refused" if error.status < 500 else "failed", usage, estimated, error)
        return cls("failed" if isinstance(error, Exception) else "cancelled", usage, estimated, error)


Ending = Callable[[Outcome], Awaitable[Any] | None]


class Inbound(NamedTuple):
    """The client's own request, beside what may go on: kept in a call's state by the door (`call.get(Inbound)`)."""

    headers: Sequence[tuple[bytes, bytes]]
    """Names in lower case. Callers are not trusted: nothing here is true but what auth has proved."""
    client: str | None = None
    """The address of the connection's other end."""

    def header(self, name: bytes) -> bytes | None:
        """The first value of a header, or None."""
        for key, value in self.headers:
            if key == name:
                return value
        return None


class Conversation(NamedTuple):
    """Which conversation a client's request is of: kept in a node's call where the request names one."""

    owner: str
    """The key that it belongs to; empty where there are none. Two keys' conversations of one name are two."""
    name: str
    """1 to 128 of `A-Z a-z 0-9 . _ : @ ~ + = -`; in a chain or graph that another one runs, `/` and its name behind."""


class Early(NamedTuple):
    """Headers of the answer that are known before there is any, kept in the door's call by whoever answers it.

    A door sends them where it must begin a stream without its Reply.
    """

    headers: Sequence[tuple[bytes, bytes]]


class Caller(Protocol):
    """Who asks: a key."""

    name: str

    def may_use(self, model: str) -> bool:
        """Whether this key may ask for that name."""
        ...


class Target(NamedTuple):
    """Where one attempt goes: a provider, the model's name there, and how long it may take."""

    provider: str
    model: str
    timeouts: Timeouts


class Call:
    """A request with all that travels beside it.

    `origin` names the component that asks (`door` for clients); `target` is set in the attempt ring; `deadline` is a
    time of the loop's clock, or None; `span` is the current trace span, since a stream may end in another task.
    """

    __slots__ = (
        "_carried",
        "_ends",
        "_outcome",
        "_state",
        "caller",
        "deadline",
        "depth",
        "id",
        "origin",
        "request",
        "span",
        "target",
        "tasks",
    )

    def __init__(
        self,
        request: Request,
        tasks: Tasks,
        *,
        id: str = "",  # noqa: A002 (what the header calls it)
        caller: Caller | None = None,
        origin: str = "door",
        deadline: float | None = None,
        span: Any = None,
        target: Target | None = None,
        depth: int = 0,
    ) -> None:
        self.request = request
        self.tasks = tasks
        self.id = id
        self.caller = caller
        self.origin = origin
        self.deadline = deadline
        self.span = span
        self.target = target
        self.depth = depth
        self._state: dict[type, Any] | None = None
        self._carried: dict[type, Any] | None = None
        self._ends: list[Ending] | None = None
        self._outcome: Outcome | None = None

    def child(
        self,
        *,
        model: str | None = None,
        request: Request | None = None,
        origin: str | None = None,
        target: Target | None = None,
    ) -> "Call":
        """A call that this one makes: same caller, deadline and trace, fresh state but for what is carried, one deeper.

        It asks for the same, of `model` where that is given; or for `request`, which is then its own. Raises
        `InvalidRequest` where calls nest too deep.
        """
        if self.depth >= MAX_DEPTH:
            raise InvalidRequest(f"Calls nest more than {MAX_DEPTH} deep; does a chain call itself?", code="too_deep")
        call = Call(
            self.request.copy(model=model) if request is None else request,
            self.tasks,
            id=self.id,
            caller=self.caller,
            origin=self.origin if origin is None else origin,
            deadline=self.deadline,
            span=self.span,
            target=self.target if target is None else target,
            depth=self.depth + 1,
        )
        call._carried = self._carried
        return call

    def apart(self) -> "Call":
        """The same call once more, to be entered and ended apart from this one, with all that was put so far.

        Its Request is a copy. That is the call whose answer several share (`Shared`).
        """
        call = Call(
            self.request.copy(),
            self.tasks,
            id=self.id,
            caller=self.caller,
            origin=self.origin,
            deadline=self.deadline,
            span=self.span,
            target=self.target,
            depth=self.depth,
        )
        call._state = None if self._state is None else dict(self._state)
        call._carried = self._carried
        return call

    def put(self, thing: object) -> None:
        """Keep something for those further in, by its type."""
        if self._state is None:
            self._state = {}
        self._state[type(thing)] = thing

    def carry(self, thing: object) -> None:
        """Keep something, by its type, for those further in and for every call that is made for this one after that."""
        self._carried = {**(self._carried or {}), type(thing): thing}

    def get(self, kind: type[T]) -> T | None:
        """What was put of that type, else what is carried."""
        if self._state is not None and (found := self._state.get(kind)) is not None:
            return found  # type: ignore[no-any-return]  # by its type
        return None if self._carried is None else self._carried.get(kind)

    def on_end(self, ending: Ending) -> None:
        """Run `ending` exactly once when the call is over, also where no Reply ever came.

        It runs inline and must not block; what it returns to await is settled in the background. Where the call is
        over already it runs now, and is told the outcome without its error.
        """
        if self._outcome is not None:
            run_endings((ending,), self._outcome, self.tasks)
        elif self._ends is None:
            self._ends = [ending]
        else:
            self._ends.append(ending)

    @property
    def endings(self) -> list[Ending]:
        """What will run when the call is over, in the order in which it was added: for whoever watches others add."""
        if self._outcome is not None:
            return []
        if self._ends is None:
            self._ends = []
        return self._ends

    def end(self, outcome: Outcome) -> None:
        """The call is over. Whoever entered it (`seam.ring.owned`) says so; a second time does nothing."""
        if self._outcome is None:
            self._outcome = outcome if outcome.error is None else outcome._replace(error=None)
            # Endings know the call, and an error's traceback does: kept here, they would keep it alive.
            ends, self._ends = self._ends, None
            if ends is not None:
                ends.reverse()
                run_endings(ends, outcome, self.tasks)


def run_endings(endings: Any, outcome: Outcome, tasks: Tasks) -> None:
    """Run each ending; one that fails is logged and does not keep the next from running."""
    for ending in endings:
        try:
            rest = ending(outcome)
            if rest is not None:
                tasks.settle(rest)
        except Exception:
            _log.exception("an on_end of %r failed", ending)
