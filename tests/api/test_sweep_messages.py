"""Anthropic's doors, and targets of the other dialect: never a 500, never a hang, and errors in one shape."""

import json
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.testing import Received, Wire, completion, events, message, messages_events
from tests.api.test_sweep import documents, scalars, sound, sweep
from tests.doors import Doors, anthropic_error_of, block, named_events_of, opened

PATHS = ["/v1/messages", "/v1/messages/count_tokens"]
MODELS = ["mock/echo", "mock/tools", "up/m", "claude/m", "claude/claude-opus-4-6"]


@pytest.fixture(scope="module")
def swept() -> Iterator[Doors]:
    async def script(request: Received, wire: Wire) -> None:
        stream = b'"stream":true' in request.body.replace(b" ", b"")
        if request.path.endswith("count_tokens"):
            await wire.json({"input_tokens": 1})
        elif request.path.endswith("/messages"):
            await (wire.stream(messages_events("Hello.")) if stream else wire.json(message("Hello.")))
        else:
            await (wire.stream(events("Hello.")) if stream else wire.json(completion("Hello.")))

    with opened({"server": {"max_body": "200KiB"}}) as doors:
        claude = block(doors.upstream, type="anthropic")
        with opened({"providers": {"claude": claude, "up": block(doors.upstream)}}) as other:
            doors.upstream.script = script
            yield other


def read(doors: Doors, body: bytes, path: str) -> httpx.Response:
    """Send a body; the answer must be one that a client of Anthropic's can read."""
    answer = doors.client.post(path, content=body, headers={"content-type": "application/json"})
    assert answer.status_code != 500, (body, answer.text)
    if answer.status_code != 200:
        assert 400 <= answer.status_code < 500, (body, answer.text)
        anthropic_error_of(answer)
    elif answer.headers["content-type"] == "application/json":
        assert set(answer.json()) >= ({"input_tokens"} if "count" in path else {"type", "role", "content", "usage"})
    else:
        names = [name for name, _ in named_events_of(answer.content)]
        assert (names[0], names[-1]) == ("message_start", "message_stop"), names
    return answer


blocks = st.fixed_dictionaries(
    {
        "type": st.sampled_from(
            ["text", "image", "document", "tool_use", "tool_result", "thinking", "redacted_thinking", "search_result"]
        )
        | scalars
    },
    optional={
        "text": scalars,
        "source": st.fixed_dictionaries(
            {"type": st.sampled_from(["base64", "url", "text", "file"])},
            optional={"data": scalars, "url": scalars, "media_type": scalars},
        )
        | documents,
        "id": scalars,
        "name": scalars,
        "input": documents,
        "tool_use_id": scalars,
        "content": documents,
        "is_error": scalars,
        "thinking": scalars,
        "signature": scalars,
        "cache_control": documents,
    },
)
turns = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["user", "assistant", "system", "x"]) | scalars},
        optional={"content": st.text(max_size=9) | st.lists(blocks | documents, max_size=3) | documents},
    )
    | documents,
    max_size=4,
)
FIELDS = (
    "system stop_sequences temperature top_p top_k metadata tools tool_choice thinking output_config service_tier x"
)
requests = st.fixed_dictionaries(
    {"model": st.sampled_from(MODELS), "max_tokens": st.just(9) | st.integers(), "messages": turns},
    optional={"stream": st.booleans() | documents, **dict.fromkeys(FIELDS.split(), documents)},
)
tools = st.lists(st.fixed_dictionaries({"name": st.text(max_size=5)}, optional={"input_schema": documents}), max_size=2)
near = st.fixed_dictionaries(
    {
        "model": st.sampled_from(MODELS),
        "max_tokens": st.integers(1, 99),
        "messages": st.lists(
            st.fixed_dictionaries(
                {
                    "role": st.sampled_from(["user", "assistant"]),
                    "content": st.text(max_size=9) | st.lists(blocks, max_size=3),
                }
            ),
            max_size=4,
        ),
    },
    optional={
        "stream": st.booleans(),
        "system": st.text(max_size=9) | st.lists(blocks, max_size=2),
        "tools": tools,
        "tool_choice": st.fixed_dictionaries(
            {"type": st.sampled_from(["auto", "any", "none", "tool", "x"])},
            optional={"name": scalars, "disable_parallel_tool_use": scalars},
        ),
        "thinking": st.fixed_dictionaries(
            {"type": st.sampled_from(["enabled", "disabled", "adaptive"])},
            optional={"budget_tokens": st.integers(0, 9999)},
        ),
    },
)


@pytest.mark.parametrize("path", PATHS)
@sweep
@given(document=documents | requests | near)
def test_any_json(swept: Doors, path: str, document: Any) -> None:
    read(swept, json.dumps(document).encode(), path)


@pytest.mark.parametrize("path", PATHS)
@sweep
@given(data=st.binary(max_size=100))
def test_any_bytes(swept: Doors, path: str, data: bytes) -> None:
    assert read(swept, data, path).status_code == 400


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize(
    "given",
    [
        b"[" * 50_000 + b"]" * 50_000,
        b'[{"role":"user","content":' * 10_000 + b'"b"' + b"}]" * 10_000,
        b'[{"role":"user","content":"%s"}]' % (b"x" * 150_000),
        b'[{"role":"user","content":"\\ud83d"}]',
        b'[{"role":"user","content":[%s]}]' % b",".join([b'{"type":"text","text":"kill"}'] * 5000),
        b'[{"role":"user","role":"assistant","content":"a","content":["b"]}]',
        b'[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"n","input":{"n":1e999}}]}]',
        b'[{"role":"assistant","content":[{"type":"tool_use","id":"1","name":"n","input":%s}]}]'
        % (b'{"a":' * 9999 + b"1" + b"}" * 9999),
    ],
)
def test_bodies_that_are_known_to_hurt(swept: Doors, model: str, path: str, given: bytes) -> None:
    read(swept, b'{"model":"%s","max_tokens":9,"messages":%s,"%s":1}' % (model.encode(), given, b"y" * 9000), path)


chat_turns = st.lists(
    st.fixed_dictionaries(
        {"role": st.sampled_from(["system", "user", "assistant", "tool", "developer"]) | scalars},
        optional={"content": documents, "tool_calls": documents, "tool_call_id": scalars, "refusal": scalars},
    )
    | documents,
    max_size=4,
)
CHAT = (
    "n max_tokens max_completion_tokens tools tool_choice response_format stop logprobs reasoning_effort functions user"
)


@sweep
@given(
    document=st.fixed_dictionaries(
        {"model": st.sampled_from(MODELS[3:]), "messages": chat_turns},
        optional={"stream": st.booleans(), **dict.fromkeys(CHAT.split(), documents)},
    )
)
def test_chat_on_messages(swept: Doors, document: Any) -> None:
    sound(swept, json.dumps(document).encode())
