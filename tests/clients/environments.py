"""Environments of their own, for clients that cannot share one."""

import hashlib
import subprocess
import sys
import venv
from pathlib import Path

from tests.clients.conftest import ROOT

FOLDER = Path(__file__).parent / "envs"
BUILD = ROOT / "build" / "clients"
NAMES = sorted(path.parent.name for path in FOLDER.glob("*/check.py"))


def environment(name: str) -> Path:
    """The Python of a client's environment, built first where its requirements are new."""
    requirements = FOLDER / name / "requirements.txt"
    home = BUILD / name
    python = home / "bin" / "python"
    stamp = home / "requirements.sha256"
    wanted = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()
    if not stamp.exists() or stamp.read_text() != wanted:
        venv.EnvBuilder(clear=True, with_pip=True, symlinks=True).create(home)
        # The lock is complete; what it leaves out on purpose must not come all the same.
        install = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*install, "--require-hashes", "-r", requirements], check=True)
        stamp.write_text(wanted)
    return python
