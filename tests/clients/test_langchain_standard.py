"""LangChain's standard tests, run twice: at a server itself, and at that server behind the gateway.

The server is a mock, which cannot do all that the tests ask of a model; what it can do, it must do behind the gateway
too, and what it cannot, it must fail at in both places.
"""

import os
import shutil
import subprocess
import xml.etree.ElementTree as ET
from collections.abc import Mapping
from pathlib import Path

import pytest

from gateway.testing import Served, serve
from tests.clients.environments import FOLDER, environment

MINUTE = 60
MODEL = "model"
OPTIONS = ("-p", "no:cacheprovider", "--asyncio-mode=auto")


def outcomes(served: Served, model: str, report: Path) -> Mapping[str, str]:
    """How each test ended."""
    python = environment("langchain-standard")
    suite = shutil.copy(FOLDER / "langchain-standard" / "suite.py", report.parent / "test_suite.py")
    settings = {
        "OPENAI_BASE_URL": served.base_url,
        "OPENAI_API_KEY": "sk-none",
        "STANDARD_MODEL": model,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [python, "-m", "pytest", "-q", *OPTIONS, f"--junitxml={report}", suite],
        cwd=report.parent,
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=5 * MINUTE,
    )
    assert report.exists(), done.stdout + done.stderr
    found = {}
    for case in ET.parse(report).iter("testcase"):
        children = [child.tag for child in case if child.tag in ("failure", "error", "skipped")]
        found[case.attrib["name"]] = children[0] if children else "passed"
    return found


@pytest.mark.clients
def test_the_standard_tests_end_alike_behind_the_gateway(tmp_path: Path) -> None:
    mock = {"providers": {"mock": {"type": "mock"}}, "models": {MODEL: "mock/tools"}}
    with serve(mock, {}) as server:
        behind = {
            "providers": {"up": {"type": "openai", "base_url": server.base_url}},
            "models": {MODEL: f"up/{MODEL}"},
        }
        with serve(behind, {}) as served:
            itself = outcomes(server, MODEL, tmp_path / "itself.xml")
            through = outcomes(served, MODEL, tmp_path / "through.xml")
    assert through == itself
    passed = [name for name, outcome in through.items() if outcome == "passed"]
    assert len(passed) >= 20, through
