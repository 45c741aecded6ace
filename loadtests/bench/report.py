"""The report: tables to read, and everything that was measured for machines."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from loadtests.bench.budgets import BUDGETS
from loadtests.bench.cores import Cores
from loadtests.bench.figures import Round, Spread, plain, ratio, values
from loadtests.bench.measure import Column, Effort, Measure
from loadtests.bench.run import OTHERS, Results
from loadtests.bench.subject import Subject

REFERENCE = "nginx"


@dataclass(frozen=True)
class Circumstances:
    """All that a reader needs to judge the figures."""

    command: str
    revision: str
    machine: Mapping[str, str]
    versions: Mapping[str, str]
    missing: Mapping[str, str]
    effort: Effort
    cores: Cores
    generator: str


def text(results: Results, measures: Sequence[type[Measure]], subjects: Sequence[Subject], where: Circumstances) -> str:
    """The whole report."""
    parts = [_head(results, where)]
    parts += [_table(measure, results, subjects) for measure in measures if measure.name in results.rounds]
    parts += [_subjects(subjects, where), _budgets(results)]
    return "\n\n".join(part for part in parts if part) + "\n"


def _head(results: Results, where: Circumstances) -> str:
    machine = ", ".join(f"{name} {value}" for name, value in where.machine.items())
    minutes = f"{results.seconds / 60:.0f} min in all"
    mock = f"{results.upstream_rate:,.0f} requests/s, {results.upstream_cpu * 1e6:.1f} µs of CPU each"
    lines = [
        where.command,
        machine,
        where.cores.sentence(),
        f"revision {where.revision}, {where.effort.rounds} rounds interleaved, medians (lowest–highest), {minutes}",
        f"load: {where.generator}; the mock upstream on a core of its own: {mock}",
    ]
    return "\n".join(lines)


def _table(measure: type[Measure], results: Results, subjects: Sequence[Subject]) -> str:
    rounds, unfit = results.rounds[measure.name], results.unfit.get(measure.name, {})
    headings = ["subject"]
    for column in measure.columns:
        headings += [column.heading, f"× {REFERENCE}"] if column.ratio else [column.heading]
    rows = [headings]
    for subject in subjects:
        if any(subject.name in round_ for round_ in rounds):
            rows.append([subject.name, *_cells(measure.columns, rounds, subject.name)])
    lines = [f"## {measure.title}", "", *aligned(rows)]
    lines += [f"{name}: not measured: {' '.join(why.split())[:300]}" for name, why in unfit.items()]
    taken = Spread.of([share for subject in subjects for share in values(rounds, subject.name, OTHERS)])
    if not math.isnan(taken.middle):
        lines += ["", f"Others took {taken.middle:.0%} of the subject's core meanwhile (at worst {taken.high:.0%})."]
    return "\n".join(lines)


def _cells(columns: Sequence[Column], rounds: Sequence[Round], subject: str) -> list[str]:
    cells = []
    for column in columns:
        cells.append(column.show(Spread.of(values(rounds, subject, column.key)).middle))
        if column.ratio:
            cells.append(times(ratio(rounds, subject, column.key, REFERENCE)))
    return cells


def times(spread: Spread) -> str:
    """A ratio with its lowest and highest round."""
    if math.isnan(spread.middle):
        return "–"
    if spread.low == spread.high == 1:
        return "1"
    return f"{_three(spread.middle)} ({_three(spread.low)}–{_three(spread.high)})"


def _three(value: float) -> str:
    """About three digits."""
    return f"{value:.2f}" if abs(value) < 10 else f"{value:,.0f}"


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table whose columns line up."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]

    def line(row: Sequence[str]) -> str:
        cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
        return f"| {' | '.join(cells)} |"

    rule = "|" + "|".join(("-" * (width + 2) if not i else "-" * (width + 1) + ":") for i, width in enumerate(widths))
    return [line(rows[0]), rule + "|", *(line(row) for row in rows[1:])]


def _subjects(subjects: Sequence[Subject], where: Circumstances) -> str:
    lines = ["## Subjects", ""]
    for subject in subjects:
        named = f"{subject.name} {where.versions.get(subject.name, '')}".strip()
        settings = f" ({subject.settings})" if subject.settings else ""
        lines.append(f"- {named}: {subject.about}{settings}")
    lines += [f"- {name}: MISSING: {why}" for name, why in where.missing.items()]
    return "\n".join(lines)


def _budgets(results: Results) -> str:
    rows = [["budget", "at most", "measured", "verdict"]]
    for budget in BUDGETS:
        value = budget.value(results.rounds)
        shown = "–" if math.isnan(value) else f"{value:.2f}{budget.unit}"
        rows.append([budget.what, f"{budget.limit:g}{budget.unit}", shown, budget.verdict(results.rounds)])
    return "\n".join(["## Budgets", "", *aligned(rows)])


def document(results: Results, where: Circumstances) -> dict[str, Any]:
    """Everything, each round as it was taken: seconds, bytes, counts."""
    return {
        "command": where.command,
        "revision": where.revision,
        "machine": dict(where.machine),
        "versions": dict(where.versions),
        "missing": dict(where.missing),
        "effort": asdict(where.effort),
        "cores": where.cores.sentence(),
        "generator": where.generator,
        "upstream": {"rate": results.upstream_rate, "cpu": results.upstream_cpu},
        "seconds": results.seconds,
        "rounds": {
            measure: [{name: plain(figures) for name, figures in round_.items()} for round_ in rounds]
            for measure, rounds in results.rounds.items()
        },
        "unfit": results.unfit,
    }
