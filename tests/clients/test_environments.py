"""Python clients that need environments of their own: one folder each, with its requirements and its check."""

import os
import subprocess

import pytest

from tests.clients.conftest import House
from tests.clients.environments import FOLDER, NAMES, environment

MINUTE = 60


@pytest.mark.clients
@pytest.mark.parametrize("name", NAMES)
def test_client(house: House, name):
    python = environment(name)
    settings = {
        "OPENAI_BASE_URL": house.base_url,
        "OPENAI_API_KEY": house.key,
        "ANTHROPIC_BASE_URL": house.served.url,
        "ANTHROPIC_API_KEY": house.key,
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    done = subprocess.run(
        [python, "-W", "error", FOLDER / name / "check.py"],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=2 * MINUTE,
    )
    assert done.returncode == 0, f"{name}:\n{done.stdout}\n{done.stderr}"
