import asyncio
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.balance import (
    STRATEGIES,
    Cheapest,
    LeastBusy,
    LeastLatency,
    Priority,
    RoundRobin,
    Strategy,
    Weighted,
)
from gateway.routing.route import Route
from gateway.testing import chat_call
from tests.routing.places import routes

CALL = chat_call()


def chosen(strategy: Strategy, among: Sequence[Route], times: int) -> list[str]:
    return [strategy.choose(CALL, among).target.provider for _ in range(times)]


def test_round_robin_takes_turns() -> None:
    found = chosen(RoundRobin(), routes(3), 9)
    assert Counter(found) == {"a": 3, "b": 3, "c": 3}
    assert found[:3] == found[3:6] == found[6:]


def test_weights_are_kept_and_spread_evenly() -> None:
    assert chosen(Weighted(), routes(3, [5, 1, 1]), 7) == ["a", "a", "b", "a", "c", "a", "a"]


@given(st.lists(st.integers(1, 20), min_size=1, max_size=6))
def test_each_has_its_weight_in_every_round(weights: list[int]) -> None:
    found = Counter(chosen(Weighted(), routes(len(weights), weights), sum(weights)))
    assert [found[chr(ord("a") + number)] for number in range(len(weights))] == weights


def test_a_canary_gets_its_share_whatever_the_weights_add_up_to() -> None:
    found = Counter(chosen(Weighted(), routes(2, [97, 3]), 1000))
    assert found["b"] == 30


def test_a_target_that_was_away_does_not_take_all_upon_its_return() -> None:
    strategy, both = Weighted(), routes(2)
    chosen(strategy, both, 10)
    chosen(strategy, both[:1], 1000)
    assert Counter(chosen(strategy, both, 10)) == {"a": 5, "b": 5}


def test_the_least_busy_for_its_weight() -> None:
    a, b, c = among = routes(3, [1, 4, 1])
    a.backend.in_flight, b.backend.in_flight, c.backend.in_flight = 3, 8, 9
    assert chosen(LeastBusy(), among, 3) == ["b", "b", "b"]
    b.backend.in_flight = 16
    assert chosen(LeastBusy(), among, 3) == ["a", "a", "a"]


def test_of_equally_busy_ones_each_has_its_turn() -> None:
    assert Counter(chosen(LeastBusy(), routes(4), 40)) == {"a": 10, "b": 10, "c": 10, "d": 10}


async def test_the_quicker_one_has_more() -> None:
    a, b, c = among = routes(3)
    a.backend.first_content, b.backend.first_content, c.backend.first_content = 0.1, 0.2, 0.9
    for one in among:
        one.backend.per_token, one.backend.measured = 0.001, asyncio.get_running_loop().time()
    found = Counter(chosen(LeastLatency(), among, 3000))
    assert found["a"] > found["b"] > 500
    assert found["c"] == 0  # always the slower one of two


async def test_time_a_token_counts_too_and_what_is_under_way() -> None:
    a, b = among = routes(2)
    a.backend.first_content, a.backend.per_token = 0.1, 0.05
    b.backend.first_content, b.backend.per_token = 1.0, 0.001
    a.backend.measured = b.backend.measured = asyncio.get_running_loop().time()
    assert set(chosen(LeastLatency(), among, 20)) == {"b"}
    b.backend.in_flight = 50
    assert set(chosen(LeastLatency(), among, 20)) == {"a"}


async def test_one_that_was_slow_is_asked_again_in_the_end() -> None:
    a, b = among = routes(2)
    now = asyncio.get_running_loop().time()
    a.backend.first_content, b.backend.first_content = 0.1, 1.0
    a.backend.measured, b.backend.measured = now, now - 60
    assert set(chosen(LeastLatency(), among, 20)) == {"a"}
    b.backend.measured = now - 80
    assert set(chosen(LeastLatency(), among, 20)) == {"b"}


async def test_a_target_without_figures_is_tried() -> None:
    a, _ = among = routes(2)
    a.backend.first_content, a.backend.measured = 0.001, asyncio.get_running_loop().time()
    assert set(chosen(LeastLatency(), among, 20)) == {"b"}
    assert chosen(LeastLatency(), among[:1], 1) == ["a"]


def test_the_first_in_the_file() -> None:
    among = routes(3)
    assert chosen(Priority(), among, 3) == ["a", "a", "a"]
    assert chosen(Priority(), among[1:], 1) == ["b"]


def test_the_cheapest_and_one_without_a_price_last() -> None:
    a, b, c = among = routes(3)
    b.price, c.price = 2.0, 1.5
    assert chosen(Cheapest(), among, 2) == ["c", "c"]
    assert chosen(Cheapest(), [a, b], 1) == ["b"]
    assert chosen(Cheapest(), [a], 1) == ["a"]


@pytest.mark.parametrize("name", STRATEGIES)
@given(data=st.data())
def test_every_strategy_chooses_among_those_that_it_is_given(name: str, data: st.DataObject) -> None:
    all_of_them, strategy = routes(4, [1, 2, 3, 4]), STRATEGIES[name]()
    drawn = data.draw(st.lists(st.lists(st.sampled_from(all_of_them), min_size=1, unique=True), max_size=20))

    async def choose() -> None:
        for among in drawn:
            one = strategy.choose(CALL, among)
            assert one in among
            one.backend.in_flight += 1

    asyncio.run(choose())
