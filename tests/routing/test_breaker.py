"""The state machine, by hand and against a plain model of it."""

from dataclasses import dataclass, field

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from gateway.config.routing import Breaker as Settings
from gateway.config.routing import Share
from gateway.routing.breaker import Breaker, State
from gateway.seam import Duration

QUICK = Settings(
    failure_rate=Share(0.5),
    min_calls=6,
    consecutive=3,
    window=Duration(10),
    rest=Duration(5),
    max_rest=Duration(60),
    slow_start=Duration(20),
    slow=Duration(2),
)


def fail(breaker: Breaker, now: float, asked: float | None = None) -> None:
    breaker.failed(breaker.enter(now), now, asked)


def succeed(breaker: Breaker, now: float, seconds: float = 0) -> None:
    breaker.succeeded(breaker.enter(now), now, seconds)


def opened(now: float = 100.0) -> Breaker:
    breaker = Breaker(QUICK)
    for _ in range(3):
        fail(breaker, now)
    assert breaker.state is State.OPEN
    return breaker


def test_failures_in_a_row_open_it() -> None:
    breaker = Breaker(QUICK)
    fail(breaker, 100)
    fail(breaker, 100)
    succeed(breaker, 100)
    fail(breaker, 100)
    fail(breaker, 100)
    assert breaker.state is State.CLOSED
    assert breaker.available(100)
    fail(breaker, 100)
    assert breaker.state is State.OPEN
    assert breaker.until == 105
    assert not breaker.available(104.9)
    assert breaker.available(105)


def test_a_rate_opens_it_once_there_are_enough_calls() -> None:
    breaker = Breaker(QUICK)
    for at in (100, 101):
        fail(breaker, at)
        succeed(breaker, at)
    fail(breaker, 102)
    assert breaker.state is State.CLOSED  # three of five
    fail(breaker, 103)
    assert breaker.state is State.OPEN


def test_the_rate_itself_is_enough() -> None:
    breaker = Breaker(QUICK)
    states = []
    for at in (100, 101, 102):
        succeed(breaker, at)
        fail(breaker, at)
        states.append(breaker.state)
    assert states == [State.CLOSED, State.CLOSED, State.OPEN]


def test_what_is_too_long_ago_does_not_count() -> None:
    breaker = Breaker(QUICK)
    for _ in range(2):
        fail(breaker, 100)
        fail(breaker, 100)
        succeed(breaker, 100)
    fail(breaker, 120)
    assert breaker.state is State.CLOSED


def test_slow_answers_count_as_failures() -> None:
    breaker = Breaker(QUICK)
    for _ in range(3):
        succeed(breaker, 100, 2.1)
    assert breaker.state is State.OPEN


def test_an_answer_that_breaks_off_counts_once() -> None:
    breaker = Breaker(QUICK)
    for _ in range(6):
        ticket = breaker.enter(100)
        breaker.succeeded(ticket, 100)
        breaker.broke(ticket, 101)
    assert breaker.state is State.OPEN


def test_one_call_ends_a_rest() -> None:
    breaker = opened()
    ticket = breaker.enter(105)
    assert breaker.state is State.HALF_OPEN
    assert not breaker.available(1000)
    breaker.succeeded(ticket, 106)
    assert breaker.state is State.CLOSED


def test_a_target_that_fails_upon_its_return_rests_twice_as_long() -> None:
    breaker = opened()
    rests = []
    for _ in range(5):
        now = breaker.until
        fail(breaker, now)
        rests.append(breaker.until - now)
    assert rests == [10, 20, 40, 60, 60]


def test_a_trial_whose_caller_leaves_lets_the_next_one_try() -> None:
    breaker = opened()
    breaker.left(breaker.enter(105))
    assert breaker.state is State.OPEN
    assert breaker.available(105)
    succeed(breaker, 105)
    assert breaker.state is State.CLOSED


def test_what_was_sent_before_a_rest_says_nothing_after_it() -> None:
    breaker = Breaker(QUICK)
    old = breaker.enter(100)
    for _ in range(3):
        fail(breaker, 100)
    breaker.succeeded(old, 101)
    assert breaker.state is State.OPEN
    breaker.failed(old, 101)
    assert breaker.until == 105
    breaker.broke(old, 101)
    breaker.left(old)
    assert breaker.state is State.OPEN


def test_a_call_during_a_rest_can_end_it_and_cannot_make_it_longer() -> None:
    breaker = opened()
    for now in (101, 102, 103):
        ticket = breaker.enter(now)
        assert breaker.state is State.OPEN
        breaker.failed(ticket, now)
    assert breaker.until == 105
    breaker.left(breaker.enter(103))
    late = breaker.enter(104)
    trial = breaker.enter(105)
    breaker.failed(late, 106)
    assert breaker.state is State.HALF_OPEN
    breaker.failed(trial, 106)
    assert breaker.until == 116
    breaker.succeeded(breaker.enter(107), 107)
    assert breaker.state is State.CLOSED


def test_a_target_rests_for_as_long_as_it_asks_within_bounds() -> None:
    breaker = Breaker(QUICK)
    late = breaker.enter(100)
    fail(breaker, 100, 12)
    assert breaker.until == 112
    breaker.failed(late, 101, 30)
    assert breaker.until == 131
    fail(breaker, 140, 86400)
    assert breaker.until == 200


def test_it_comes_back_slowly() -> None:
    breaker = opened()
    succeed(breaker, 105)
    assert not breaker.steady
    assert [breaker.share(now) for now in (105, 106, 110, 115, 124)] == [0.1, 0.1, 0.25, 0.5, 0.95]
    assert breaker.share(125) == 1
    assert breaker.steady


def test_changes_are_told_and_others_are_taken_over_in_silence() -> None:
    told: list[tuple[State, float]] = []
    breaker = Breaker(QUICK, lambda state, until: told.append((state, until)))
    for _ in range(3):
        fail(breaker, 100)
    succeed(breaker, 105)
    assert told == [(State.OPEN, 105), (State.HALF_OPEN, 0), (State.CLOSED, 0)]
    breaker.rest(120)
    assert not breaker.available(119)
    assert breaker.available(120)
    breaker.rest(110)
    assert breaker.until == 120
    assert len(told) == 3


@dataclass
class Model:
    """The same in the plainest way: every event is kept, and counted when it matters."""

    state: str = "closed"
    until: float = 0.0
    events: list[tuple[int, bool]] = field(default_factory=list)
    row: int = 0
    rests: int = 0
    trials: set[int] = field(default_factory=set)

    def open(self, now: float, asked: float | None) -> None:
        if asked is None:
            self.until = now + min(5 * 2**self.rests, 60)
            self.rests += 1
        else:
            self.until = now + min(asked, 60)
        self.state = "open"

    def failed(self, now: float, asked: float | None) -> None:
        self.row += 1
        self.events.append((int(now), False))
        recent = [good for at, good in self.events if at > int(now) - 10]
        if asked is not None or self.row >= 3 or (len(recent) >= 6 and recent.count(False) >= len(recent) / 2):
            self.open(now, asked)


class Schedules(RuleBasedStateMachine):
    """Random outcomes of calls under way, at random times; both machines are told the same."""

    def __init__(self) -> None:
        super().__init__()
        self.breaker = Breaker(QUICK)
        self.model = Model()
        self.now = 1000.0
        self.calls: dict[int, tuple[int, int]] = {}  # ours → the breaker's ticket, the model's age
        self.number = 0
        self.age = 0

    def _become(self, state: str) -> None:
        if self.model.state != state:
            self.model.state = state
        self.age += 1

    @rule(seconds=st.floats(0, 8))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule(anyway=st.booleans())
    def send(self, anyway: bool) -> None:
        model = self.model
        may = model.state == "closed" or (model.state == "open" and self.now >= model.until)
        assert self.breaker.available(self.now) == may
        if not (may or anyway):
            return
        if model.state == "open" and may:
            model.trials = set()
            self._become("half_open")
        self.number += 1
        if model.state == "half_open":
            model.trials.add(self.number)
        self.calls[self.number] = (self.breaker.enter(self.now), self.age)

    def _take(self, data: st.DataObject) -> tuple[int, int, bool]:
        number = data.draw(st.sampled_from(sorted(self.calls)))
        ticket, age = self.calls.pop(number)
        return number, ticket, age == self.age

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), seconds=st.sampled_from([0.0, 1.0, 2.5]))
    def succeed(self, data: st.DataObject, seconds: float) -> None:
        _, ticket, current = self._take(data)
        self.breaker.succeeded(ticket, self.now, seconds)
        if current and seconds > 2:
            if self.model.state != "open":
                self._fail(None)
        elif current and self.model.state != "closed":
            self.model = Model()
            self.age += 1
        elif current:
            self.model.row = 0
            self.model.events.append((int(self.now), True))

    @precondition(lambda self: self.calls)
    @rule(data=st.data(), asked=st.one_of(st.none(), st.floats(0.1, 100)))
    def fail(self, data: st.DataObject, asked: float | None) -> None:
        _, ticket, current = self._take(data)
        self.breaker.failed(ticket, self.now, asked)
        if self.model.state == "open":
            if asked is not None:
                self.model.until = max(self.model.until, self.now + min(asked, 60))
        elif current:
            self._fail(asked)

    def _fail(self, asked: float | None) -> None:
        was = self.model.state
        if was == "half_open":
            self.model.open(self.now, asked)
        else:
            self.model.failed(self.now, asked)
        if self.model.state != was:
            self.age += 1

    @precondition(lambda self: self.calls)
    @rule(data=st.data())
    def leave(self, data: st.DataObject) -> None:
        number, ticket, current = self._take(data)
        self.breaker.left(ticket)
        if current and self.model.state == "half_open":
            self.model.trials.discard(number)
            if not self.model.trials:
                self._become("open")

    @rule(seconds=st.floats(0, 30))
    def hear(self, seconds: float) -> None:
        until = self.now + seconds
        self.breaker.rest(until)
        if self.model.state == "open":
            self.model.until = max(self.model.until, until)
        else:
            self.model.until = until
            self._become("open")

    @invariant()
    def same(self) -> None:
        assert self.breaker.state == self.model.state
        if self.model.state == "open":
            assert self.breaker.until == pytest.approx(self.model.until)
            assert self.breaker.until <= self.now + 60
        assert 0 < self.breaker.share(self.now) <= 1

    @invariant()
    def nobody_is_shut_out(self) -> None:
        if not self.calls:
            assert self.breaker.available(self.now + 60)


TestSchedules = Schedules.TestCase
TestSchedules.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)


@given(st.lists(st.booleans(), max_size=60))
def test_a_trial_is_alone(outcomes: list[bool]) -> None:
    breaker = opened()
    now = breaker.until
    for good in outcomes:
        if breaker.state is State.CLOSED:
            return
        now = max(now, breaker.until)
        assert breaker.available(now)
        ticket = breaker.enter(now)
        assert not breaker.available(now + 1000)
        if good:
            breaker.succeeded(ticket, now)
        else:
            breaker.failed(ticket, now)
