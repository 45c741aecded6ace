"""A request that goes over and comes back is the same, or what differs was named as dropped.

What both dialects say in several ways is compared in one: a text alone as a list of one part, consecutive messages of a
role as one, system messages first, a tool's arguments as the object that they spell.
"""

import json
import re
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from gateway.seam import InvalidRequest, Request
from gateway.translate.chat_messages import CHAT_ON_MESSAGES
from gateway.translate.messages_chat import MESSAGES_ON_CHAT, MessagesOnChat
from tests.translate.answers import INPUTS, patient
from tests.translate.requests import MIDDLE, OTHER, Doc, translated, valid

TEXT = st.text(st.characters(codec="utf-8", categories=("L", "N", "P")), min_size=1, max_size=8)
WORD = st.text("abcdefgh_", min_size=1, max_size=6)
CACHE = st.sampled_from([{}, {"cache_control": {"type": "ephemeral"}}])
PNG = "data:image/png;base64,iVBORw0="
PDF = "data:application/pdf;base64,JVBERi0="


def some(**fields: st.SearchStrategy[Any]) -> st.SearchStrategy[Doc]:
    """Any of these fields, or none."""
    return st.fixed_dictionaries({}, optional=fields)


# ---- chat requests


TEXT_PARTS = st.builds(lambda text, cache: {"type": "text", "text": text, **cache}, TEXT, CACHE)
PARTS = st.one_of(
    TEXT_PARTS,
    st.builds(lambda detail: {"type": "image_url", "image_url": {"url": PNG, **detail}}, some(detail=st.just("low"))),
    st.just({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}}),
    st.builds(lambda name: {"type": "file", "file": {"filename": name, "file_data": PDF}}, WORD),
    st.just({"type": "file", "file": {"file_id": "file_1"}}),
    st.just({"type": "input_audio", "input_audio": {"data": "x", "format": "wav"}}),
)
SCHEMAS = st.sampled_from(
    [
        {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"], "additionalProperties": False},
        {"type": "object", "properties": {"a": {"type": "integer", "minimum": 1}}, "additionalProperties": False},
        {"type": "object", "properties": {}},
    ]
)
FUNCTIONS = st.builds(
    lambda name, schema, more: {"type": "function", "function": {"name": name, "parameters": schema, **more}},
    WORD,
    SCHEMAS,
    some(description=TEXT, strict=st.just(True)),
)


@st.composite
def chat_turns(draw: st.DrawFn) -> list[Doc]:
    made: list[Doc] = draw(
        st.lists(
            st.builds(
                lambda role, content: {"role": role, "content": content}, st.sampled_from(["system", "developer"]), TEXT
            ),
            max_size=2,
        )
    )
    made.append(
        {
            "role": "user",
            "content": draw(
                TEXT | st.lists(PARTS, max_size=3).map(lambda parts: [*parts, {"type": "text", "text": "q"}])
            ),
        }
    )
    for turn in range(draw(st.integers(0, 3))):
        calls = [
            {
                "id": f"call_{turn}_{n}",
                "type": "function",
                "function": {"name": draw(WORD), "arguments": json.dumps(draw(INPUTS))},
            }
            for n in range(draw(st.integers(0, 2)))
        ]
        said: Doc = {"role": "assistant", "content": draw(st.none() | TEXT) if calls else draw(TEXT)}
        made.append(said | ({"tool_calls": calls} if calls else {}) | draw(some(name=WORD, reasoning_content=TEXT)))
        results = st.one_of(TEXT, st.lists(TEXT_PARTS, min_size=1, max_size=2))
        made += [{"role": "tool", "tool_call_id": call["id"], "content": draw(results)} for call in calls]
        if draw(st.booleans()):
            made.append({"role": "user", "content": draw(TEXT)})
    return made


def format_of(schema: Doc) -> Doc:
    strict = {"strict": True} if schema["properties"] and "required" in schema else {}
    return {"type": "json_schema", "json_schema": {"name": "out", "schema": schema, **strict}}


CHAT = st.builds(
    lambda messages, limit, more, tools: {"messages": messages, **limit, **more, **tools},
    chat_turns(),
    st.sampled_from([{"max_tokens": 5000}, {"max_completion_tokens": 5000}]),
    some(
        temperature=st.sampled_from([0, 0.5, 1, 1.5]),
        top_p=st.sampled_from([0.5, 0.96, 1]),
        stop=st.lists(TEXT, min_size=1, max_size=3) | TEXT,
        user=WORD,
        service_tier=st.sampled_from(["auto", "default", "flex"]),
        stream=st.booleans(),
        reasoning_effort=st.sampled_from(["low", "medium", "high", "max"]),
        response_format=SCHEMAS.filter(lambda schema: schema["properties"]).map(format_of),
        n=st.integers(1, 2),
        seed=st.integers(),
        logprobs=st.booleans(),
        top_k=st.integers(1, 9),
        frequency_penalty=st.sampled_from([0, 0.5]),
        store=st.booleans(),
        metadata=st.dictionaries(WORD, TEXT, max_size=1),
        verbosity=st.just("low"),
        x_unknown=st.integers(),
    ),
    st.one_of(
        st.just({}),
        st.builds(
            lambda tools, more: {"tools": tools, **more},
            st.lists(FUNCTIONS, min_size=1, max_size=2, unique_by=lambda tool: tool["function"]["name"]),
            some(tool_choice=st.sampled_from(["auto", "none", "required"]), parallel_tool_calls=st.booleans()),
        ),
    ),
)


@patient
@given(CHAT)
def test_chat_comes_back_from_messages(asked: Doc) -> None:
    asked = json.loads(json.dumps(asked))  # nothing shared
    over, first = translated(CHAT_ON_MESSAGES, {"model": MIDDLE, **asked}, MIDDLE)
    valid(over, "messages")
    back, second = translated(MessagesOnChat(cache_control=True), over, MIDDLE)
    valid(back, "chat")
    second = tuple(path.replace("].strict", "].function.strict") for path in second)
    assert all(path == "top_k" or path.endswith(".strict") for path in second)  # what came over can go back
    if "tools" not in asked:  # a conversation that used tools defines them
        back.pop("tools", None)
    compared(chat_plain(asked), chat_plain(back), [*first, *second])


def chat_plain(request: Doc) -> Doc:
    """A chat request in the one way in which it is compared."""
    made = {name: value for name, value in request.items() if name != "messages" and value is not None}
    made.pop("model", None)
    made["max_tokens"] = made.pop("max_completion_tokens", made.get("max_tokens"))
    if isinstance(made.get("stop"), str):
        made["stop"] = [made["stop"]]
    for name, neutral in (("n", 1), ("logprobs", False), ("store", False), ("frequency_penalty", 0), ("stream", False)):
        if made.get(name) == neutral:
            del made[name]
    if made.get("metadata") == {}:
        del made["metadata"]
    for name in ("temperature", "top_p"):
        if made.get(name) == 1:  # the default
            del made[name]
    if made.get("tool_choice") in ("auto", None) or "tools" not in made:
        made.pop("tool_choice", None)
    if made.get("parallel_tool_calls") is True or made.get("tool_choice") == "none":
        made.pop("parallel_tool_calls", None)
    for tool in made.get("tools", ()):
        if tool["function"].get("strict"):  # OpenAI asks for it there
            tool["function"]["parameters"].setdefault("additionalProperties", False)
    if "response_format" in made:
        shape = made["response_format"]["json_schema"]
        shape["schema"] = {**shape["schema"], "title": shape["name"]}
    made["messages"] = request["messages"]
    return made


def merged(messages: list[Doc]) -> list[Doc]:
    """Messages in the one way in which they are compared: system first, roles merged, contents as parts."""
    made: list[Doc] = []
    system = [message for message in messages if message["role"] in ("system", "developer")]
    rest = [message for message in messages if message["role"] not in ("system", "developer")]
    for message in [*system, *rest]:
        content = message.get("content")
        parts = [{"type": "text", "text": content}] if isinstance(content, str) else list(content or ())
        calls = [
            {**call, "function": {**call["function"], "arguments": json.loads(call["function"]["arguments"])}}
            for call in message.get("tool_calls", ())
        ]
        role = message["role"] if message["role"] != "developer" else "system"
        more = {name: value for name, value in message.items() if name not in ("role", "content", "tool_calls")}
        if made and made[-1]["role"] == role and not more and role != "tool":
            made[-1]["parts"] += parts
            made[-1]["calls"] += calls
        else:
            made.append({"role": role, "parts": parts, "calls": calls, **more})
    return made


_STEP = re.compile(r"\[(\d+)\]|([^.\[\]]+)")
GONE: Any = object()


def compared(asked: Doc, back: Doc, dropped: list[str]) -> None:
    """Equal but for what was dropped."""
    for path in dropped:
        steps = [int(index) if index else name for index, name in _STEP.findall(path)]
        remove(asked, steps)
        if not any(isinstance(step, int) for step in steps):
            remove(back, steps)
    without_gone(asked)
    described = {"tools", "response_format"} if any("minimum" in path for path in dropped) else set()
    for name in described:  # a constraint that was dropped is told in the description
        forget_descriptions(asked.get(name))
        forget_descriptions(back.get(name))
    asked["messages"], back["messages"] = merged(asked["messages"]), merged(back["messages"])
    assert back == asked


def remove(document: Any, steps: list[Any]) -> None:
    for step in steps[:-1]:
        try:
            document = document[step]
        except (KeyError, IndexError, TypeError):
            return
    last = steps[-1]
    if isinstance(last, int):
        document[last] = GONE
    elif isinstance(document, dict) and last in document:
        if last in ("input_audio", "file") and document.get("type") == last:  # the part says nothing without it
            document["type"] = GONE
        del document[last]


def without_gone(value: Any) -> Any:
    if isinstance(value, list):
        value[:] = [without_gone(item) for item in value if item is not GONE and not is_gone(item)]
    elif isinstance(value, dict):
        for item in value.values():
            without_gone(item)
    return value


def is_gone(item: Any) -> bool:
    return isinstance(item, dict) and item.get("type") is GONE


def forget_descriptions(value: Any) -> None:
    if isinstance(value, dict):
        value.pop("description", None)
    for item in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        forget_descriptions(item)


# ---- Anthropic's requests


TEXT_BLOCKS = st.builds(lambda text, cache: {"type": "text", "text": text, **cache}, TEXT, CACHE)
BLOCKS = st.one_of(
    TEXT_BLOCKS,
    st.just({"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "iVBORw0="}}),
    st.just({"type": "image", "source": {"type": "url", "url": "https://example.com/a.png"}}),
    st.builds(
        lambda title: {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERi0="},
            "title": title,
        },
        WORD,
    ),
)
TOOLS = st.builds(
    lambda name, more: {"name": name, "input_schema": {"type": "object"}, **more}, WORD, some(description=TEXT)
)


@st.composite
def turns(draw: st.DrawFn) -> list[Doc]:
    made: list[Doc] = [{"role": "user", "content": draw(TEXT | st.lists(BLOCKS, min_size=1, max_size=3))}]
    for turn in range(draw(st.integers(0, 3))):
        blocks = draw(st.lists(TEXT_BLOCKS, max_size=1))
        if draw(st.booleans()):
            blocks.insert(0, {"type": "thinking", "thinking": draw(TEXT), "signature": draw(TEXT)})
        uses = [
            {"type": "tool_use", "id": f"toolu_{turn}_{n}", "name": draw(WORD), "input": draw(INPUTS)}
            for n in range(draw(st.integers(0, 2)))
        ]
        if not uses and not any(block["type"] == "text" for block in blocks):
            blocks.append({"type": "text", "text": "a"})
        made.append({"role": "assistant", "content": [*blocks, *uses]})
        results = [
            {
                "type": "tool_result",
                "tool_use_id": use["id"],
                **draw(some(content=TEXT | st.lists(TEXT_BLOCKS, min_size=2, max_size=2), is_error=st.booleans())),
            }
            for use in uses
        ]
        made.append(
            {"role": "user", "content": [*results, *draw(st.lists(BLOCKS, min_size=0 if results else 1, max_size=2))]}
        )
    return made


MESSAGES = st.builds(
    lambda messages, more, tools: {"max_tokens": 5000, "messages": messages, **more, **tools},
    turns(),
    some(
        system=TEXT | st.lists(TEXT_BLOCKS, min_size=1, max_size=2),
        temperature=st.sampled_from([0, 0.5]),
        stop_sequences=st.lists(TEXT, min_size=1, max_size=3),
        metadata=st.fixed_dictionaries({"user_id": WORD}),
        service_tier=st.sampled_from(["auto", "standard_only"]),
        stream=st.just(True),
        top_k=st.integers(1, 9),
        container=WORD,
        x_unknown=st.integers(),
    ),
    st.one_of(
        st.just({}),
        st.builds(
            lambda tools, kind, more: {"tools": tools, "tool_choice": {"type": kind, **more}},
            st.lists(TOOLS, min_size=1, max_size=2, unique_by=lambda tool: tool["name"]),
            st.sampled_from(["auto", "any"]),
            st.sampled_from([{}, {"disable_parallel_tool_use": True}]),
        ),
    ),
)


@patient
@given(MESSAGES, st.booleans())
def test_messages_come_back_from_chat(asked: Doc, caches: bool) -> None:
    asked = json.loads(json.dumps(asked))  # nothing shared
    valid({"model": MIDDLE, **asked}, "messages")
    over, dropped = translated(MessagesOnChat(cache_control=caches), {"model": MIDDLE, **asked}, MIDDLE)
    valid(over, "chat")
    back, none = translated(CHAT_ON_MESSAGES, over, MIDDLE)
    assert none == ()
    for path in dropped:
        remove(asked, [int(index) if index else name for index, name in _STEP.findall(path)])
    without_gone(asked)
    asked, back = messages_plain(asked), messages_plain(back)
    if "tools" not in asked:  # a conversation that used tools defines them
        back.pop("tools", None)
        back.pop("tool_choice", None)
    assert back == asked


def messages_plain(request: Doc) -> Doc:
    made = {name: value for name, value in request.items() if name != "model"}
    if isinstance(made.get("system"), str):
        made["system"] = [{"type": "text", "text": made["system"]}]
    if made.get("tool_choice") == {"type": "auto"}:
        del made["tool_choice"]
    merged: list[Doc] = []
    for turn in made["messages"]:
        content = turn["content"]
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else list(content)
        for block in blocks:
            if isinstance(block.get("content"), str):
                block["content"] = [{"type": "text", "text": block["content"]}]
            if block.get("is_error") is False:
                del block["is_error"]
        if merged and merged[-1]["role"] == turn["role"]:
            merged[-1]["content"] += blocks
        else:
            merged.append({"role": turn["role"], "content": blocks})
    made["messages"] = merged
    return made


# ---- anything


JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False, allow_infinity=False) | WORD,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WORD, inner, max_size=3),
    max_leaves=5,
)
NAMES = [
    "model",
    "messages",
    "system",
    "tools",
    "tool_choice",
    "functions",
    "function_call",
    "response_format",
    "output_config",
    "thinking",
    "metadata",
    "stop",
    "stop_sequences",
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "user",
    "stream",
    "reasoning_effort",
    "service_tier",
    "n",
    "logprobs",
    "cache_control",
]
INNER = st.dictionaries(
    st.sampled_from(
        [
            "role",
            "content",
            "type",
            "text",
            "tool_calls",
            "tool_call_id",
            "id",
            "function",
            "name",
            "arguments",
            "input",
            "source",
            "image_url",
            "url",
            "file",
            "data",
            "media_type",
            "thinking",
            "signature",
            "thinking_blocks",
            "schema",
            "json_schema",
            "format",
            "effort",
            "parameters",
            "custom",
        ]
    ),
    st.recursive(
        st.sampled_from(
            ["user", "assistant", "tool", "text", "tool_use", "tool_result", "image", "base64", "{", 1, None]
        ),
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(st.sampled_from(["type", "text", "id", "name", "content"]), inner, max_size=3)
        ),
        max_leaves=6,
    ),
    max_size=5,
)


@patient
@given(
    st.dictionaries(st.sampled_from(NAMES), JSON | INNER | st.lists(INNER, max_size=3), max_size=6),
    st.sampled_from([MIDDLE, OTHER]),
)
def test_whatever_is_asked_is_translated_or_told(body: Doc, model: str) -> None:
    raw = json.dumps({"messages": [{"role": "user", "content": "q"}], **body}).encode()
    for translation in (CHAT_ON_MESSAGES, MESSAGES_ON_CHAT):
        try:
            made = translation.request(Request(translation.front, raw, model=model))
        except InvalidRequest:
            continue
        json.loads(made.request.raw)
        assert all(path.isascii() and path.isprintable() for path in made.dropped)
