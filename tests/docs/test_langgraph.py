"""The page on LangGraph: what it shows answers."""

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from gateway.testing import serve

PAGE = (Path(__file__).parents[2] / "docs/langgraph.md").read_text()
PLUGINS = re.findall(r"^```python\n# plugins/(\w+\.py)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
DESK, ESSAY = (yaml.safe_load(text) for text in re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL))
CLERK = DESK | {"models": {"fast": "mock/echo"}, "chains": {"clerk": {"type": "simple", "function": "clerk:agent"}}}


@pytest.fixture(autouse=True)
def plugins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "plugins").mkdir()
    for name, text in PLUGINS:
        (tmp_path / "plugins" / name).write_text(text)
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize(
    ("config", "model", "text"),
    [
        (DESK, "graph:desk", "order_state answered: Order number left the warehouse today."),
        (ESSAY, "chain:essay", "Write 50 words: Outline an essay about Hello?."),
        (CLERK, "chain:clerk", "Hello?"),
    ],
)
def test_it_answers(config: dict[str, Any], model: str, text: str) -> None:
    body = {"model": model, "messages": [{"role": "user", "content": "Hello?"}], "inputs": {"words": 50}}
    with serve(config) as served:
        headers = {"x-gateway-conversation-id": "c-17"}
        answer = httpx.post(
            f"{served.base_url}/chat/completions", json=body, headers=headers, trust_env=False, timeout=30
        )
        assert answer.json()["choices"][0]["message"]["content"] == text
        served.idle()
