"""The `llm` command line, with the gateway's models as its settings file adds them."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

MODELS = """
- {{model_id: echo, model_name: mock/echo, api_base: "{base}", api_key_name: gateway}}
- {{model_id: tools, model_name: mock/tools, api_base: "{base}", api_key_name: gateway, supports_tools: true}}
- {{model_id: cut, model_name: mock/cut, api_base: "{base}", api_key_name: gateway}}
"""
WEATHER = 'def weather(city: str) -> str:\n    "How the weather is"\n    return "12 degrees in " + city\n'


def llm(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "LLM_USER_PATH": str(folder)}
    command = [sys.executable, "-m", "llm", *words, "--key", os.environ["OPENAI_API_KEY"]]
    return subprocess.run(command, env=environment, capture_output=True, text=True, stdin=subprocess.DEVNULL)


with tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    (folder / "extra-openai-models.yaml").write_text(MODELS.format(base=os.environ["OPENAI_BASE_URL"]))
    for words in (("Hello world",), ("Hello world", "--no-stream")):
        done = llm(folder, "-m", "echo", *words)
        assert (done.returncode, done.stdout.strip()) == (0, "Hello world"), done
    done = llm(folder, "-m", "tools", "--functions", WEATHER, "How is the weather?")
    assert done.stdout.strip() == "weather answered: 12 degrees in Oslo", done
    done = llm(folder, "-m", "cut", "Hello world")
    assert done.returncode != 0, done
    assert "Error" in done.stderr, done
