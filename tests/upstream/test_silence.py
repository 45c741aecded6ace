import asyncio

import pytest

from gateway.seam.errors import UpstreamTimeout
from gateway.upstream import silence
from gateway.upstream.silence import SilenceClock

START = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n"


async def stay(peer):
    await peer.request()
    await peer.gone()


async def test_the_first_byte_is_waited_for_so_long(client, upstream, ask, until):
    server = await upstream(stay)
    with pytest.raises(UpstreamTimeout, match=r"did not begin to answer in 0.02 s \(first_byte\)") as told:
        await ask(client(), server.origin, first_byte=0.02)
    assert told.value.status == 504
    await until(lambda: not server.open)


async def test_without_first_byte_idle_does_not_cut_the_wait(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await asyncio.sleep(0.08)
        await peer.send(START + b"0\r\n\r\n")

    server = await upstream(script)
    assert await (await ask(client(), server.origin, idle=0.02)).whole() == b""


@pytest.mark.parametrize("start", [b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 200"])
async def test_silence_in_mid_head_is_idle(start, client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(start)
        await peer.gone()

    server = await upstream(script)
    with pytest.raises(UpstreamTimeout, match=r"fell silent for 0.02 s in mid-answer \(idle\)"):
        await ask(client(), server.origin, first_byte=10, idle=0.02)
    await until(lambda: not server.open)


@pytest.mark.parametrize("first_byte", [{}, {"first_byte": 10}, {"first_byte": 0.03}])
async def test_silence_in_mid_answer_is_told_after_what_came(first_byte, client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(START + b"5\r\nhello\r\n")
        await peer.gone()

    server = await upstream(script)
    exchange = await ask(client(), server.origin, idle=0.03, **first_byte)
    await until(lambda: not server.open)  # it ends though nobody reads
    assert await exchange.read() == b"hello"
    with pytest.raises(UpstreamTimeout, match="idle"):
        await exchange.read()


async def test_any_byte_feeds_idle(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(START)
        for byte in b"5;extension\r\nhello\r\n0\r\n\r\n":
            await peer.send(bytes([byte]))
            await asyncio.sleep(0.012)

    server = await upstream(script)
    assert await (await ask(client(), server.origin, idle=0.25)).whole() == b"hello"


async def test_a_timer_of_an_earlier_request_does_no_harm(client, upstream, ask, until):
    async def script(peer):
        await peer.request()
        await peer.send(START + b"0\r\n\r\n")
        await peer.request()
        await asyncio.sleep(0.08)
        await peer.send(START + b"0\r\n\r\n")

    server, one = await upstream(script), client()
    await (await ask(one, server.origin, first_byte=0.04)).whole()
    await (await ask(one, server.origin, first_byte=5)).whole()
    assert len(server.peers) == 1


async def test_a_shorter_limit_than_the_timers_holds(client, upstream, ask):
    async def script(peer):
        await peer.request()
        await peer.send(START + b"0\r\n\r\n")
        await stay(peer)

    server, one = await upstream(script), client()
    await (await ask(one, server.origin, first_byte=60)).whole()
    with pytest.raises(UpstreamTimeout, match=r"0\.02 s"):
        await ask(one, server.origin, first_byte=0.02)
    assert len(server.peers) == 1


class FakeLoop:
    """A loop whose time the test moves."""

    def __init__(self):
        self.now = 1000.0
        self.timers = []

    def call_later(self, delay, callback):
        timer = FakeTimer(self.now + delay, callback)
        self.timers.append(timer)
        return timer

    def move(self, seconds):
        self.now += seconds
        due = [timer for timer in self.timers if timer.due <= self.now]
        self.timers = [timer for timer in self.timers if timer.due > self.now]
        for timer in due:
            if not timer.cancelled:
                timer.callback()


class FakeTimer:
    def __init__(self, due, callback):
        self.due, self.callback, self.cancelled = due, callback, False

    def cancel(self):
        self.cancelled = True


@pytest.fixture
def ticking(monkeypatch):
    """A loop, a clock on it, and what it called back."""
    loop, fired = FakeLoop(), []
    monkeypatch.setattr(silence, "monotonic", lambda: loop.now)
    clock = SilenceClock(loop, lambda: fired.append(loop.now))
    clock.heard = loop.now
    return loop, clock, fired


def test_who_is_heard_of_in_time_is_not_silent(ticking):
    loop, clock, fired = ticking
    clock.allow(10)
    for _ in range(5):
        loop.move(8)
        clock.heard = loop.now
    loop.move(9)
    assert not fired
    loop.move(1)
    assert len(fired) == 1


def test_a_timer_that_fires_early_enough_is_left_alone(ticking):
    loop, clock, fired = ticking
    clock.allow(10)
    for _ in range(5):
        clock.allowed = None  # an answer has ended
        loop.move(1)
        clock.heard = loop.now
        clock.allow(10)  # the next one
    assert len(loop.timers) == 1
    loop.move(9.5)
    assert not fired
    loop.move(0.5)
    assert fired


def test_a_shorter_limit_arms_a_timer_of_its_own(ticking):
    loop, clock, fired = ticking
    clock.allow(100)
    clock.allow(1)
    loop.move(1)
    assert fired


def test_a_stopped_clock_says_nothing(ticking):
    loop, clock, fired = ticking
    clock.allow(10)
    clock.stop()
    clock.stop()
    loop.move(20)
    assert not fired


def test_a_timer_without_a_limit_says_nothing_and_is_not_armed_again(ticking):
    loop, clock, fired = ticking
    clock.allow(10)
    clock.allowed = None
    loop.move(20)
    assert not fired
    assert not loop.timers


def test_a_silence_that_was_not_the_upstreams_begins_anew(ticking):
    loop, clock, fired = ticking
    clock._on_silence = lambda: (fired.append(loop.now), setattr(clock, "heard", loop.now))
    clock.allow(10)
    loop.move(10)
    loop.move(5)
    assert len(fired) == 1
    loop.move(5)
    assert len(fired) == 2
