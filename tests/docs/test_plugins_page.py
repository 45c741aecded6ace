"""docs/plugins.md, from top to bottom: its files written, its configuration checked, its tests run."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run(folder: Path, *command: str) -> str:
    done = subprocess.run([sys.executable, "-m", *command], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_page_from_top_to_bottom(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "plugins.md").read_text().partition("\n# What there is to know")[0]
    told = ""
    for language, text in FENCE.findall(page):
        if language == "python":
            path = tmp_path / text.partition("\n")[0].removeprefix("# ")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        elif language == "yaml":
            (tmp_path / "gateway.yaml").write_text(text)
        elif text.startswith("gateway check"):
            told += run(tmp_path, *text.split())
        else:
            assert text == "pytest tests\n"
            told += run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider", "tests")
    assert "gateway.yaml: good: 5 models" in told
    assert "4 passed" in told
