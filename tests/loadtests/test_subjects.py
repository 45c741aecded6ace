import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from loadtests.bench import wrk
from loadtests.bench.cores import Cores
from loadtests.bench.measure import Effort
from loadtests.bench.measures.dialects import WAYS, Messages, MessagesStream
from loadtests.bench.measures.paced import Steady
from loadtests.bench.measures.startup import Startup
from loadtests.bench.ourselves import BARE, CONFIG, GATEWAY, PLENTY, bare_config, default_config
from loadtests.bench.peers import PEERS, UNAVAILABLE
from loadtests.bench.processes import Processes
from loadtests.bench.proxies import DIRECT, NGINX
from loadtests.bench.subject import Site, Start, Subject, Unfit, running, upstream

CORES = Cores.here()


@pytest.fixture
def site(tmp_path):
    return Site(tmp_path, 18080, 19090)


def test_bare_is_a_provider_of_each_dialect_and_their_models(site):
    document = bare_config(site)
    assert set(document) == {"server", "providers", "models"}
    assert document["providers"]["up"]["base_url"] == "http://127.0.0.1:19090/v1"
    assert document["models"]["bench"] == "up/bench"
    assert document["models"]["claude"] == "claude/claude"


def test_the_default_keeps_every_block_and_lifts_the_amounts(site, tmp_path):
    source = tmp_path / "gateway.yaml"
    key = {"name": "dev", "key": "sk-local", "models": ["x"], "limits": {"rpm": 6}, "budget": {"usd": 5, "per": "30d"}}
    providers = {"mock": {"type": "mock"}}
    source.write_text(yaml.safe_dump({"auth": {"keys": [key]}, "providers": providers, "include": "more.yaml"}))
    document = default_config(site, source)
    [lifted] = document["auth"]["keys"]
    assert lifted["limits"] == {"rpm": PLENTY}
    assert lifted["budget"] == {"usd": PLENTY, "per": "30d"}
    assert "models" not in lifted
    assert {"mock", "up", "claude"} < set(document["providers"])
    assert document["include"] == [str(tmp_path / "more.yaml")]


@pytest.mark.skipif(not CONFIG.exists(), reason="no config/gateway.yaml")
def test_the_real_default_can_be_read(site):
    assert "up" in default_config(site)["providers"]


def test_every_peer_says_how_it_is_set_and_how_it_is_had():
    for peer in PEERS:
        assert peer.subject.settings
        assert peer.subject.missing
    assert all(UNAVAILABLE.values())


def test_processes_are_accounted_for_as_one(tmp_path):
    burn = "import subprocess, sys, time\nsubprocess.Popen([sys.executable, '-c', 'while 1: pass'])\ntime.sleep(60)"
    processes = Processes([sys.executable, "-c", burn], tmp_path, CORES.subject)
    try:
        until = time.monotonic() + 10
        while processes.cpu() < 0.1 and time.monotonic() < until:
            time.sleep(0.02)
        assert len(processes.ids()) == 2
        assert processes.cpu() >= 0.1
        memory = processes.memory()
        assert 1e6 < memory.shared <= memory.resident
    finally:
        processes.stop()
    assert processes.ids() == []
    assert processes.ended()


def test_who_does_not_come_up_says_what_it_said():
    script = "import sys; sys.exit('no such thing')"
    start = Start([sys.executable, "-c", script])
    broken = Subject("broken", "", "", lambda: "1", lambda _: start)
    with pytest.raises(Unfit, match="no such thing"), running(broken, 1, CORES):
        pass


def test_direct_is_the_upstream_itself():
    with upstream(CORES.upstream) as (port, _), running(DIRECT, port, CORES) as direct:
        direct.prove()
        direct.prove(stream=True)


@pytest.mark.skipif(shutil.which("nginx") is None, reason="nginx is not installed")
def test_nginx_does_the_whole_work():
    with upstream(CORES.upstream) as (port, _), running(NGINX, port, CORES) as nginx:
        nginx.prove()
        nginx.prove(stream=True)
        nginx.prove(dialect="messages")
        nginx.prove(stream=True, dialect="messages")
        assert nginx.cpu() > 0


@pytest.mark.skipif(not CONFIG.exists(), reason="no config/gateway.yaml")
def test_the_start_is_measured_from_the_command_on():
    began = time.monotonic()
    with upstream(CORES.upstream) as (port, _), running(GATEWAY, port, CORES) as one:
        figures = Startup(Effort.quick(), CORES).take(one)
    assert 0.01 < figures["cpu"] < figures["answer"] < time.monotonic() - began


@pytest.mark.skipif(not CONFIG.exists(), reason="no config/gateway.yaml")
def test_both_dialects_pass_and_are_translated(monkeypatch):
    monkeypatch.setattr(wrk, "present", lambda: False)  # it loads for a whole second at least
    effort = replace(Effort.quick(), warm=0.05, warm_loads=1, seconds=0.05)
    with upstream(CORES.upstream) as (port, _), running(BARE, port, CORES) as one:
        for kind in (Messages, MessagesStream):
            measure = kind(effort, CORES)
            measure.prepare(one)
            figures = measure.take(one)
            assert figures["errors"] == 0
            assert set(figures) == {column.key for column in kind.columns}
            assert all(figures[way.key] > 0 for way in WAYS)
            assert figures["messages_on_chat_ratio"] == figures["messages_on_chat"] / figures["chat"]


def test_tokens_of_streams_under_way_are_measured_alone():
    effort = replace(Effort.quick(), warm=0.05, warm_loads=1, seconds=0.3, paced_streams=5)
    with upstream(CORES.upstream) as (port, _), running(BARE, port, CORES) as one:
        figures = Steady(effort, CORES).take(one)
    assert set(figures) == {column.key for column in Steady.columns}
    assert figures["chunk"] > 0
    assert 100 < figures["rate"] < 400  # five streams, 50 tokens a second each


def test_a_subject_that_leaves_out_tokens_is_unfit(tmp_path):
    answer = "HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
    script = (
        "import socketserver, sys\n"
        "class H(socketserver.BaseRequestHandler):\n"
        f"  def handle(self): self.request.recv(65536); self.request.sendall({answer!r}.encode())\n"
        "socketserver.TCPServer.allow_reuse_address = True\n"
        "socketserver.ThreadingTCPServer(('127.0.0.1', int(sys.argv[1])), H).serve_forever()\n"
    )
    liar = Subject("liar", "", "", lambda: "1", lambda site: Start([sys.executable, "-c", script, str(site.port)]))
    with running(liar, 1, CORES) as one:
        with pytest.raises(Unfit, match="not the upstream's answer"):
            one.prove()
        with pytest.raises(Unfit, match="0 of 100 tokens"):
            one.prove(stream=True)


def test_a_subject_is_halted_between_its_turns(tmp_path):
    processes = Processes([sys.executable, "-c", "while True: pass"], tmp_path, CORES.subject)
    try:
        with processes.awake():
            pass
        halted = _at_rest(processes)
        assert processes.cpu() == halted
        with processes.awake():
            until = time.monotonic() + 20
            while processes.cpu() == halted and time.monotonic() < until:
                pass
        assert processes.cpu() > halted
    finally:
        processes.stop()
    assert processes.ended()


def _at_rest(processes: Processes) -> float:
    """Its CPU time once the kernel has halted it."""
    until = time.monotonic() + 20
    while time.monotonic() < until:
        states = [
            (Path("/proc") / str(one) / "stat").read_text().rpartition(")")[2].split()[0] for one in processes.ids()
        ]
        if set(states) == {"T"}:
            break
    return processes.cpu()
