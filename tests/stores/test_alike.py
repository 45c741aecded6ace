"""Memory and Redis behave alike, whatever is asked of them in whatever order."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry

from gateway.config.state import RedisSettings
from gateway.seam import Env, Hot
from gateway.stores.memory import Memory
from gateway.stores.redis import Redis
from tests.servers import RedisServer

KEYS = st.sampled_from(["a", "b", "a b", "ü{x}", ""])
VALUES = st.one_of(
    st.binary(max_size=8),
    st.sampled_from([b"0", b"7", b"-3", b"007", b"+1", b" 1", b"-0", b"1e3", b"1_0", b"", b"4503599627370496"]),
)
LIVES = st.sampled_from([0.001, 5, 10.0, 10.0004, 3600, 0, -1, float("nan"), 1e12])
STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("get"), KEYS),
        st.tuples(st.just("left"), KEYS),
        st.tuples(st.just("delete"), KEYS),
        st.tuples(st.just("set"), KEYS, VALUES, LIVES),
        st.tuples(st.just("add"), KEYS, st.integers(-(2**40), 2**40), LIVES),
        st.tuples(st.just("pass"), st.sampled_from([1.0, 6.0, 100.0])),
    ),
    max_size=30,
)


class Pair:
    """A store of each kind, on one loop; their clocks move together."""

    def __init__(self, server: RedisServer) -> None:
        self.server = server
        self.now = 0.0
        self.runner = asyncio.Runner()
        self.memory = Memory(clock=lambda: self.now)
        self.redis = Redis(RedisSettings(url=server.url, timeout=5))  # type: ignore[arg-type]
        self.runner.run(self.redis.start(Env(http=None, metrics=CollectorRegistry())))

    def forget(self) -> None:
        self.server.ask("FLUSHALL")
        self.memory.clear()

    def elapse(self, seconds: float) -> None:
        """Let time pass in both: keys of the server lose what they had to live, and expire."""
        self.now += seconds
        script = (
            "for _,k in ipairs(redis.call('KEYS','*')) do local l = redis.call('PTTL',k)"
            " if l <= tonumber(ARGV[1]) then redis.call('DEL',k) else redis.call('PEXPIRE',k,l-ARGV[1]) end end"
        )
        self.server.ask("EVAL", script, 0, int(seconds * 1000))

    def do(self, store: Hot, step: tuple[object, ...]) -> object:
        name, *rest = step
        try:
            answer = self.runner.run(getattr(store, str(name))(*rest))
        except ValueError as error:
            return type(error)
        return round(answer) if isinstance(answer, float) else answer


@pytest.fixture(scope="module")
def pair() -> Iterator[Pair]:
    with RedisServer() as server:
        pair = Pair(server)
        yield pair
        pair.runner.run(pair.redis.aclose())
        pair.runner.close()


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=STEPS)
def test_they_answer_alike(pair: Pair, steps: list[tuple[object, ...]]) -> None:
    pair.forget()
    for step in steps:
        if step[0] == "pass":
            pair.elapse(step[1])  # type: ignore[arg-type]
        elif step[0] in ("set", "add") and step[3] == 0.001:
            pair.do(pair.memory, step)
            pair.do(pair.redis, step)
            pair.elapse(1)
        else:
            assert pair.do(pair.memory, step) == pair.do(pair.redis, step), step
    assert pair.redis.state().up
