import math
import re
import time
from xml.etree import ElementTree

import pytest

from loadtests.bench import chart, figures, report
from loadtests.bench.__main__ import options
from loadtests.bench.budgets import Budget
from loadtests.bench.cores import Cores, busy, on
from loadtests.bench.measure import Column, Effort, Measure
from loadtests.bench.measures import MEASURES
from loadtests.bench.measures.burst import Whole
from loadtests.bench.measures.latency import Latency
from loadtests.bench.peers import PEERS
from loadtests.bench.proxies import DIRECT, NGINX
from loadtests.bench.run import Results

ROUNDS = [
    {"nginx": {"cpu": 20e-6, "rate": 3.0}, "bare": {"cpu": 80e-6}},
    {"nginx": {"cpu": 40e-6, "rate": 1.0}, "bare": {"cpu": 120e-6}},
    {"nginx": {"cpu": 20e-6, "rate": 2.0}, "bare": {"cpu": 100e-6}},
]


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_percentiles_are_the_nearest_rank(share, value):
    assert figures.percentile(range(100, 0, -1), share) == value


def test_nothing_has_no_percentile():
    assert math.isnan(figures.percentile([], 0.5))
    assert math.isnan(figures.Spread.of([math.nan]).middle)


def test_ratios_are_taken_within_each_round():
    # 4, 3 and 5; the ratio of the medians would be 5.
    assert figures.ratio(ROUNDS, "bare", "cpu", "nginx") == figures.Spread(4, 3, 5)


def test_rounds_that_lack_a_figure_are_left_out():
    rounds = [*ROUNDS, {"nginx": {"cpu": 1.0}}, {"bare": {"cpu": 1.0}}]
    assert figures.ratio(rounds, "bare", "cpu", "nginx").middle == 4
    assert figures.values(rounds, "bare", "rate") == []


def test_budgets_know_ratios_and_amounts():
    ratio = Budget("bare", "whole", "cpu", "", 4.0, against="nginx")
    assert (ratio.value({"whole": ROUNDS}), ratio.verdict({"whole": ROUNDS})) == (4, "ok")
    amount = Budget("bare", "whole", "cpu", "", 99, scale=1e6)
    assert (round(amount.value({"whole": ROUNDS})), amount.verdict({"whole": ROUNDS})) == (100, "OVER")
    assert amount.verdict({}) == "not measured"


def test_added_latency_is_what_direct_did_not_need():
    round_ = {"direct": {"p50": 0.1, "p99": 0.2}, "bare": {"p50": 0.15, "p99": 0.5}}
    Latency(Effort(), Cores.of([0])).settle(round_)
    assert round_["bare"]["added_p50"] == pytest.approx(0.05)
    assert round_["bare"]["added_p99"] == pytest.approx(0.3)
    assert "added_p50" not in round_["direct"]


def test_columns_show_units_and_dashes():
    column = Column("cpu", "CPU µs", 1e6, 1)
    assert column.show(0.0012345) == "1,234.5"
    assert column.show(math.nan) == "–"


def test_every_measurement_can_be_told_apart():
    assert len({one.name for one in MEASURES}) == len(MEASURES)
    assert all(issubclass(one, Measure) and one.columns for one in MEASURES)


def test_the_report_names_who_is_missing_and_why():
    where = report.Circumstances(
        command="bench",
        revision="abc",
        machine={"cores": "2"},
        versions={"nginx": "1"},
        missing={"other": "not to be had"},
        effort=Effort(rounds=3),
        cores=Cores.of([0, 1]),
        generator="wrk",
    )
    results = Results(rounds={"whole": ROUNDS}, unfit={"whole": {"caddy": "no answer"}})
    text = report.text(results, [Whole], [DIRECT, NGINX], where)
    assert "other: MISSING: not to be had" in text
    assert "caddy: not measured: no answer" in text
    assert re.search(r"\| nginx +\| +20\.0 \| +1 \| +2 \|", text)
    assert re.search(r"\| pass-through, whole, CPU +\| +5\.5 × nginx \| +4\.00 × nginx \| +ok \|", text)
    document = report.document(results, where)
    assert document["rounds"]["whole"][0]["bare"] == {"cpu": 80e-6}


def test_small_figures_survive_in_json():
    assert figures.plain({"a": 4.3214321e-7, "b": math.nan}) == {"a": 4.32143e-7, "b": None}


def test_every_peer_has_its_name_in_the_chart():
    assert {peer.subject.name for peer in PEERS} <= chart.NAMES.keys()


def test_the_chart_is_xml_and_shows_who_was_measured():
    picture = ElementTree.fromstring(chart.svg({"whole": ROUNDS}, "a < b"))
    said = [element.text for element in picture.iter("{http://www.w3.org/2000/svg}text")]
    assert {"nginx", "this gateway, pass-through", "20", "100", "a < b"} <= set(said)


@pytest.mark.parametrize(
    ("cores", "roles"), [([0], (0, 0, 0)), ([0, 1], (1, 0, 0)), ([0, 1, 2, 3], (3, 0, 1)), ([4, 6, 7], (7, 4, 6))]
)
def test_the_subject_has_a_core_of_its_own_where_there_are_two(cores, roles):
    shared = Cores.of(cores)
    assert tuple(min(role) for role in (shared.subject, shared.load, shared.upstream)) == roles


def test_cores_that_work_grow_busier():
    core = Cores.here().subject
    before = busy(core)
    with on(core):
        until = time.process_time() + 0.1
        while time.process_time() < until:
            pass
    assert busy(core) - before >= 0.05


def test_names_that_nobody_knows_are_refused(capsys):
    with pytest.raises(SystemExit):
        options(["--only", "whole,nothing"])
    assert "'nothing' is none of whole, stream" in capsys.readouterr().err
    assert options(["--only", "whole, leave"]).only == ["whole", "leave"]
