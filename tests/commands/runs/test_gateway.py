"""The commands against a gateway that serves: real runs, as they go and afterwards."""

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from openai import OpenAI

from gateway.testing import Served, serve
from tests.commands.runs.test_command import CODES, in_terminal, process
from tests.test_cli import run

ROOT = Path(__file__).parents[3]


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    document = yaml.safe_load((ROOT / "config/examples/research.yaml").read_text())
    document |= {"database": f"sqlite:///{tmp_path / 'runs.db'}", "runs": {"keep": True}}
    document["auth"] = {"keys": [{"name": "a", "key": "sk-a"}, {"name": "b", "key": "sk-b"}]}
    document["providers"]["mock"]["models"] = {
        "hangs": {"like": "echo", "failures": [{"kind": "stall", "rate": 1}]},
        "broken": {"like": "echo", "failures": [{"kind": "status", "status": 400, "message": "Odd.", "rate": 1}]},
    }
    document["chains"] = {
        "hangs": {"type": "simple", "model": "mock/hangs", "timeout": "1h"},
        "fails": {"type": "sequential", "steps": [{"name": "odd", "model": "mock/broken"}]},
    }
    with serve(document, {}) as served:
        yield served
        served.idle()


def ask(served: Served, model: str = "graph:research", key: str = "sk-a", stream: bool = False) -> Any:
    with OpenAI(base_url=served.base_url, api_key=key, max_retries=0) as client:
        messages: Any = [{"role": "user", "content": "How did it begin?"}]
        answer = client.chat.completions.with_raw_response.create(model=model, messages=messages, stream=stream)
        if stream:
            return "".join(chunk.choices[0].delta.content or "" for chunk in answer.parse() if chunk.choices)
        return answer


def test_a_run_is_listed_shown_and_told_again(served: Served) -> None:
    answer = ask(served)
    name = answer.headers["x-gateway-run-id"]
    at = ("--url", served.url, "--key", "sk-a")
    listed = json.loads(run("runs", "list", "--json", *at).output)
    assert [(one["id"], one["status"], one["steps"]) for one in listed] == [(name, "completed", 8)]
    shown = run("runs", "show", name, *at).output
    steps = re.findall(r"^✓ (\w+) ", shown, re.MULTILINE)
    assert sorted(steps[1:3]) == ["doubts", "facts"]
    assert steps[:1] + steps[3:] == ["plan", "write", "critique", "write", "critique", "polish"]
    assert "    → write  if critique.score < 4 and visits.write < 3\n" in shown
    assert "    → write (with doubts)\n" in shown
    text = answer.parse().choices[0].message.content
    assert shown.endswith(f"\n\n{text}\n")
    told = run("runs", "watch", name, *at)
    assert told.exit_code == 0
    assert told.output.endswith(f"\n{text}\n")
    assert (
        len(told.output.splitlines()) == len(json.loads(run("runs", "show", name, "--json", *at).output)["events"]) + 1
    )


def test_another_keys_runs_are_not_there(served: Served) -> None:
    name = ask(served).headers["x-gateway-run-id"]
    at = ("--url", served.url, "--key", "sk-b")
    assert run("runs", "list", *at).stderr == "no runs\n"
    assert f"there is no run '{name}'" in run("runs", "show", name, *at).stderr
    assert "refuses this key" in run("runs", "list", "--url", served.url, "--key", "sk-c").stderr


def test_the_next_run_is_drawn_as_it_goes(served: Served, tmp_path: Path) -> None:
    asking: list[threading.Thread] = []

    def act(written: str, one: object) -> bool:
        if "waiting for a run of graph:research" not in written:
            return False
        asking.append(threading.Thread(target=ask, args=(served,), kwargs={"stream": True}))
        asking[0].start()
        return True

    words = process("watch", "--model", "graph:research", "--config", str(ROOT / "config/examples/research.yaml"))
    shown, status = in_terminal(words, act, GATEWAY_URL=served.url, GATEWAY_KEY="sk-a")
    asking[0].join()
    assert status == 0
    last = CODES.sub("", shown).replace("\r", "").rpartition("graph:research")[2]
    assert re.search(r"│ ✓ write +\d+ ms ×2 │", last)
    assert "│ ✓ END │" in last
    assert "│ ○ sorry" in last  # known from the file alone
    assert last.endswith("\n\nIt began small, and how far it will go is disputed.\n")


def test_a_run_that_hangs_is_cancelled(served: Served) -> None:
    at = ("--url", served.url, "--key", "sk-a")
    failures: list[Exception] = []

    def asked() -> None:
        try:
            ask(served, "chain:hangs")
        except Exception as error:
            failures.append(error)

    asking = threading.Thread(target=asked)
    asking.start()

    def act(written: str, one: object) -> bool:
        if "● answer" not in CODES.sub("", written):
            return False
        name = re.findall(r"run_[0-9a-f]{24}", written)[0]
        assert run("runs", "cancel", name, *at).output == f"{name}: cancelled\n"
        again = run("runs", "cancel", name, *at)
        assert again.exit_code == 1
        return True

    shown, status = in_terminal(process("watch", "--model", "chain:hangs", *at), act)
    asking.join()
    assert status == 1
    assert "◌ cancelled" in CODES.sub("", shown)
    assert len(failures) == 1
    listed = json.loads(run("runs", "list", "--status", "cancelled", "--json", *at).output)
    assert [one["model"] for one in listed] == ["chain:hangs"]


def test_a_run_that_fails(served: Served) -> None:
    with pytest.raises(Exception, match="odd"):
        ask(served, "chain:fails")
    at = ("--url", served.url, "--key", "sk-a")
    told = run("runs", "watch", "--last", *at)
    assert told.exit_code == 1
    assert "odd failed after" in told.output
    assert "✗ failed" in run("runs", "list", *at).output
