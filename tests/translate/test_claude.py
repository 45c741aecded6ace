"""What Anthropic's models take, by their names."""

import pytest

from gateway.translate.claude import Claude, claude


@pytest.mark.parametrize(
    ("name", "traits"),
    [
        ("claude-3-opus-20240229", {"max_tokens": 4096, "budget": True, "schemas": False}),
        ("us.anthropic.claude-3-5-haiku-20241022-v1:0", {"max_tokens": 8192, "thinks": False}),
        ("claude-3-7-sonnet-latest", {"max_tokens": 64_000, "thinks": True, "budget": True, "exclusive": False}),
        ("claude-opus-4-20250514", {"max_tokens": 32_000, "exclusive": False, "schemas": False}),
        ("claude-opus-4@20250514", {"max_tokens": 32_000, "schemas": False}),
        ("claude-opus-4-1-20250805", {"exclusive": True, "schemas": True}),
        ("claude-sonnet-4-5@20250929", {"budget": True, "exclusive": True, "schemas": True, "system_turns": False}),
        ("anthropic.claude-sonnet-4-5-20250929-v1:0", {"schemas": True}),
        ("anthropic/claude-sonnet-4.5", {"schemas": True}),
        ("claude-opus-4-6", {"budget": False, "sampling": True, "shown": True, "xhigh": False, "forced": True}),
        ("claude-opus-4-7", {"sampling": False, "shown": False, "xhigh": True, "system_turns": False}),
        ("claude-opus-4-8-20260528", {"system_turns": True, "off": ""}),
        ("claude-opus-5", {"off": "disabled", "forced": True, "system_turns": True}),
        ("claude-sonnet-5", {"off": "disabled", "system_turns": False}),
        ("claude-sonnet-5-5", {"off": "between_tools", "forced": False, "system_turns": True}),
        ("claude-haiku-5-5", {"off": "disabled"}),
        ("claude-opus-5-5", {"off": "never", "forced": False}),
        ("claude-fable-5-1", {"off": "never"}),
        ("claude-sonnet-latest", {"budget": False, "sampling": False}),  # without a version: the newest
    ],
)
def test_traits(name: str, traits: dict[str, object]) -> None:
    found = claude(name)._asdict()
    assert {trait: found[trait] for trait in traits} == traits


@pytest.mark.parametrize(
    "name", ["", "llama", "gpt-4o", "my-claude", "claude", "anthropic.claude-v2:1", "claude-instant-1.2"]
)
def test_other_servers_models(name: str) -> None:
    assert claude(name) == Claude()
