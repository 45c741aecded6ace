"""Chunks into a completion and back: nothing is lost, not even how a number was written."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from gateway.wire.chat_fold import fold, unfold
from gateway.wire.verbatim import INVALID


class Number(str):
    """A number literal, told from a string."""

    __slots__ = ()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and str(self) == str(other)

    __hash__ = str.__hash__


def exact(source: bytes | str) -> Any:
    """The document with its number literals kept."""
    return json.loads(source, parse_int=Number, parse_float=Number)


def dump(value: Any) -> str:
    """JSON source of a tree whose numbers are literals; strings as `json` escapes them."""
    if isinstance(value, Number):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value)
    if isinstance(value, list):
        return "[" + ", ".join(map(dump, value)) + "]"
    if isinstance(value, dict):
        return "{" + ",".join(f"{json.dumps(name)}: {dump(item)}" for name, item in value.items()) + "}"
    return json.dumps(value)


def folded(events: list[Any]) -> Any:
    return exact(fold([dump(event).encode() for event in events]))


def with_required(completion: Any) -> Any:
    """The completion with the keys that folding adds."""
    for choice in completion["choices"]:
        choice.setdefault("logprobs", None)
        choice.setdefault("finish_reason", None)
        message = choice["message"]
        message.setdefault("role", "assistant")
        message.setdefault("content", None)
        message.setdefault("refusal", None)
    return completion


# ---- completions

NUMBERS = st.sampled_from(["0", "-0", "1.00", "1e400", "-1.5E-7", "123456789012345678901234567890", "17"]).map(Number)
TEXT = st.text(st.characters(codec="utf-8", exclude_categories=()), max_size=12) | st.sampled_from(
    ["", "\u0000", "\ud83d\ude00", "\ud83d", "\ude00 x", '"\\', "\n\r\t", "é😀"]
)
WORDS = st.text("abcdefgh_", min_size=1, max_size=6).map("x_".__add__)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORDS, inner, max_size=3),
    max_leaves=6,
)
# What nobody knows: lists and objects too, on each level. Not null where a chunk's null means nothing new.
UNKNOWN = st.dictionaries(WORDS, JSON, max_size=2)


def shaped(required: dict[str, Any], optional: dict[str, Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.tuples(UNKNOWN, st.fixed_dictionaries(required, optional=optional)).map(
        lambda both: {**both[0], **both[1]}
    )


FUNCTIONS = shaped({"name": TEXT, "arguments": TEXT}, {})
TOOL_CALLS = st.one_of(
    shaped({"id": WORDS, "type": st.just("function"), "function": FUNCTIONS}, {}),
    shaped({"id": WORDS, "type": st.just("custom"), "custom": shaped({"name": WORDS, "input": TEXT}, {})}, {}),
)
TOKENS = st.lists(
    shaped(
        {"token": TEXT, "logprob": NUMBERS},
        {
            "bytes": st.none() | st.lists(NUMBERS, max_size=3),
            "top_logprobs": st.lists(shaped({"token": TEXT, "logprob": NUMBERS}, {}), max_size=2),
        },
    ),
    max_size=3,
)
LOGPROBS = shaped({"content": st.none() | TOKENS, "refusal": st.none() | TOKENS}, {})
MESSAGES = shaped(
    {},
    {
        "role": st.just("assistant"),
        "content": st.none() | TEXT,
        "refusal": st.none() | TEXT,
        "reasoning_content": st.none() | TEXT,
        "reasoning": TEXT,
        "tool_calls": st.lists(TOOL_CALLS, max_size=3),
        "function_call": FUNCTIONS,
        "audio": st.none() | shaped({"id": WORDS, "data": TEXT, "expires_at": NUMBERS, "transcript": TEXT}, {}),
        "annotations": st.lists(shaped({"type": WORDS, "url_citation": UNKNOWN}, {}), max_size=2),
    },
)
CHOICES = shaped(
    {"message": MESSAGES},
    {
        "finish_reason": st.none() | st.sampled_from(["stop", "length", "tool_calls", "x"]),
        "logprobs": st.none() | LOGPROBS,
    },
)
USAGE = shaped(
    {"prompt_tokens": NUMBERS, "completion_tokens": NUMBERS, "total_tokens": NUMBERS},
    {"prompt_tokens_details": st.none() | UNKNOWN, "completion_tokens_details": UNKNOWN},
)


@st.composite
def completions(draw: st.DrawFn) -> dict[str, Any]:
    top = draw(
        shaped(
            {"id": WORDS, "object": st.just("chat.completion"), "created": NUMBERS, "model": TEXT},
            {
                "usage": st.none() | USAGE,
                "system_fingerprint": st.none() | TEXT,
                "service_tier": st.none() | WORDS,
            },
        )
    )
    choices = draw(st.lists(CHOICES, max_size=3))
    top["choices"] = [{"index": Number(at), **choice} for at, choice in enumerate(choices)]
    return top


@given(completions())
def test_a_completion_folds_from_its_chunks(completion: dict[str, Any]) -> None:
    source = dump(completion).encode()
    assert exact(fold(unfold(source))) == with_required(exact(source))


@given(completions())
def test_unfolding_what_was_folded_changes_nothing(completion: dict[str, Any]) -> None:
    once = fold(unfold(dump(completion).encode()))
    assert exact(fold(unfold(once))) == exact(once)


@given(completions())
def test_chunks_have_the_shape_of_chunks(completion: dict[str, Any]) -> None:
    for event in map(exact, unfold(dump(completion).encode())):
        assert event["object"] == "chat.completion.chunk"
        assert event["id"] == completion["id"]
        for choice in event["choices"]:
            assert "message" not in choice
            assert choice["index"]
            assert choice["finish_reason"] is None or choice["delta"] == {}
            calls = choice["delta"].get("tool_calls") or []
            assert [call["index"] for call in calls] == [Number(at) for at in range(len(calls))]


# ---- chunkings


def cut(text: str, at: list[int]) -> list[str]:
    """A text in pieces, by UTF-16 units: a pair of surrogates may be cut in two, as servers in JavaScript do."""
    units = text.encode("utf-16-be", "surrogatepass")
    places = sorted(2 * (place % (len(units) // 2 + 1)) for place in at)
    pairs = zip([0, *places], [*places, len(units)], strict=True)
    return [units[a:b].decode("utf-16-be", "surrogatepass") for a, b in pairs]


PLACES = st.lists(st.integers(0, 40), max_size=4)
WHOLE_TEXT = st.text(max_size=15) | st.sampled_from(["😀😀", '{"a": "\\u00e9"}', "\u0000"])


@st.composite
def tool_call_deltas(draw: st.DrawFn, number: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    kind, field = draw(st.sampled_from([("function", "arguments"), ("custom", "input")]))
    text = draw(WHOLE_TEXT)
    call = {"id": f"call_{number}", "type": kind, kind: {"name": f"tool{number}", field: text}}
    pieces = cut(text, draw(PLACES))
    opening = {"index": Number(number), **call, kind: {"name": f"tool{number}", field: ""}}
    repeated = draw(st.sampled_from([{}, {"id": f"call_{number}"}, {"id": ""}, {"type": kind}, {"id": None}]))
    named = draw(st.sampled_from([{}, {"name": ""}, {"name": None}]))
    return call, [opening, *({"index": Number(number), **repeated, kind: {**named, field: p}} for p in pieces)]


def shuffled(draw: st.DrawFn, queues: list[list[Any]]) -> list[Any]:
    """The queues' items in any order that keeps each queue's own."""
    order = draw(st.permutations([at for at, queue in enumerate(queues) for _ in queue]))
    taken = [iter(queue) for queue in queues]
    return [next(taken[at]) for at in order]


@st.composite
def chunked(draw: st.DrawFn) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """A completion, and one of the ways in which a server may stream it."""
    base = {"id": "c", "object": "chat.completion", "created": Number("1"), "model": "m"}
    choices, streams = [], []
    for index in range(draw(st.integers(1, 3))):
        message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
        queues: list[list[dict[str, Any]]] = []
        logprobs: dict[str, Any] = {"content": [], "refusal": None}
        for field in draw(st.sets(st.sampled_from(["content", "refusal", "reasoning_content", "reasoning"]))):
            message[field] = draw(WHOLE_TEXT)
            deltas = [{"delta": {field: piece}} for piece in cut(message[field], draw(PLACES))]
            if field == "content":
                for at, delta in enumerate(deltas):
                    tokens = [{"token": f"{at}", "logprob": Number("-0.10"), "bytes": [Number("1")]}]
                    logprobs["content"] += tokens
                    delta["logprobs"] = {"content": tokens, "refusal": None}
            queues.append(deltas)
        calls = [draw(tool_call_deltas(number)) for number in range(draw(st.integers(0, 3)))]
        if calls:
            message["tool_calls"] = [call for call, _ in calls]
            deltas = [{"delta": {"tool_calls": [d]}} for d in shuffled(draw, [d for _, d in calls])]
            queues.append(deltas)
        opening = {"delta": {"role": "assistant", "content": draw(st.sampled_from([None, ""]))}}
        if opening["delta"]["content"] == "" and message["content"] is None:
            message["content"] = ""
        stream = [opening, *shuffled(draw, queues)]
        if draw(st.booleans()):
            for event in stream:
                event["delta"]["role"] = "assistant"
        finish = draw(st.sampled_from(["stop", "length"]))
        if draw(st.booleans()):
            stream.append({"delta": {}, "finish_reason": finish})
        else:
            stream[-1] = {**stream[-1], "finish_reason": finish}
        null = draw(st.booleans())
        for event in stream:
            event["index"] = Number(index)
            if null:
                event.setdefault("finish_reason", None)
                event.setdefault("logprobs", None)
        streams.append(stream)
        choice = {"index": Number(index), "message": message, "finish_reason": finish}
        choices.append({**choice, "logprobs": logprobs if logprobs["content"] else None})
    flat = shuffled(draw, streams)
    events: list[dict[str, Any]] = []
    for choice in flat:  # some servers put what is ready for several choices in one chunk
        if events and events[-1]["choices"][-1]["index"] < choice["index"] and draw(st.booleans()):
            events[-1]["choices"].append(choice)
        else:
            events.append({**base, "object": "chat.completion.chunk", "choices": [choice]})
    usage = {"prompt_tokens": Number("3"), "completion_tokens": Number("4"), "total_tokens": Number("7")}
    how = draw(st.sampled_from(["none", "trailer", "last", "growing"]))
    if how == "trailer":
        for event in events:
            event["usage"] = None
        events.append({**base, "choices": [], "usage": usage})
    elif how == "last":
        events[-1]["usage"] = usage
    elif how == "growing":
        for count, event in enumerate(events):
            event["usage"] = {**usage, "completion_tokens": Number(count)}
        events[-1]["usage"] = usage
    if draw(st.booleans()):
        events.insert(0, {**base, "id": "", "model": "", "choices": [], "prompt_filter_results": []})
        base["prompt_filter_results"] = []
    for event in events:
        event["obfuscation"] = "xyz"
    return {**base, "choices": choices, **({} if how == "none" else {"usage": usage})}, events


@settings(deadline=None)
@given(chunked())
def test_any_chunking_folds_to_the_same_completion(both: tuple[dict[str, Any], list[dict[str, Any]]]) -> None:
    completion, events = both
    assert folded(events) == exact(dump(completion))


# ---- what servers do


def event(*deltas: Any, **more: Any) -> dict[str, Any]:
    return {"id": "c", "choices": [{"index": at, "delta": delta} for at, delta in enumerate(deltas)], **more}


def message(*events: dict[str, Any]) -> Any:
    return json.loads(fold([json.dumps(event).encode() for event in events]))["choices"][0]["message"]


def call(source: str, **more: Any) -> dict[str, Any]:
    return {"function": {"arguments": source}, **more}


def test_parallel_calls_that_all_have_index_0() -> None:
    for split in (True, False):
        first = call("{1}", index=0, id="a", type="function")
        second = call("{2}", index=0, id="b", type="function")
        events = (
            [event({"tool_calls": [first]}), event({"tool_calls": [second]})]
            if split
            else [event({"tool_calls": [first, second]})]
        )
        calls = message(*events, event({"tool_calls": [call("+", index=0)]}))["tool_calls"]
        assert [(c["id"], c["function"]["arguments"]) for c in calls] == [("a", "{1}"), ("b", "{2}+")]
        assert all("index" not in c for c in calls)


def test_one_call_twice_in_one_chunk() -> None:
    deltas = [
        call("", index=0, id="a"),
        call('{"x"', index=0),
        call(":1}", index=0, id=""),
        call("{}", index=1, id="b"),
    ]
    calls = message(event({"tool_calls": deltas}))["tool_calls"]
    assert [(c["id"], c["function"]["arguments"]) for c in calls] == [("a", '{"x":1}'), ("b", "{}")]


def test_calls_without_index_have_that_of_their_place() -> None:
    calls = message(event({"tool_calls": [call("1", id="a"), call("2", id="b", index=None)]}))["tool_calls"]
    assert [c["id"] for c in calls] == ["a", "b"]


def test_choices_without_index_have_that_of_their_place() -> None:
    source = json.dumps({"choices": [{"delta": {"content": "a"}}, {"index": None, "delta": {"content": "b"}}]}).encode()
    choices = json.loads(fold([source]))["choices"]
    assert [(c["index"], c["message"]["content"]) for c in choices] == [(0, "a"), (1, "b")]
    whole = b'{"choices":[{"message":{"content":"a"}},{"message":{"content":"b"}}]}'
    assert [c["message"]["content"] for c in json.loads(fold(unfold(whole)))["choices"]] == ["a", "b"]


def test_calls_of_a_whole_answer_are_numbered_by_place_whatever_they_say() -> None:
    calls = [call("1", index=0, id="a"), call("2", index=0, id="b")]
    chunks = unfold(json.dumps({"choices": [{"message": {"tool_calls": calls}}]}).encode())
    deltas = json.loads(chunks[0])["choices"][0]["delta"]["tool_calls"]
    assert [(d["index"], d["id"]) for d in deltas] == [(0, "a"), (1, "b")]


def test_calls_out_of_order_are_sorted() -> None:
    calls = message(
        event({"tool_calls": [call("2", index=1, id="b")]}), event({"tool_calls": [call("1", index=0, id="a")]})
    )
    assert [c["id"] for c in calls["tool_calls"]] == ["a", "b"]


def test_names_are_repeated_not_continued() -> None:
    chunks = [
        event(
            {"role": "assistant", "tool_calls": [{"index": 0, "id": "a", "function": {"name": "f", "arguments": ""}}]}
        ),
        event(
            {"role": "assistant", "tool_calls": [{"index": 0, "id": "a", "function": {"name": "", "arguments": "{"}}]}
        ),
        event({"role": "", "tool_calls": [{"index": 0, "id": "", "function": {"name": "f", "arguments": "}"}}]}),
    ]
    folded = message(*chunks)
    assert folded["role"] == "assistant"
    assert folded["tool_calls"] == [{"id": "a", "function": {"name": "f", "arguments": "{}"}}]


def test_a_pair_of_surrogates_in_two_chunks() -> None:
    halves = [b'{"choices":[{"index":0,"delta":{"content":"%s"}}]}' % half for half in (rb"a\ud83d", rb"\ude00b")]
    assert json.loads(fold(halves))["choices"][0]["message"]["content"] == "a😀b"


def test_content_that_begins_as_a_list_and_goes_on_as_a_string() -> None:
    thought = {"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}
    said = message(
        event({"content": ""}), event({"content": [thought]}), event({"content": "a"}), event({"content": ""})
    )
    assert said["content"] == [thought, {"type": "text", "text": "a"}]


def test_azures_first_chunk_without_choices() -> None:
    first = {"id": "", "model": "", "choices": [], "prompt_filter_results": [{"prompt_index": 0}]}
    whole = json.loads(fold([json.dumps(e).encode() for e in (first, event({"content": "a"}, model="m"))]))
    assert whole["id"] == "c"
    assert whole["model"] == "m"
    assert whole["prompt_filter_results"] == [{"prompt_index": 0}]


def test_a_completion_without_choices_keeps_the_rest() -> None:
    assert json.loads(fold(unfold(b'{"id":"c","choices":[]}'))) == {
        "id": "c",
        "object": "chat.completion",
        "choices": [],
    }


@pytest.mark.parametrize(
    "source",
    [
        b"",
        b"[]",
        b'{"choices":{}}',
        b'{"choices":[1]}',
        b'{"choices":[null]}',
        b'{"choices":[{"index":"0","delta":{}}]}',
        b'{"choices":[{"index":0.5,"delta":{}}]}',
        b'{"choices":[{"index":0,"delta":"x"}]}',
        b'{"choices":[{"index":0,"delta":{"tool_calls":[null]}}]}',
        b'{"choices":[{"index":0,"delta":{"tool_calls":["x"]}}]}',
        b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":"0"}]}}]}',
        b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":true}]}}]}',
    ],
)
def test_what_is_no_chunk_raises_what_it_should(source: bytes) -> None:
    good = b'{"choices":[{"index":0,"delta":{"tool_calls":[{"index":0}]}}]}'
    for sources in ([source], [good, source], [source, good]):
        with pytest.raises((*INVALID, ValueError)):
            fold(sources)


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["choices", "index", "delta", "message", "tool_calls", "content", "logprobs", "id", "function"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=12,
)


@pytest.mark.parametrize("way", [lambda sources: fold(sources), lambda sources: [unfold(s) for s in sources]])
@given(documents=st.lists(ANY, max_size=3))
def test_nothing_else_is_ever_raised(way: Callable[[list[bytes]], Any], documents: list[Any]) -> None:
    try:
        way([json.dumps(document).encode() for document in documents])
    except (*INVALID, ValueError):
        pass
