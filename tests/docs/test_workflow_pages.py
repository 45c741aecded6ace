"""Every chain and graph on these pages answers, whole and streamed."""

import re
from pathlib import Path

import pytest
import yaml

from gateway import Gateway

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PAGES = ["chains", "graphs", "tools", "memory"]
INPUTS = {"tone": "kind", "docs": ["a", "b"]}


def blocks(page: str, language: str) -> list[str]:
    return [text for kind, text in FENCE.findall((ROOT / f"docs/{page}.md").read_text()) if kind == language]


@pytest.mark.parametrize("page", PAGES)
async def test_every_workflow_of_the_page_answers(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for text in blocks(page, "python"):
        if name := re.match(r"# (plugins/\w+\.py)\n", text):
            (tmp_path / name[1]).parent.mkdir(exist_ok=True)
            (tmp_path / name[1]).write_text(text)
    asked = 0
    for text in blocks(page, "yaml"):
        if not re.search(r"^(chains|graphs):", text, re.MULTILINE):
            continue
        async with Gateway.load(yaml.safe_load(text)) as gateway:
            names = [entry.name for entry in gateway.catalog.visible(None) if entry.owner == "gateway"]
            assert names
            for name in names:
                messages = [{"role": "user", "content": "What about a refund?"}]
                whole = await gateway.run(name, messages=messages, inputs=INPUTS)
                stream = gateway.run(name, messages=messages, inputs=INPUTS, stream=True)
                assert "".join([piece async for piece in stream]) == whole.text != ""
                asked += 1
    assert asked > 1


def test_every_code_of_the_table_is_one_of_ours() -> None:
    page = (ROOT / "docs/chains.md").read_text()
    source = "".join(path.read_text() for path in (ROOT / "gateway/orchestration").glob("*.py"))
    table = re.findall(r"^\| \d+ \| (`.*?`) \|", page, re.MULTILINE)
    codes = [code for cell in table for code in re.findall(r"`(\w+)`", cell)]
    assert len(codes) == 7
    assert all(f'"{code}"' in source for code in codes)
