"""A run: every measurement, every subject, rounds interleaved."""

import contextlib
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from loadtests.bench import load, wrk
from loadtests.bench.asks import Ask
from loadtests.bench.cores import Cores, busy
from loadtests.bench.figures import Round
from loadtests.bench.measure import Effort, Measure
from loadtests.bench.subject import Running, Subject, Unfit, running, upstream

OTHERS = "others"
"""Kept beside every measurement's figures: the share of the subject's core that somebody else took meanwhile."""

SETTLE = 0.3
"""Seconds that a subject which was halted has for its own timers before it is measured."""


@dataclass
class Results:
    """What a run gave: rounds by measurement, and by measurement and subject why there are none."""

    rounds: dict[str, list[Round]] = field(default_factory=dict)
    unfit: dict[str, dict[str, str]] = field(default_factory=dict)
    upstream_rate: float = 0.0
    upstream_cpu: float = 0.0
    seconds: float = 0.0


def conduct(measures: Sequence[Measure], subjects: Sequence[Subject], effort: Effort, cores: Cores) -> Results:
    """Measure everything. A subject that cannot do one thing is left out of that alone, with the reason."""
    began = time.monotonic()
    results = Results()
    results.upstream_rate, results.upstream_cpu = _upstream_itself(effort, cores)
    for measure in measures:
        _say(f"{measure.title}")
        taking = [subject for subject in subjects if subject.start or not measure.proxies_only]
        unfit: dict[str, str] = {}
        count = min(effort.rounds, measure.rounds or effort.rounds)
        with upstream(cores.upstream) as (port, _):
            take = _fresh if measure.fresh else _standing
            results.rounds[measure.name] = take(measure, taking, count, port, unfit)
        results.unfit[measure.name] = unfit
        for name, why in unfit.items():
            _say(f"  {name}: {why.splitlines()[0]}")
    results.seconds = time.monotonic() - began
    return results


def _standing(
    measure: Measure, subjects: Sequence[Subject], count: int, port: int, unfit: dict[str, str]
) -> list[Round]:
    """All subjects stay up throughout; each round gives every one its turn, in which the others are halted."""
    rounds: list[Round] = []
    with contextlib.ExitStack() as stack:
        fit: list[Running] = []
        for subject in subjects:
            try:
                one = stack.enter_context(running(subject, port, measure.cores))
                with one.awake():
                    measure.prepare(one)
                fit.append(one)
            except Unfit as error:
                unfit[subject.name] = str(error)
        for n in range(count):
            round_: Round = {}
            # Another one first each time, lest one always follows the same neighbour.
            turn = n % len(fit) if fit else 0
            for one in fit[turn:] + fit[:turn]:
                with one.awake():
                    time.sleep(SETTLE)
                    _take(measure, one, round_, unfit)
            fit = [one for one in fit if one.subject.name not in unfit]
            measure.settle(round_)
            rounds.append(round_)
            _say(f"  round {n + 1} of {count}")
    return rounds


def _fresh(measure: Measure, subjects: Sequence[Subject], count: int, port: int, unfit: dict[str, str]) -> list[Round]:
    """Each round starts every subject anew, one at a time."""
    rounds: list[Round] = []
    for n in range(count):
        round_: Round = {}
        for subject in subjects:
            if subject.name in unfit:
                continue
            try:
                with running(subject, port, measure.cores) as one:
                    measure.prepare(one)
                    _take(measure, one, round_, unfit)
            except Unfit as error:
                unfit[subject.name] = str(error)
        measure.settle(round_)
        rounds.append(round_)
        _say(f"  round {n + 1} of {count}")
    return rounds


def _take(measure: Measure, one: Running, round_: Round, unfit: dict[str, str]) -> None:
    began, before, own = time.monotonic(), busy(measure.cores.subject), one.cpu()
    try:
        figures = measure.take(one)
    except Unfit as error:
        unfit[one.subject.name] = str(error)
        return
    strange = busy(measure.cores.subject) - before - (one.cpu() - own)
    figures[OTHERS] = max(0.0, strange / (time.monotonic() - began))
    round_[one.subject.name] = figures


def _upstream_itself(effort: Effort, cores: Cores) -> tuple[float, float]:
    """Requests a second that the mock upstream alone gives on a core of its own, and its CPU for each."""
    with upstream(cores.subject) as (port, processes):
        ask = Ask("bench", port)
        load.closed(ask, effort.connections, 1)
        before = processes.cpu()
        tally = load.closed(ask, effort.connections, 2)
        cpu = processes.cpu() - before
    generator = wrk.version() if wrk.present() else "our own generator, for wrk is not installed"
    _say(f"upstream alone: {tally.requests / tally.seconds:,.0f} requests/s with {generator}")
    return tally.requests / tally.seconds, cpu / max(1, tally.requests)


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
