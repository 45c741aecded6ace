"""The command line of the benchmark: `python -m loadtests.bench --help`."""

import argparse
import dataclasses
import json
import os
import shlex
import signal
import subprocess
import sys
from pathlib import Path

from loadtests.bench import chart, report, wrk
from loadtests.bench.cores import Cores, raise_descriptor_limit
from loadtests.bench.machine import describe
from loadtests.bench.measure import Effort, Measure
from loadtests.bench.measures import MEASURES
from loadtests.bench.ourselves import BARE, GATEWAY, ROOT
from loadtests.bench.peers import PEERS, UNAVAILABLE
from loadtests.bench.proxies import DIRECT, NGINX
from loadtests.bench.run import conduct

SUBJECTS = (DIRECT, NGINX, BARE, GATEWAY, *(peer.subject for peer in PEERS if peer.subject is not NGINX))


def options(argv: list[str]) -> argparse.Namespace:
    """Parse the command line."""
    parser = argparse.ArgumentParser(prog="python -m loadtests.bench", description=__doc__)
    parser.add_argument("--rounds", type=int, help="interleaved rounds, of which medians are taken (5; quick: 2)")
    parser.add_argument("--quick", action="store_true", help="a short run that shows that everything works")
    parser.add_argument("--only", type=_names([one.name for one in MEASURES]), help="measurements, by comma")
    parser.add_argument("--subjects", type=_names([one.name for one in SUBJECTS]), help="subjects, by comma")
    parser.add_argument("--json", type=Path, default=ROOT / "bench-out" / "bench.json", help="where all rounds go")
    parser.add_argument("--chart", type=Path, help="write the chart there, for instance docs/images/benchmark.svg")
    return parser.parse_args(argv)


def _names(known: list[str]) -> "_Names":
    return _Names(known)


class _Names:
    """An argument of names by comma, each of which must be known."""

    def __init__(self, known: list[str]) -> None:
        self._known = known

    def __call__(self, text: str) -> list[str]:
        names = [name.strip() for name in text.split(",") if name.strip()]
        for name in names:
            if name not in self._known:
                raise argparse.ArgumentTypeError(f"{name!r} is none of {', '.join(self._known)}")
        return names


def main(argv: list[str]) -> int:
    """Measure, print the report, write what was asked for."""
    chosen = options(argv)
    effort = Effort.quick() if chosen.quick else Effort()
    if chosen.rounds:
        effort = dataclasses.replace(effort, rounds=chosen.rounds)
    for kind in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(kind, _end)  # by way of an exception, so that every subject is stopped
    raise_descriptor_limit()
    cores = Cores.here()
    classes = [one for one in MEASURES if not chosen.only or one.name in chosen.only]
    # Ratios need nginx and added latency needs the upstream alone, so both are always in.
    wanted = [one for one in SUBJECTS if not chosen.subjects or one.name in (*chosen.subjects, "direct", "nginx")]
    versions = {one.name: version for one in wanted if (version := one.version()) is not None}
    present = [one for one in wanted if one.name in versions]
    where = report.Circumstances(
        command="python -m loadtests.bench " + shlex.join(argv),
        revision=_revision(),
        machine=describe(),
        versions=versions,
        missing={**{one.name: one.missing for one in wanted if one.name not in versions}, **_unavailable(chosen)},
        effort=effort,
        cores=cores,
        generator=wrk.version() if wrk.present() else "our own generator, for wrk is not installed",
    )
    os.sched_setaffinity(0, cores.load)
    measures: list[Measure] = [one(effort, cores) for one in classes]
    results = conduct(measures, present, effort, cores)
    print(report.text(results, classes, present, where))
    chosen.json.parent.mkdir(parents=True, exist_ok=True)
    chosen.json.write_text(json.dumps(report.document(results, where), indent=1) + "\n")
    if chosen.chart:
        chosen.chart.parent.mkdir(parents=True, exist_ok=True)
        note = f"{effort.rounds} interleaved rounds, medians · {where.machine['processor']}, one core for each subject"
        chosen.chart.write_text(chart.svg(results.rounds, note))
    return 0


def _end(number: int, _frame: object) -> None:
    sys.exit(128 + number)


def _unavailable(chosen: argparse.Namespace) -> dict[str, str]:
    return {} if chosen.subjects else UNAVAILABLE


def _revision() -> str:
    done = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return done.stdout.strip() or "unknown"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
