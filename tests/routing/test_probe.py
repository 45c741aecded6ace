"""Asking targets on a schedule: what it says of them, and when it ends."""

import asyncio
import logging

import pytest

from gateway.config.routing import Probe
from gateway.routing.breaker import State
from gateway.routing.probe import Prober, Probes
from gateway.seam import Duration, Env, GatewayError, Provider, Tasks, Timeouts
from gateway.testing import chat_call
from tests.routing.places import Place, failure


class Vendor(Place):
    """A provider that can be asked for its models."""

    surfaces = ("chat",)
    models = ()

    def __init__(self, *script: Exception | None) -> None:
        super().__init__("p")
        self.listings = list(script)
        self.listed = 0
        self.thrice = asyncio.Event()

    async def probe(self, timeouts: Timeouts) -> None:
        self.listed += 1
        if self.listed == 3:
            self.thrice.set()
        step = self.listings.pop(0) if self.listings else None
        if step is not None:
            raise step


def prober(place: Place, kind: str = "token", **more: object) -> Prober:
    provider: Provider = place  # type: ignore[assignment]
    settings = Probe(kind=kind, **more)  # type: ignore[arg-type]
    return Prober(settings, place.route().backend, provider)


def tasks() -> Tasks:
    return Tasks(logging.getLogger("gateway"))


async def test_a_token_is_asked_for_through_the_attempt_ring() -> None:
    place = Place("p")
    one = prober(place)
    await one.once(tasks())
    (call,) = place.calls
    assert (call.origin, call.request.model, call.request.body["max_tokens"]) == ("probe", "m", 1)
    assert call.target is not None
    assert call.target.provider == "p"
    assert place.outcomes == ["ok"]
    assert one.last is not None
    assert one.last.well


@pytest.mark.parametrize(("status", "well"), [(400, True), (422, True), (401, False), (429, False), (503, False)])
async def test_who_refuses_the_question_is_there_all_the_same(status: int, well: bool) -> None:
    one = prober(Place("p", failure(status)))
    await one.once(tasks())
    assert one.last is not None
    assert one.last.well == well


async def test_a_token_ends_a_rest_and_a_list_does_not() -> None:
    for kind, state in (("token", State.CLOSED), ("models", State.OPEN)):
        one = prober(Vendor(), kind)
        one._backend.breaker.rest(0)
        await one.once(tasks())
        assert one._backend.breaker.state is state


async def test_lists_that_fail_put_a_target_to_rest() -> None:
    vendor = Vendor(*[failure(503)] * 5)
    one = prober(vendor, "models")
    for _ in range(5):
        await one.once(tasks())
    backend = one._backend
    assert backend.breaker.state is State.OPEN
    assert (backend.failures, backend.in_flight) == (5, 0)
    assert backend.failure is not None
    assert backend.failure.status == 503


async def test_a_list_that_stays_away_is_a_failure() -> None:
    class Mute(Vendor):
        async def probe(self, timeouts: Timeouts) -> None:
            await asyncio.get_running_loop().create_future()

    one = prober(Mute(), "models", timeout=Duration(0.01))
    await one.once(tasks())
    assert one.last is not None
    assert not one.last.well
    assert one._backend.failures == 1


async def test_a_probe_that_breaks_inside_is_logged_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    one = prober(Vendor(ZeroDivisionError()), "models")
    await one.once(tasks())
    assert "the probe of p/m failed inside the gateway" in caplog.text
    assert one.last is not None
    assert not one.last.well


async def test_they_run_until_they_are_stopped_and_leave_resting_targets_alone() -> None:
    env = Env(http=None, metrics=None)
    vendor, resting = Vendor(), Vendor()
    every = Duration(0.002)
    awake, asleep = prober(vendor, "models", every=every), prober(resting, "models", every=every)
    asleep._backend.breaker.rest(asyncio.get_running_loop().time() + 60)
    probes = Probes()
    probes.probers |= {"a": awake, "b": asleep}
    probes.start(env)
    async with asyncio.timeout(5):
        await vendor.thrice.wait()
    probes.stop()
    async with asyncio.timeout(5):
        await env.tasks.drain(5)
    assert resting.listed == 0


async def test_they_stop_in_the_middle_of_a_probe() -> None:
    env = Env(http=None, metrics=None)
    begun = asyncio.Event()

    class Mute(Vendor):
        async def probe(self, timeouts: Timeouts) -> None:
            begun.set()
            await asyncio.get_running_loop().create_future()

    probes = Probes()
    probes.probers["a"] = prober(Mute(), "models", every=Duration(0.001))
    probes.start(env)
    await begun.wait()
    probes.stop()
    async with asyncio.timeout(5):
        await env.tasks.drain(5)


async def test_a_calls_failure_and_a_probes_are_counted_together() -> None:
    place = Place("p", failure(503))
    one = prober(place)
    for _ in range(4):
        await one.once(tasks())
    route = place.route()
    route.backend = one._backend
    with pytest.raises(GatewayError):
        await route.ask(chat_call(), one._patience)
    assert one._backend.breaker.state is State.OPEN
