"""Where the texts of a request stand."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.wire.request_texts import places


def found(surface: str, body: Any) -> list[tuple[str, str, str]]:
    out = []
    for place in places(surface, body):
        text = body
        for step in place.path:
            text = text[step]
        out.append((text, place.role, place.origin))
    return out


def test_chat() -> None:
    body = {
        "messages": [
            {"role": "developer", "content": "a"},
            {"role": "system", "content": [{"type": "text", "text": "b"}]},
            {
                "role": "user",
                "content": [{"type": "text", "text": "c"}, {"type": "image_url"}, {"type": "text", "text": ""}],
            },
            {
                "role": "assistant",
                "content": [{"type": "refusal", "refusal": "d"}],
                "refusal": "e",
                "reasoning_content": "f",
                "tool_calls": [
                    {"type": "function", "function": {"name": "f", "arguments": "g"}},
                    {"type": "custom", "custom": {"name": "f", "input": "h"}},
                ],
                "function_call": {"name": "f", "arguments": "i"},
            },
            {"role": "tool", "content": "j"},
            {"role": "function", "content": "k"},
            {"role": "else", "content": "l"},
            {"content": "m"},
        ],
        "prediction": {"type": "content", "content": [{"type": "text", "text": "n"}]},
    }
    assert found("chat", body) == [
        ("a", "developer", "system"),
        ("b", "system", "system"),
        ("c", "user", "user"),
        ("", "user", "user"),
        ("d", "assistant", "assistant"),
        ("e", "assistant", "assistant"),
        ("f", "assistant", "assistant"),
        ("g", "assistant", "assistant"),
        ("h", "assistant", "assistant"),
        ("i", "assistant", "assistant"),
        ("j", "tool", "tool"),
        ("k", "function", "tool"),
        ("l", "else", "user"),
        ("m", "", "user"),
        ("n", "assistant", "user"),
    ]


def test_messages() -> None:
    body = {
        "system": [{"type": "text", "text": "a"}],
        "messages": [
            {"role": "user", "content": "b"},
            {
                "role": "assistant",
                "content": [
                    {"type": "thinking", "thinking": "signed", "signature": "s"},
                    {"type": "text", "text": "c"},
                    {"type": "tool_use", "id": "t", "name": "f", "input": {"q": "d", "n": [1, {"deep": "e"}]}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "t", "content": "f"},
                    {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "g"}]},
                    {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "h"}},
                    {"type": "document", "source": {"type": "base64", "data": "aGk="}},
                    {"type": "document", "source": {"type": "content", "content": [{"type": "text", "text": "i"}]}},
                    {"type": "search_result", "content": [{"type": "text", "text": "j"}]},
                ],
            },
        ],
    }
    assert found("messages", body) == [
        ("a", "system", "system"),
        ("b", "user", "user"),
        ("c", "assistant", "assistant"),
        ("d", "assistant", "assistant"),
        ("e", "assistant", "assistant"),
        ("f", "user", "tool"),
        ("g", "user", "tool"),
        ("h", "user", "user"),
        ("i", "user", "user"),
        ("j", "user", "tool"),
    ]


def test_system_is_a_text_of_messages_alone() -> None:
    body = {"system": "a", "messages": []}
    assert found("messages", body) == [("a", "system", "system")]
    assert found("chat", body) == []


@pytest.mark.parametrize(
    ("surface", "body", "texts"),
    [
        ("completions", {"prompt": "a", "suffix": "b", "input": "x"}, ["a", "b"]),
        ("completions", {"prompt": ["a", "b"]}, ["a", "b"]),
        ("completions", {"prompt": [1, 2]}, []),
        ("completions", {"prompt": [[1, 2], "a", [3]]}, ["a"]),
        ("embeddings", {"input": "a", "prompt": "x"}, ["a"]),
        ("embeddings", {"input": ["a", "b"]}, ["a", "b"]),
        ("embeddings", {"input": [[1, 2], [3]]}, []),
        ("embeddings", {"input": [{"text": "a"}, {"image": "https://x"}]}, ["a"]),
        ("moderations", {"input": "a"}, ["a"]),
        ("moderations", {"input": ["a", "b"]}, ["a", "b"]),
        (
            "moderations",
            {"input": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "https://x"}}]},
            ["a"],
        ),
        ("chat", {"prompt": "x", "input": "x", "suffix": "x"}, []),
    ],
)
def test_inputs(surface: str, body: Any, texts: list[str]) -> None:
    assert found(surface, body) == [(text, "user", "user") for text in texts]


NAMES = [
    *("messages", "system", "prediction", "role", "content", "text", "type", "tool_calls", "function", "arguments"),
    *("custom", "input", "function_call", "refusal", "source", "data", "prompt"),
]
WORDS = ["user", "tool", "tool_result", "tool_use", "document", "text", "search_result", "content"]
ANY = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.sampled_from(WORDS)
    | st.text(max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(NAMES), inner, max_size=5),
    max_leaves=20,
)


@pytest.mark.parametrize("surface", ["chat", "messages", "completions", "embeddings", "moderations"])
@given(body=ANY, messages=st.lists(st.dictionaries(st.sampled_from(NAMES), ANY, max_size=4), max_size=3))
def test_whatever_the_body_each_place_holds_a_text(surface: str, body: Any, messages: list[Any]) -> None:
    for document in (body, {"messages": messages}):
        seen = [place.path for place in places(surface, document)]
        assert all(isinstance(text, str) for text, _, _ in found(surface, document))
        assert len(set(seen)) == len(seen)
