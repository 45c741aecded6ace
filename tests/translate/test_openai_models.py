"""What models behind OpenAI's dialect take, by their names."""

import pytest

from gateway.translate.openai_models import spoken


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        ("gpt-4o", (False, False)),
        ("gpt-5-mini", (True, True)),
        ("openai/gpt-5.1", (True, True)),
        ("o3", (True, True)),
        ("gpt-oss-120b", (False, True)),
        ("deepseek-reasoner", (False, True)),
        ("qwen/qwen3-235b", (False, True)),
        ("llama-3.3-70b", (False, False)),
        ("foo1", (False, False)),
        ("", (False, False)),
    ],
)
def test_traits(name: str, traits: tuple[bool, bool]) -> None:
    assert tuple(spoken(name)) == traits
