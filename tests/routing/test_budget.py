from hypothesis import given
from hypothesis import strategies as st

from gateway.routing.budget import RESERVE, Allowance, RetryBudget

EVENTS = st.lists(st.tuples(st.floats(0, 3), st.integers(0, 60), st.integers(0, 60)), max_size=30)


@given(EVENTS, st.floats(0, 1))
def test_retries_stay_within_the_budget_and_none_within_it_is_refused(
    events: list[tuple[float, int, int]], share: float
) -> None:
    """Against a model that keeps every event with its second."""
    budget = RetryBudget(share)
    requests: list[int] = []
    retries: list[int] = []
    now = 50.0
    for wait, asked, again in events:
        now += wait
        second = int(now)
        for _ in range(asked):
            budget.earn(now)
        requests += [second] * asked
        for _ in range(again):
            recent = sum(1 for at in retries if at > second - 10)
            allowed = share * sum(1 for at in requests if at > second - 10) + RESERVE
            granted = budget.spend(now)
            assert granted == (recent + 1 <= allowed)
            if granted:
                retries.append(second)


def test_a_cold_start_has_a_hundred() -> None:
    budget = RetryBudget(0.2)
    assert [budget.spend(7.0) for _ in range(101)] == [True] * 100 + [False]
    assert not budget.spend(16.9)
    assert budget.spend(17.0)


def test_a_fifth_of_the_requests_may_be_tried_again() -> None:
    budget = RetryBudget(0.2)
    for _ in range(1000):
        budget.earn(7.0)
    assert sum(budget.spend(7.5) for _ in range(1000)) == 300


@given(st.lists(st.booleans(), max_size=300), st.sampled_from([0.01, 0.05, 0.25, 1.0]))
def test_an_allowance_is_never_more_than_its_share(steps: list[bool], share: float) -> None:
    allowance = Allowance(share)
    spent = 0
    for requests, wanted in enumerate(steps, 1):
        allowance.earn()
        if wanted and allowance.spend():
            spent += 1
        assert spent <= requests * share + 1e-6


def test_an_allowance_of_a_twentieth_lets_every_twentieth_pass() -> None:
    allowance = Allowance(0.05)
    granted = []
    for number in range(60):
        allowance.earn()
        if allowance.spend():
            granted.append(number)
    assert granted == [19, 39, 59]


def test_a_quiet_time_does_not_pay_for_a_burst() -> None:
    allowance = Allowance(1.0)
    for _ in range(1000):
        allowance.earn()
    assert sum(allowance.spend() for _ in range(1000)) == 10
