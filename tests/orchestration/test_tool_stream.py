"""Turns as one stream: what servers send that is not quite what the reference says, and any way of cutting events."""

import json
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.orchestration.tool_stream import Joined
from gateway.orchestration.tool_turn import Turn
from gateway.seam import Batch, Chunk, UpstreamError, Usage
from gateway.seam.reply import fold
from gateway.testing import completion
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT

SPENT = Usage(30, 12)
CALL = {"id": "c", "type": "function", "function": {"name": "find", "arguments": "{}"}}
REPORTED = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


def event(delta: dict[str, Any] | None = None, finish: str | None = None, turn: str = "1", **more: Any) -> bytes:
    choices = [] if delta is None else [{"index": 0, "delta": delta, "finish_reason": finish}]
    base = {"id": turn, "object": "chat.completion.chunk", "created": 1, "model": f"m{turn}", "choices": choices}
    return b"data: " + json.dumps(base | more).encode() + b"\n\n"


def streamed(message: dict[str, Any], turn: str, finish: str = "stop", usage: bool = True) -> list[bytes]:
    """A message as events: each text letter by letter."""
    events = [event({"role": "assistant", "content": ""}, turn=turn)]
    for name in ("reasoning_content", "content"):
        events += [event({name: letter}, turn=turn) for letter in message.get(name) or ""]
    events += [
        event({"tool_calls": [call | {"index": at}]}, turn=turn)
        for at, call in enumerate(message.get("tool_calls", ()))
    ]
    events.append(event({}, finish, turn=turn))
    return [*events, *([event(turn=turn, usage=REPORTED)] if usage else []), b"data: [DONE]\n\n"]


def whole(message: dict[str, Any], turn: str, finish: str = "stop") -> Batch:
    choice = {"index": 0, "message": {"role": "assistant", "content": None, **message}, "finish_reason": finish}
    raw = json.dumps(completion() | {"id": turn, "created": 1, "model": f"m{turn}", "choices": [choice]}).encode()
    return Batch(raw, CHAT_ANSWER)


def batches(events: Sequence[bytes], *cuts: int) -> list[Batch]:
    """Events in batches, a new one where a cut is."""
    edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(events)}), len(events)]
    return [Batch(b"".join(events[a:b]), CHAT_EVENT) for a, b in pairwise(edges)]


def joined(*turns: Sequence[Batch], held: bool = False, calls: Sequence[Any] = ()) -> list[Chunk]:
    """What is seen of turns, the last of which has no calls of ours."""
    filter_ = Joined(held=held)
    seen: list[Chunk] = []
    for number, turn in enumerate(turns):
        for batch in turn:
            seen += filter_.feed(batch)
        if number < len(turns) - 1:
            filter_.next_turn(Turn.of(fold(turn, "chat"), ["find"], [], set()).message)
    return seen + filter_.end(calls, SPENT)


def documents(seen: Sequence[Chunk]) -> list[Any]:
    assert seen[-1].raw == b"data: [DONE]\n\n"
    return [json.loads(chunk.raw[6:]) for chunk in seen[:-1]]


def message_of(seen: Sequence[Chunk]) -> Any:
    return json.loads(fold([Batch.of(seen)], "chat").raw)


TEXTS = st.text(st.sampled_from('ab \n\\"ö🙂'), max_size=8)
TURNS = st.lists(st.fixed_dictionaries({"content": TEXTS, "reasoning_content": TEXTS}), min_size=1, max_size=4)


@given(TURNS, st.lists(st.integers(0, 30), max_size=5), st.booleans())
def test_however_events_are_cut_the_stream_is_the_whole_answer(
    turns: list[dict[str, Any]], cuts: list[int], held: bool
) -> None:
    said = [turn | ({"tool_calls": [CALL]} if turn is not turns[-1] else {}) for turn in turns]
    ways: list[Any] = []
    for number, message in enumerate(said):
        events = streamed(message, str(number))
        ways.append((batches(events, *cuts), [whole({k: v for k, v in message.items() if v}, str(number))]))
    found = [message_of(joined(*[way[kind] for way in ways], held=held)) for kind in (0, 1)]
    for document in found:
        for name in ("content", "reasoning_content"):
            document["choices"][0]["message"][name] = document["choices"][0]["message"].get(name) or ""
        document["choices"][0].pop("logprobs")
    assert found[0] == found[1]
    expected = ""
    for turn in turns[-1:] if held else turns:
        between = "\n\n" if expected and turn["content"] and not expected.endswith((" ", "\n")) else ""
        expected += between + turn["content"]
    assert found[0]["choices"][0]["message"]["content"] == expected
    assert found[0]["usage"] == {"prompt_tokens": 30, "completion_tokens": 12, "total_tokens": 42}


def test_what_the_client_may_see_of_the_first_turn_passes_as_it_came() -> None:
    events = streamed({"content": "Hello"}, "1")
    seen = joined(batches(events))
    assert [chunk.raw for chunk in seen[1:6]] == events[1:6]


def test_all_events_have_one_id_and_one_role() -> None:
    turns = [batches(streamed({"content": "a", "tool_calls": [CALL]}, "1")), batches(streamed({"content": "b"}, "2"))]
    found = documents(joined(*turns))
    assert {(one["id"], one["model"]) for one in found} == {("1", "m1")}
    assert [one["choices"][0]["delta"] for one in found if one["choices"]] == [
        {"role": "assistant", "content": ""},
        {"content": "a"},
        {"content": "\n\nb"},
        {},
    ]


def test_a_server_that_says_more_with_the_finish() -> None:
    """Azure's first event has no choice; some finish with the last piece, or report usage with every event."""
    first = event(None, id="", prompt_filter_results=[])
    events = [
        first,
        b": ping\n\n",
        event({"role": "assistant", "content": "a"}, usage=REPORTED),
        event({"content": "b"}, "stop", usage=REPORTED),
        b"data: [DONE]\n\n",
    ]
    found = documents(joined(batches(events)))
    assert [one["choices"][0]["delta"] for one in found[:-1]] == [
        {"role": "assistant", "content": "a"},
        {"content": "b"},
        {},
    ]
    assert [one["choices"][0]["finish_reason"] for one in found[:-1]] == [None, None, "stop"]
    assert found[-1]["usage"]["total_tokens"] == 42
    assert all("usage" not in one for one in found[:-1])


def test_a_server_that_reports_no_usage_and_no_finish() -> None:
    events = [event({"role": "assistant", "content": "a"}), b"data: [DONE]\n\n"]
    (only,) = documents(joined(batches(events)))
    assert only["choices"][0]["delta"]["content"] == "a"


def test_a_finish_that_speaks_of_calls_that_nobody_sees() -> None:
    found = documents(joined(batches(streamed({"content": "a", "tool_calls": [CALL]}, "1", finish="tool_calls"))))
    assert found[-2]["choices"][0]["finish_reason"] == "stop"
    assert "tool_calls" not in json.dumps(found)


@pytest.mark.parametrize("finish", [None, "stop", "length"])
def test_calls_for_the_client_end_the_answer(finish: str | None) -> None:
    events = [event({"role": "assistant", "content": None}), *([event({}, finish)] if finish else [])]
    found = documents(joined(batches(events), calls=[CALL, CALL]))
    assert [call["index"] for call in found[1]["choices"][0]["delta"]["tool_calls"]] == [0, 1]
    assert found[2]["choices"][0]["finish_reason"] == "tool_calls"


def test_what_is_signed_is_handed_on_of_the_first_turn_only() -> None:
    thought = [{"type": "thinking", "thinking": "x", "signature": "s"}]
    turns = [
        [whole({"tool_calls": [CALL], "reasoning_content": "x", "thinking_blocks": thought}, "1")],
        [whole({"content": "b", "reasoning_content": "y", "thinking_blocks": thought}, "2")],
    ]
    message = message_of(joined(*turns))["choices"][0]["message"]
    assert message["thinking_blocks"] == thought
    assert message["reasoning_content"] == "x\n\ny"


def test_half_of_a_surrogate_pair_is_no_reason_to_fail() -> None:
    broken = event({"content": "HALF"}).replace(b"HALF", rb"\ud83d")
    turns = [
        batches([event({"role": "assistant"}), event({"tool_calls": [CALL]}), event({}, "tool_calls")]),
        batches([broken, event({}, "stop")]),
    ]
    assert documents(joined(*turns))[1]["choices"][0]["delta"]["content"] == "�"


def test_what_is_no_chunk_is_told() -> None:
    with pytest.raises(UpstreamError, match="no chat chunk"):
        joined([Batch(b'data: {"choices": 7}\n\n', CHAT_EVENT)])
