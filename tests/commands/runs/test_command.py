"""`gateway runs` as people and scripts call it, against a server on a real socket."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.commands.runs.api import Api, Tale, served, support
from tests.commands.runs.test_lines import GOLDEN
from tests.servers import free_port
from tests.test_cli import run, written


@pytest.fixture(autouse=True)
def _greenwich(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.fixture
def api() -> Iterator[tuple[Api, str]]:
    failed = Tale(2).node("classify").done("classify", "x", 12).edge("classify", "answer").node("answer")
    with served(support(1), failed.failed("answer").fails(), Tale(3, "chain:x")) as (api, url):
        yield api, url


LIST = """\
RUN                           MODEL          STATUS       STARTED                TOOK  STEPS  TOKENS  ERROR
run_000000000000000000000003  chain:x        ● running    2023-11-14 22:13:23              0       0
run_000000000000000000000002  graph:support  ✗ failed     2023-11-14 22:13:22  600 ms      2      30  BROKE
run_000000000000000000000001  graph:support  ✓ completed  2023-11-14 22:13:21   2.4 s      9     112
""".replace("BROKE", "Step 'answer' of graph:support: It broke. (broke)")

SHOW = """\
graph:support  ✓ completed  2.4 s  112 tokens  run_000000000000000000000001
started 2023-11-14 22:13:21
input  "How do I return this?"

✓ classify  model fast    320 ms  12  "question"
    → answer
✓ answer    chain:polish  910 ms  41  "Version 1"
  ✓ draft   model fast    400 ms  20  "Draft 1"
  ✓ final   model fast    500 ms  21  "Version 1"
    → review
✓ review    model fast    250 ms   9  {"score": 2}
    → answer  if review.score < 3 and visits.answer < 3
✓ answer    chain:polish  910 ms  41  "Version 2"
  ✓ draft   model fast    400 ms  20  "Draft 2"
  ✓ final   model fast    500 ms  21  "Version 2"
    → review
✓ review    model fast    250 ms   9  {"score": 4}
    → END

Version 2
"""


def test_list(api: tuple[Api, str]) -> None:
    server, url = api
    assert run("runs", "list", "--url", url).output == LIST
    assert run("runs", "list", GATEWAY_URL=url).output == LIST
    one = run("runs", "list", "--limit", "1", "--url", url).output
    assert re.findall("run_[0-9]+", one) == [server.tales[-1].id]
    assert run("runs", "list", "--status", "failed", "--url", url).output.count("run_") == 1
    assert run("runs", "list", "--model", "chain:x", "--url", url).output.count("run_") == 1
    found = json.loads(run("runs", "list", "--json", "--url", url).output)
    assert found == [tale.document() for tale in reversed(server.tales)]


def test_an_empty_list(api: tuple[Api, str]) -> None:
    empty = run("runs", "list", "--model", "chain:none", "--url", api[1])
    assert (empty.stdout, empty.stderr, empty.exit_code) == ("", "no runs\n", 0)
    assert json.loads(run("runs", "list", "--model", "chain:none", "--json", "--url", api[1]).stdout) == []


def test_show(api: tuple[Api, str]) -> None:
    server, url = api
    assert run("runs", "show", server.tales[0].id, "--url", url).output == SHOW
    failed = run("runs", "show", server.tales[1].id, "--url", url)
    assert failed.exit_code == 0
    assert "✗ answer    model  100 ms  It broke. (broke)" in failed.output
    assert failed.output.endswith("\nStep 'answer' of graph:support: It broke. (broke)\n")
    found = json.loads(run("runs", "show", server.tales[0].id, "--json", "--url", url).output)
    assert found["something_new"] == {"a": 1}
    assert len(found["events"]) == 25


def test_show_in_full(api: tuple[Api, str]) -> None:
    server, url = api
    long = "word " * 100 + "\nlast line"
    server.tales.append(
        Tale(4, input=long)
        .node("a", input={"messages": [{"role": "user", "content": long}]})
        .done("a", long)
        .ends(long)
    )
    brief = run("runs", "show", server.tales[-1].id, "--url", url).output
    assert "last line" not in brief.rpartition("\n\n")[0]
    full = run("runs", "show", server.tales[-1].id, "--full", "--url", url).output
    assert full.count("last line") == 4
    assert "\n            last line\n" in full


def test_watch_without_a_terminal(api: tuple[Api, str]) -> None:
    server, url = api
    done = run("runs", "watch", server.tales[0].id, "--url", url)
    assert (done.output, done.exit_code) == (GOLDEN + "\n", 0)
    failed = run("runs", "watch", server.tales[1].id, "--url", url)
    assert failed.exit_code == 1
    assert failed.output.endswith(
        "run failed after 600 ms, 30 tokens  Step 'answer' of graph:support: It broke. (broke)\n"
    )


def test_watch_goes_on_where_the_connection_was_lost(api: tuple[Api, str]) -> None:
    server, url = api
    server.cuts = [10]
    said = run("runs", "watch", server.tales[0].id, "--url", url).output.splitlines()
    assert said.pop(10) == "the connection is lost; trying again …"
    assert said.pop(10) == "the connection is back"
    assert "\n".join(said) == GOLDEN


def test_watch_the_last_or_the_next(api: tuple[Api, str]) -> None:
    server, url = api
    last = run("runs", "watch", "--last", "--model", "graph:support", "--url", url)
    assert "run failed" in last.output
    server.tales[-1].ends("So.")
    assert run("runs", "watch", "--last", "--url", url).output.endswith("\nSo.\n")
    none = run("runs", "watch", "--last", "--model", "chain:none", "--url", url)
    assert (none.exit_code, none.stderr) == (1, "Error: there are no runs of chain:none yet\n")
    both = run("runs", "watch", "run_1", "--last", "--url", url)
    assert both.exit_code == 2
    assert "leave out --last" in both.stderr


def test_watch_a_run_whose_events_have_no_end(api: tuple[Api, str]) -> None:
    server, url = api
    tale = server.tales[2].start("look", "tool")
    tale.status, tale.error = "failed", {"message": "The process ended.", "type": "server_error", "code": "interrupted"}
    told = run("runs", "watch", tale.id, "--url", url)
    assert told.exit_code == 1
    assert told.output.splitlines()[-2].startswith("chain:x  ✗ failed  ")
    assert told.output.endswith("\nThe process ended. (interrupted)\n")
    shown, status = in_terminal(process("watch", tale.id, "--url", url))
    assert status == 1
    assert "◌ look" in CODES.sub("", shown)
    assert "The process ended. (interrupted)" in shown


def test_cancel(api: tuple[Api, str]) -> None:
    server, url = api
    assert run("runs", "cancel", server.tales[2].id, "--url", url).output == f"{server.tales[2].id}: cancelled\n"
    again = run("runs", "cancel", server.tales[2].id, "--url", url)
    assert (again.exit_code, again.stderr) == (1, "Error: The run has ended: it is cancelled.\n")


@pytest.mark.parametrize("words", [("list",), ("show", "run_1"), ("watch", "run_1"), ("watch",), ("cancel", "run_1")])
def test_what_goes_wrong_is_told_kindly(words: tuple[str, ...], tmp_path: Path) -> None:
    def said(*more: str, **environment: str) -> str:
        result = run("runs", *words, *more, **environment)
        assert result.exit_code == 1
        assert result.stdout == ""
        assert "sk-" not in result.stderr
        assert "Traceback" not in result.output
        assert result.exception is None or isinstance(result.exception, SystemExit)
        return result.stderr.splitlines()[-1]

    url = f"http://127.0.0.1:{free_port()}"
    assert said("--url", url).startswith(f"Error: no gateway can be reached at {url}; start one with `gateway serve`")
    assert said("--url", "ftp://x") == "Error: 'ftp://x' is no URL of a gateway; one is http://127.0.0.1:8080"
    assert said("--config", written(tmp_path, "server: {port: nine}\n")).partition(": ")[2].startswith("server.port: ")
    with served() as (api, url):
        api.key = "sk-other"
        assert said("--url", url, "--key", "sk-mine").endswith("refuses this key; give one with --key or $GATEWAY_KEY")
        assert said(GATEWAY_URL=url, GATEWAY_KEY="sk-mine").endswith("give one with --key or $GATEWAY_KEY")


def test_the_key_and_the_address_come_from_the_file(api: tuple[Api, str], tmp_path: Path) -> None:
    server, url = api
    server.key = "sk-of-the-file"
    port = url.rpartition(":")[2]
    path = written(tmp_path, f"server: {{port: {port}}}\nauth: {{keys: [{{name: a, key: sk-of-the-file}}]}}\n")
    assert run("runs", "list", "--config", path).output == LIST


Act = Callable[[str, "subprocess.Popen[bytes]"], bool]


def process(*words: str) -> list[str]:
    """The command as a shell would start it: tests may run where SIGINT is ignored, which processes hand on."""
    start = (
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler); from gateway.cli import main; main()"
    )
    return [sys.executable, "-c", start, "runs", *words]


def test_ctrl_c_leaves_the_run_alone(api: tuple[Api, str]) -> None:
    server, url = api
    tale = server.tales[2]
    command = process("watch", tale.id, "--url", url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        assert "run started: chain:x" in watching.stdout.readline()
        watching.send_signal(signal.SIGINT)
        assert watching.wait(30) == 130
        assert watching.stderr.read() == f"left; it goes on: gateway runs watch {tale.id}\n"
    assert tale.status == "running"
    assert not any("cancel" in asked for asked in server.asked)


def test_a_reader_that_leaves_is_no_failure_to_talk_of(api: tuple[Api, str]) -> None:
    server, url = api
    for number in range(3000):
        server.tales[0].events.append({"seq": 26 + number, "at": 1, "type": "weather"})
    command = process("watch", server.tales[0].id, "--url", url)
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as watching:
        assert watching.stdout is not None
        assert watching.stderr is not None
        watching.stdout.readline()
        watching.stdout.close()
        assert watching.wait(30) != 0
        assert "Traceback" not in watching.stderr.read()


def in_terminal(words: list[str], act: Act | None = None, **environment: str) -> tuple[str, int]:
    """What a command writes to a terminal, and how it exits.

    `act` is told what was written so far and whom to send signals, until it says that it has done all.
    """
    ours, theirs = pty.openpty()
    size = {"TERM": "xterm-256color", "COLUMNS": "100", "LINES": "50"}
    written = b""
    with subprocess.Popen(
        words, stdin=theirs, stdout=theirs, stderr=theirs, env=os.environ | size | environment
    ) as one:
        os.close(theirs)
        while True:
            assert select.select([ours], [], [], 60)[0], written
            try:
                written += os.read(ours, 65536)
            except OSError:  # the command has ended
                break
            if act is not None and act(written.decode(errors="replace"), one):
                act = None
    os.close(ours)
    return written.decode(), one.returncode


CODES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


def test_a_terminal_is_drawn_in(api: tuple[Api, str]) -> None:
    server, url = api
    shown, status = in_terminal(process("watch", server.tales[0].id, "--url", url))
    assert status == 0
    assert "\x1b[32m" in shown
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1  # the cursor is hidden, and comes back
    last = CODES.sub("", shown).replace("\r", "").rpartition("graph:support")[2]
    assert "│ ✓ answer  910 ms ×2 │" in last
    assert last.endswith("\n\nVersion 2\n")


def test_a_terminal_without_colours(api: tuple[Api, str]) -> None:
    server, url = api
    shown, _ = in_terminal(process("watch", server.tales[0].id, "--url", url), NO_COLOR="1")
    colours = {code for found in COLOURS.findall(shown) for code in found[2:-1].split(";")}
    assert colours <= {"", "0", "1", "2", "7"}  # bold, dim, reverse
    assert "┏━" in shown or "┣━" in shown


def test_a_terminal_that_can_do_nothing_gets_lines(api: tuple[Api, str]) -> None:
    server, url = api
    shown, _ = in_terminal(process("watch", server.tales[0].id, "--url", url), TERM="dumb")
    assert shown.replace("\r", "") == GOLDEN + "\n"


def test_a_run_is_followed_live_and_left(api: tuple[Api, str]) -> None:
    server, url = api
    tale = server.tales[2]
    stages = iter(["waiting", "first", "second"])
    stage = next(stages)

    def act(written: str, one: subprocess.Popen[bytes]) -> bool:
        nonlocal stage
        if stage == "waiting" and "chain:x" in written:
            tale.start("look", "tool")
            stage = next(stages)
        elif stage == "first" and "● look" in CODES.sub("", written):
            tale.done("look", "seen").start("answer")
            stage = next(stages)
        elif stage == "second" and "● answer" in CODES.sub("", written):
            one.send_signal(signal.SIGINT)
            return True
        return False

    shown, status = in_terminal(process("watch", tale.id, "--url", url), act)
    assert status == 130
    assert "✓ look" in CODES.sub("", shown)
    assert f"left; it goes on: gateway runs watch {tale.id}" in shown
    assert shown.count("\x1b[?25h") == 1
    assert "Traceback" not in shown


def test_list_and_show_keep_to_a_terminals_width(api: tuple[Api, str]) -> None:
    server, url = api
    for words in (["list"], ["show", server.tales[0].id]):
        shown, status = in_terminal(process(*words, "--url", url), COLUMNS="40")
        assert status == 0
        lines = CODES.sub("", shown).replace("\r", "").splitlines()
        assert all(len(line) <= 40 for line in lines if "→" not in line)
        assert sum(line.endswith("…") for line in lines) > 2


def test_a_terminal_of_few_signs(api: tuple[Api, str]) -> None:
    server, url = api
    command = process("watch", server.tales[0].id, "--url", url)
    shown = subprocess.run(command, capture_output=True, env={**os.environ, "PYTHONIOENCODING": "ascii"}, timeout=60)
    assert shown.returncode == 0
    assert b"classify ? answer" in shown.stdout
