"""Calls: what they carry, what they make, and how they end."""

import asyncio
import logging

import pytest

from gateway.seam import Call, Inbound, InvalidRequest, Outcome, Request, Target, Tasks, Timeouts, UpstreamError, Usage
from gateway.seam.call import MAX_DEPTH

RAW = b'{"model":"m","messages":[{"role":"user","content":"one"}]}'
OK = Outcome("ok", Usage(1, 2))


class Key:
    name = "dev"

    def may_use(self, model: str) -> bool:
        return True


def make_call() -> Call:
    return Call(
        Request("chat", RAW, model="m"),
        Tasks(logging.getLogger("test")),
        id="req_1",
        caller=Key(),
        deadline=5.0,
        span="span",
    )


def test_a_child_is_the_same_callers_call_one_deeper() -> None:
    call = make_call()
    call.put("thing")
    target = Target("mock", "echo", Timeouts())
    child = call.child(origin="chain", target=target)
    assert (child.id, child.caller, child.deadline, child.span, child.tasks) == (
        call.id,
        call.caller,
        call.deadline,
        call.span,
        call.tasks,
    )
    assert (child.depth, child.origin, child.target) == (1, "chain", target)
    assert (call.depth, call.origin, call.target) == (0, "door", None)
    assert child.get(str) is None
    grandchild = child.child()
    assert (grandchild.depth, grandchild.origin, grandchild.target) == (2, "chain", target)


def test_a_childs_request_is_a_copy() -> None:
    call = make_call()
    child = call.child()
    next(iter(child.request.texts())).text = "two"
    assert call.request.raw == RAW
    assert b"two" in child.request.raw
    assert call.child(model="x").request.model == "x"
    assert call.child(model="x").request.raw == RAW.replace(b'"m"', b'"x"')
    other = Request("chat", b"{}")
    assert call.child(request=other).request is other


def test_calls_nest_so_deep_and_no_deeper() -> None:
    call = make_call()
    for _ in range(MAX_DEPTH):
        call = call.child()
    with pytest.raises(InvalidRequest, match="deep") as caught:
        call.child()
    assert caught.value.code == "too_deep"


def test_state_is_kept_by_type() -> None:
    call = make_call()
    assert call.get(Inbound) is None
    call.put(Inbound([(b"a", b"1"), (b"a", b"2")]))
    inbound = call.get(Inbound)
    assert inbound is not None
    assert inbound.header(b"a") == b"1"
    assert inbound.header(b"b") is None
    call.put(Inbound([]))
    assert call.get(Inbound) == Inbound([])


def test_what_is_carried_goes_with_every_call_that_is_made_after_it() -> None:
    call = make_call()
    before = call.child()
    call.carry("outer")
    child = call.child()
    child.carry(7)
    assert (call.get(str), child.get(str), child.child().get(str), child.apart().get(int)) == (
        "outer",
        "outer",
        "outer",
        7,
    )
    assert (before.get(str), call.get(int)) == (None, None), "neither back nor out"
    child.put("inner")
    assert (child.get(str), child.child().get(str), call.get(str)) == ("inner", "outer", "outer")
    child.carry("other")
    assert (child.child().get(str), call.child().get(str)) == ("other", "outer")


def test_a_call_ends_once_further_in_first() -> None:
    call = make_call()
    seen: list[tuple[int, Outcome]] = []
    call.on_end(lambda outcome: seen.append((1, outcome)))
    call.on_end(lambda outcome: seen.append((2, outcome)))
    call.end(OK)
    call.end(Outcome("failed", Usage()))
    assert seen == [(2, OK), (1, OK)]


def test_an_ending_that_comes_late_is_told_at_once() -> None:
    call = make_call()
    error = UpstreamError("no")
    call.end(Outcome.of(error, Usage(1)))
    seen: list[Outcome] = []
    call.on_end(seen.append)
    assert seen == [Outcome("failed", Usage(1))]


def test_an_ending_that_raises_is_logged_and_the_others_run(caplog: pytest.LogCaptureFixture) -> None:
    call = make_call()
    seen: list[Outcome] = []

    def broken(_: Outcome) -> None:
        raise ValueError("an ending broke")

    call.on_end(seen.append)
    call.on_end(broken)
    call.on_end(seen.append)
    call.end(OK)
    assert seen == [OK, OK]
    assert "an ending broke" in caplog.text


async def test_what_an_ending_returns_to_await_settles_in_a_task() -> None:
    call = make_call()
    seen: list[str] = []

    async def settle(outcome: Outcome) -> None:
        seen.append(outcome.kind)

    call.on_end(settle)
    call.end(OK)
    assert seen == []
    await call.tasks.drain()
    assert seen == ["ok"]


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (InvalidRequest("no"), "refused"),
        (UpstreamError("no", status=429), "refused"),
        (UpstreamError("no"), "failed"),
        (ValueError("no"), "failed"),
        (asyncio.CancelledError(), "cancelled"),
        (asyncio.CancelledError("left"), "cancelled"),
        (KeyboardInterrupt(), "cancelled"),
    ],
)
def test_the_outcome_that_an_error_means(error: BaseException, kind: str) -> None:
    assert Outcome.of(error, Usage(1), True) == (kind, Usage(1), True, error)


def test_a_cancellation_may_carry_its_reason() -> None:
    reason = UpstreamError("late")
    assert Outcome.of(asyncio.CancelledError(reason), Usage()) == ("failed", Usage(), False, reason)
