"""Clients for Node: the official ones, and the AI SDK."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from gateway.testing import Received, Wire, events
from tests.clients.conftest import House
from tests.clients.scripts import stalling

FOLDER = Path(__file__).parent / "node"
MINUTE = 60
BEGUN = stalling(*events("Hello", done=False, finish=None, usage=False))


def command(name: str) -> str:
    """The path of a program of Node's. Where it is missing, CI fails and a person is told what is not tested."""
    found = shutil.which(name)
    if found is None:
        reason = f"{name} is not installed: clients for Node are not tested"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    return found


@pytest.fixture(scope="session")
def node() -> str:
    """Node's path, once the packages of the lock file are installed."""
    node, npm = command("node"), command("npm")
    lock = (FOLDER / "package-lock.json").read_text()
    stamp = FOLDER / "node_modules" / ".installed"
    if not stamp.exists() or stamp.read_text() != lock:
        subprocess.run([npm, "ci", "--no-audit", "--no-fund"], cwd=FOLDER, check=True, timeout=5 * MINUTE)
        stamp.write_text(lock)
    return node


async def stuck(request: Received, wire: Wire) -> None:
    """Whole answers never come; streams begin and stay."""
    await (BEGUN if request.json.get("stream") else stalling())(request, wire)


@pytest.mark.clients
@pytest.mark.parametrize("script", sorted(path.name for path in FOLDER.glob("*.mjs")))
def test_client(house: House, node, script):
    house.script(stuck)
    settings = {
        "OPENAI_BASE_URL": house.base_url,
        "OPENAI_API_KEY": house.key,
        "ANTHROPIC_BASE_URL": house.served.url,
        "ANTHROPIC_API_KEY": house.key,
    }
    done = subprocess.run(
        [node, FOLDER / script],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=2 * MINUTE,
    )
    assert done.returncode == 0, f"{script}:\n{done.stdout}\n{done.stderr}"
    house.cancelled(len(house.asked))
    assert house.asked
