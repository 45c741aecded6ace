"""Arithmetic of the report: percentiles, medians, ratios within a round."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

Figures = dict[str, float]
"""What one measurement of one subject gave, by column key."""

Round = dict[str, Figures]
"""What one round gave, by subject."""


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` (0 to 1) of all do not exceed (nearest rank); NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def median(values: Sequence[float]) -> float:
    """The median of those that are numbers; NaN of nothing."""
    known = [value for value in values if not math.isnan(value)]
    return statistics.median(known) if known else math.nan


@dataclass(frozen=True)
class Spread:
    """A median with the lowest and highest of the rounds."""

    middle: float
    low: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> "Spread":
        """Over all rounds that gave a number."""
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return cls(math.nan, math.nan, math.nan)
        return cls(statistics.median(known), min(known), max(known))


def values(rounds: Sequence[Round], subject: str, key: str) -> list[float]:
    """The figure of one subject in each round that has it."""
    return [round_[subject][key] for round_ in rounds if key in round_.get(subject, {})]


def ratio(rounds: Sequence[Round], subject: str, key: str, reference: str) -> Spread:
    """Subject ÷ reference *within each round*, then over the rounds: a noisy neighbour slows both alike."""
    return Spread.of(
        [
            _divide(round_[subject][key], round_[reference][key])
            for round_ in rounds
            if key in round_.get(subject, {}) and key in round_.get(reference, {})
        ]
    )


def _divide(a: float, b: float) -> float:
    return a / b if b else math.nan


def share(part: float, whole: float) -> float:
    """`part` a unit of `whole`; NaN where there is none."""
    return _divide(part, whole)


def plain(figures: Mapping[str, float]) -> dict[str, float | None]:
    """For JSON, which has no NaN: six significant digits."""
    return {key: None if math.isnan(value) else float(f"{value:.6g}") for key, value in figures.items()}
