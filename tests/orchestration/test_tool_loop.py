"""Models that call tools: what they are shown, what callers see, and what happens when something goes wrong."""

import json
import logging
from collections.abc import Iterator
from typing import Any

import anthropic
import openai
import pytest

from gateway.testing import Received, Wire
from tests.doors import anthropic_error_of, error_of, events_of, named_events_of, text_of
from tests.orchestration.agents import SHOP, Agents, Called, Said, Shop, agents, transcript

TOOLS = "tests.orchestration.agents"
NAMES = ["find", "meet", "hang", "fail", "refuse", "flood", "echo", "pair", "expert"]
AGENT = {"type": "simple", "system": "Be brief.", "tools": NAMES}
CONFIG = {
    "tools": {
        "find": {"function": f"{TOOLS}:find"},
        "meet": {"function": f"{TOOLS}:meet"},
        "hang": {"function": f"{TOOLS}:hang", "timeout": "100ms"},
        "hold": {"function": f"{TOOLS}:hang"},
        "fail": {"function": f"{TOOLS}:fail"},
        "refuse": {"function": f"{TOOLS}:refuse"},
        "flood": {"function": f"{TOOLS}:flood", "max_size": "1KiB"},
        "echo": {"chain": "echo"},
        "pair": {"template": "{{ a }} and {{ b | default('nobody') }} of {{ inputs.tenant | default('all') }}",
                 "parameters": {"type": "object", "properties": {"a": {"type": "string", "minLength": 2},
                                                                 "b": {"type": "string"}}, "required": ["a"]}},
        "expert": {"model": "mock/echo", "prompt": "You know {{ topic }}", "parameters": {"topic": "string"}},
    },
    "chains": {
        "echo": {"type": "simple", "model": "mock/echo", "description": "Says it again."},
        "agent": {**AGENT, "model": "m"},
        "claude": {**AGENT, "model": "claude"},
        "holding": {"type": "simple", "model": "m", "tools": ["hold"]},
        "short": {"type": "simple", "model": "m", "tools": ["find"], "max_turns": 2},
        "pressed": {"type": "simple", "model": "m", "tools": ["find"], "max_turns": 2, "on_max_turns": "answer"},
        "pressed-claude": {
            "type": "simple",
            "model": "claude",
            "tools": ["find"],
            "max_turns": 2,
            "on_max_turns": "answer",
        },
        "forced": {"type": "simple", "model": "m", "tools": ["find"],
                   "params": {"tool_choice": "find", "parallel_tool_calls": False}},
        "shaped": {"type": "simple", "model": "m", "tools": ["find"], "response_format": {"state": "string"}},
        "inner": {
            "type": "sequential",
            "steps": [
                {"name": "draft", "model": "m", "tools": ["find"], "response_format": {"state": "string"},
                 "retry": {"attempts": 2, "wait": "1ms"}},
                {"name": "final", "template": "It is {{ draft.state }}."},
            ],
        },
        "each": {"type": "sequential", "steps": [
            {"name": "all", "map": "{{ inputs.numbers }}", "model": "m", "prompt": "{{ item }}", "tools": ["find"]},
            {"name": "out", "template": "{{ all | join('; ') }}"}]},
        "after": {
            "type": "sequential",
            "steps": [
                {"name": "first", "model": "mock/echo", "prompt": "One"},
                {"name": "last", "model": "m", "tools": ["find"]},
            ],
        },
        "safe": {"type": "simple", "model": "m", "tools": ["find"], "max_turns": 2, "default": "Sorry."},
    },
    "graphs": {
        "g": {"start": "a", "nodes": {"a": {"model": "m", "tools": ["find"]}}, "edges": [{"from": "a", "to": "END"}]},
    },
}  # fmt: skip
FIND = Called("find", {"number": "1"}, "call_1")


@pytest.fixture(scope="module")
def _opened() -> Iterator[Agents]:
    with agents(CONFIG) as found:
        yield found


@pytest.fixture
def world(_opened: Agents) -> Iterator[Agents]:
    SHOP.__dict__.update(Shop().__dict__)
    for upstream in (_opened.doors.upstream, _opened.claude):
        upstream.received.clear()
        upstream.left = 0
    yield _opened
    _opened.quiet()


def said_by(world: Agents, model: str, *, stream: bool, **more: Any) -> str:
    """The text of an answer, well formed."""
    answer = world.doors.chat(model, stream=stream, **more)
    assert answer.status_code == 200, answer.text
    if not stream:
        message = answer.json()["choices"][0]["message"]
        assert "tool_calls" not in message
        return str(message["content"])
    *events, done = events_of(answer.content)
    assert done == "[DONE]"
    assert len({event["id"] for event in events}) == 1
    assert [event["choices"][0]["delta"].get("role") for event in events].count("assistant") == 1
    finishes = [event["choices"][0]["finish_reason"] for event in events]
    assert finishes == [None] * (len(finishes) - 1) + ["stop"]
    assert not any("tool_calls" in event["choices"][0]["delta"] for event in events)
    return text_of(answer.content)


# ---- the loop, in both dialects


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("model", ["chain:agent", "chain:claude"])
def test_a_tool_is_called_and_the_model_answers(world: Agents, model: str, stream: bool) -> None:
    asked = world.plays(Said("Let me look.", [FIND]), Said("It was sent."))[model == "chain:claude"].asked
    assert said_by(world, model, stream=stream) == "Let me look.\n\nIt was sent."
    assert SHOP.done == ["find 1 3"]
    assert transcript(asked[1])[-4:] == [
        ("user", "Hello?"),
        ("assistant", "Let me look."),
        ("call", "call_1", "find", {"number": "1"}),
        ("result", "call_1", '{"number":"1","state":"sent"}'),
    ]


LONG = [
    Said("First.", [FIND, Called("echo", {"input": "Hi"}, "call_2")], thought="Hm."),
    Said(None, [Called("pair", {"a": "Ann"}, "call_3"), Called("expert", {"topic": "lamps"}, "call_4")], thought="So."),
    Said("Done.", thought="Well."),
]


@pytest.mark.parametrize("stream", [False, True])
def test_transcripts_are_equal_in_both_dialects(world: Agents, stream: bool) -> None:
    chat, claude = world.plays(*LONG)
    answers = [said_by(world, model, stream=stream) for model in ("chain:agent", "chain:claude")]
    assert answers == ["First.\n\nDone."] * 2
    spoken = transcript(chat.asked[-1])
    assert spoken[0] == ("system", "Be brief.")
    assert claude.asked[-1]["system"] == "Be brief."
    theirs = [one for one in transcript(claude.asked[-1]) if one[0] != "thought"]
    assert theirs == spoken[1:]
    assert [one for one in spoken if one[0] == "result"] == [
        ("result", "call_1", '{"number":"1","state":"sent"}'),
        ("result", "call_2", "Hi"),
        ("result", "call_3", "Ann and nobody of all"),
        ("result", "call_4", "You know lamps"),
    ]


@pytest.mark.parametrize("stream", [False, True])
def test_thoughts_go_back_with_the_calls_that_they_led_to(world: Agents, stream: bool) -> None:
    chat, claude = world.plays(*LONG)
    for model in ("chain:agent", "chain:claude"):
        said_by(world, model, stream=stream)
    turns = [one["content"] for one in claude.asked[-1]["messages"] if one["role"] == "assistant"]
    assert [turn[0] for turn in turns] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "signed Hm."},
        {"type": "thinking", "thinking": "So.", "signature": "signed So."},
    ]
    turns = [one for one in chat.asked[-1]["messages"] if one["role"] == "assistant"]
    assert [turn["reasoning_content"] for turn in turns] == ["Hm.", "So."]
    assert [sorted(turn) for turn in turns] == [["content", "reasoning_content", "role", "tool_calls"]] * 2


def test_what_the_model_is_told_of_its_tools(world: Agents) -> None:
    chat, claude = world.plays(Said("Hi."))
    for model in ("chain:agent", "chain:claude"):
        said_by(world, model, stream=False)
    tools = {tool["function"]["name"]: tool["function"] for tool in chat.asked[0]["tools"]}
    assert list(tools) == NAMES
    number, limit = {"type": "string"}, {"type": "integer", "default": 3}
    assert tools["find"] == {
        "name": "find",
        "description": "Finds an order by its number.",
        "parameters": {
            "type": "object",
            "properties": {"number": number, "limit": limit},
            "required": ["number"],
            "additionalProperties": False,
        },
    }
    assert tools["echo"]["description"] == "Says it again."
    assert tools["echo"]["parameters"]["properties"] == {"input": {"type": "string"}}
    assert "description" not in tools["pair"]
    assert [tool["name"] for tool in claude.asked[0]["tools"]] == NAMES
    assert claude.asked[0]["tools"][0]["input_schema"] == tools["find"]["parameters"]


@pytest.mark.parametrize("model", ["chain:agent", "chain:claude"])
def test_a_stream_folds_to_the_whole_answer(world: Agents, model: str) -> None:
    world.plays(*LONG)
    whole = world.doors.chat(model).json()
    client = openai.OpenAI(base_url=f"{world.doors.url}/v1", api_key="none", max_retries=0)
    with (
        client,
        client.chat.completions.stream(
            model=model, messages=[{"role": "user", "content": "Hello?"}], stream_options={"include_usage": True}
        ) as stream,
    ):
        for _ in stream:
            pass
        folded = stream.get_final_completion().to_dict()
    message, streamed = whole["choices"][0]["message"], folded["choices"][0]["message"]  # type: ignore[index]
    assert message["content"] == streamed["content"] == "First.\n\nDone."
    assert message["reasoning_content"] == streamed["reasoning_content"] == "Hm.\n\nSo.\n\nWell."
    assert whole["usage"]["total_tokens"] == folded["usage"]["total_tokens"]  # type: ignore[index]
    assert whole["usage"]["prompt_tokens"] >= 3 * 7
    assert whole["usage"]["completion_tokens"] >= 3 * 3
    assert whole["choices"][0]["finish_reason"] == folded["choices"][0]["finish_reason"] == "stop"  # type: ignore[index]


def test_text_streams_before_the_tools_have_run(world: Agents) -> None:
    world.plays(Said("Let me look.", [Called("hold", {}, "h")]), Said("Never."))
    with world.doors.raw() as client:
        body = {"model": "chain:holding", "stream": True, "messages": [{"role": "user", "content": "Hi"}]}
        client.post(json.dumps(body).encode())
        client.until(b"look.")
        world.claude.background.until(lambda: SHOP.hanging == 1)
    world.claude.background.until(lambda: SHOP.cancelled == 1)


@pytest.mark.parametrize("stream", [False, True])
def test_the_messages_door(world: Agents, stream: bool) -> None:
    world.plays(*LONG)
    client = anthropic.Anthropic(base_url=world.doors.url, api_key="none", max_retries=0)
    with client:
        asked: Any = {"model": "chain:claude", "max_tokens": 99, "messages": [{"role": "user", "content": "Hello?"}]}
        if stream:
            with client.messages.stream(**asked) as events:
                message = events.get_final_message()
        else:
            message = client.messages.create(**asked)
    assert "".join(block.text for block in message.content if block.type == "text") == "First.\n\nDone."
    assert message.stop_reason == "end_turn"
    assert not any(block.type == "tool_use" for block in message.content)
    answer = world.doors.messages("chain:claude", stream=True)
    names = [name for name, _ in named_events_of(answer.content)]
    assert (names.count("message_start"), names.count("message_stop")) == (1, 1)


# ---- what goes wrong with a call is its result


@pytest.mark.parametrize("model", ["chain:agent", "chain:claude"])
def test_tools_of_one_turn_run_at_the_same_time(world: Agents, model: str) -> None:
    calls = [Called("meet", {"name": "Ann"}, "a"), Called("meet", {"name": "Bob"}, "b")]
    asked = world.plays(Said(None, calls), Said("Hi."))[model == "chain:claude"].asked
    said_by(world, model, stream=False)
    assert transcript(asked[1])[-2:] == [("result", "a", "met Ann"), ("result", "b", "met Bob")]


@pytest.mark.parametrize("model", ["chain:agent", "chain:claude"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_tool_that_hangs_fails_or_floods(
    world: Agents, model: str, stream: bool, caplog: pytest.LogCaptureFixture
) -> None:
    names = ["hang", "fail", "flood"]
    calls = [Called(name, {}, name) for name in names] + [Called("refuse", {"number": "4"}, "refuse")]
    asked = world.plays(Said(None, calls), Said("Hi."))[model == "chain:claude"].asked
    with caplog.at_level(logging.CRITICAL):
        assert said_by(world, model, stream=stream) == "Hi."
    results = {one[1]: one[2] for one in transcript(asked[1]) if one[0] == "result"}
    assert results["hang"].startswith("Error: It took longer than 0.1 s")
    assert results["fail"].startswith("Error: The function tests.orchestration.agents:fail failed")
    assert "sesame" not in results["fail"]
    assert results["refuse"] == "Error: There is no order 4."
    assert results["flood"].startswith("xxx")
    assert results["flood"].endswith("[Cut: 5000000 bytes in all, the first 1024 are shown. Ask for less at a time.]")
    assert len(results["flood"]) < 1200
    assert (SHOP.hanging, SHOP.cancelled) == (1, 1)


@pytest.mark.parametrize("stream", [False, True])
def test_calls_that_cannot_be_done(world: Agents, stream: bool) -> None:
    calls = [
        Called("fidn", {"number": "1"}, "unknown"),
        Called("find", '{"number": ', "broken"),
        Called("find", "[1]", "list"),
        Called("find", {"number": 1}, "mistyped"),
        Called("find", {"number": "1", "colour": "red"}, "surplus"),
        Called("pair", {"a": "x"}, "short"),
        Called("find", "", "empty"),
        Called("pair", {"a": "Ann", "b": "Bob", "c": 1}, "fits"),
    ]
    chat, _ = world.plays(Said(None, calls), Said("Hi."))
    assert said_by(world, "chain:agent", stream=stream) == "Hi."
    shown = transcript(chat.asked[1])
    results = {one[1]: one[2] for one in shown if one[0] == "result"}
    told = "Error: The tool was not called, as its arguments do not fit: "
    assert results["unknown"] == f"Error: There is no tool called 'fidn'. There are: {', '.join(NAMES)}."
    assert results["broken"].startswith(f"{told}they are no JSON (")
    assert results["broken"].endswith('{"number": ')
    assert results["list"] == f"{told}they are no JSON object: [1]"
    assert results["mistyped"] == f"{told}Expected `str`, got `int` - at `$.number`"
    assert results["surplus"] == f"{told}Object contains unknown field `colour`"
    assert results["short"] == f"{told}'x' is too short - at `$.a`"
    assert results["empty"] == f"{told}Object missing required field `number`"
    assert results["fits"] == "Ann and Bob of all"
    assert SHOP.done == []
    # Servers that read the arguments which they are shown must be able to.
    assert [one[3] for one in shown if one[0] == "call"][1:3] == [{}, {}]


@pytest.mark.parametrize("stream", [False, True])
def test_ids_that_are_missing_or_stand_twice(world: Agents, stream: bool) -> None:
    calls = [Called("find", {"number": str(n)}, given) for n, given in enumerate(["same", "same", "", None])]
    chat, _ = world.plays(Said(None, calls), Said(None, calls[:1]), Said("Hi."))
    assert said_by(world, "chain:agent", stream=stream) == "Hi."
    shown = transcript(chat.asked[2])
    called = [(one[1], one[3]["number"]) for one in shown if one[0] == "call"]
    results = [(one[1], json.loads(one[2])["number"]) for one in shown if one[0] == "result"]
    assert sorted(called) == sorted(results)
    assert len({one for one, _ in called}) == len(called) == 5
    assert all(one for one, _ in called)


def test_ids_of_the_clients_history_are_taken(world: Agents) -> None:
    history = [
        {"role": "user", "content": "Before"},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": "call_1", "type": "function", "function": {"name": "clock", "arguments": "{}"}}],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "12:00"},
        {"role": "tool", "tool_call_id": 7, "content": "12:00"},
        {"role": "user", "content": "Now"},
    ]
    chat, _ = world.plays(Said(None, [FIND]), Said("Hi."))
    assert said_by(world, "chain:agent", stream=False, messages=history) == "Hi."
    ids = [call["id"] for one in chat.asked[1]["messages"] for call in one.get("tool_calls", ())]
    assert ids[0] == "call_1" != ids[1]


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_never_ends(world: Agents, stream: bool) -> None:
    chat, _ = world.plays(Said(None, [FIND]))
    answer = world.doors.chat("chain:short", stream=stream)
    error = error_of(answer.content)
    assert (answer.status_code, error["code"]) == (500, "max_turns")
    assert error["message"].startswith("Step 'answer' of chain:short: The model asked for tools in 2 turns")
    assert len(chat.asked) == 2
    assert SHOP.done == ["find 1 3"], "the last turn's calls are not done: nobody would see what they bring"
    assert said_by(world, "chain:safe", stream=stream) == "Sorry."


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_must_answer_in_its_last_turn(world: Agents, stream: bool) -> None:
    chat, _ = world.plays(Said(None, [FIND]), Said("So be it."))
    assert said_by(world, "chain:pressed", stream=stream) == "So be it."
    assert "tools" in chat.asked[0]
    assert "tools" not in chat.asked[1]
    world.plays(Said(None, [FIND]), Said("Well.", [FIND]))
    assert said_by(world, "chain:pressed", stream=stream) == "Well."
    world.plays(Said(None, [FIND]), Said(None, [FIND]))
    assert error_of(world.doors.chat("chain:pressed", stream=stream).content)["code"] == "max_turns"
    assert SHOP.done == ["find 1 3"] * 3


def test_a_model_of_anthropics_that_must_answer_in_its_last_turn(world: Agents) -> None:
    _, claude = world.plays(Said(None, [FIND]), Said("So be it."))
    assert said_by(world, "chain:pressed-claude", stream=False) == "So be it."
    assert "tool_choice" not in claude.asked[0]
    # Anthropic wants the tools of a conversation defined; that they may not be used is said beside them.
    assert [tool["name"] for tool in claude.asked[1]["tools"]] == ["find"]
    assert claude.asked[1]["tool_choice"] == {"type": "none"}


def test_too_much_in_all(world: Agents, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.orchestration.tool_loop.MOST_BYTES", 1500)
    monkeypatch.setattr("gateway.orchestration.tool_loop.MOST_CALLS", 3)
    chat, _ = world.plays(Said(None, [Called("flood", {}, f"f{n}") for n in range(4)]), Said("Hi."))
    assert said_by(world, "chain:agent", stream=False) == "Hi."
    results = [one[2] for one in transcript(chat.asked[1]) if one[0] == "result"]
    assert [result.count("x") for result in results] == [1024, 1500 - len(results[0]), 0, 0]
    assert "3 calls in one turn are enough" in results[3] or results[3].startswith("\n[Cut: ")


@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_is_forced_is_forced_once(world: Agents, stream: bool) -> None:
    chat, _ = world.plays(Said(None, [FIND]), Said("Hi."))
    assert said_by(world, "chain:forced", stream=stream) == "Hi."
    assert chat.asked[0]["tool_choice"] == {"type": "function", "function": {"name": "find"}}
    assert "tool_choice" not in chat.asked[1]
    assert [asked["parallel_tool_calls"] for asked in chat.asked] == [False, False]


# ---- a client that leaves, a model that breaks


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("text", [None, "Let me look."])
def test_a_client_that_leaves_while_tools_run(world: Agents, stream: bool, text: str | None) -> None:
    world.plays(Said(text, [Called("hold", {}, "a"), Called("hold", {}, "b")]), Said("Never."))
    with world.doors.raw() as client:
        body = {"model": "chain:holding", "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
        client.post(json.dumps(body).encode())
        world.claude.background.until(lambda: SHOP.hanging == 2)
    world.claude.background.until(lambda: SHOP.cancelled == 2)
    world.quiet()
    assert len(world.doors.upstream.received) == 1


@pytest.mark.parametrize("model", ["chain:agent", "chain:claude"])
@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_leaves_while_the_model_speaks(world: Agents, model: str, stream: bool) -> None:
    upstream = world.claude if model == "chain:claude" else world.doors.upstream
    played = world.plays(Said("Look.", [FIND]))[model == "chain:claude"]

    async def second_hangs(request: Received, wire: Wire) -> None:
        if played.turn(request.json["messages"]) == 0:
            await played(request, wire)
        else:
            await wire.left()

    upstream.script = second_hangs
    with world.doors.raw() as client:
        body = {"model": model, "stream": stream, "messages": [{"role": "user", "content": "Hi"}]}
        client.post(json.dumps(body).encode())
        world.claude.background.until(lambda: len(upstream.received) == 2)
    world.claude.background.until(lambda: upstream.left == 1)
    world.quiet()


@pytest.mark.parametrize("text", [None, "Let me look."])
@pytest.mark.parametrize("stream", [False, True])
def test_a_model_that_breaks_after_its_tools(world: Agents, stream: bool, text: str | None) -> None:
    chat, _ = world.plays(Said(text, [FIND]))

    async def second_fails(request: Received, wire: Wire) -> None:
        if chat.turn(request.json["messages"]) == 0:
            await chat(request, wire)
        else:
            await wire.json({"error": {"message": "No.", "type": "server_error", "param": None, "code": None}}, 400)

    world.doors.upstream.script = second_fails
    answer = world.doors.chat("chain:agent", stream=stream)
    if stream and text:  # it has begun
        assert answer.status_code == 200
        assert text_of(answer.content) == text
        assert "error" in events_of(answer.content)[-1] or "error" in events_of(answer.content)[-2]
    else:
        assert answer.status_code == 400
        assert "Step 'answer' of chain:agent: No." in error_of(answer.content)["message"]
    assert SHOP.done == ["find 1 3"]


# ---- the client's own tools

CLOCK = {"type": "function", "function": {"name": "clock", "parameters": {"type": "object", "properties": {}}}}
TICK = Called("clock", {}, "tick")


@pytest.mark.parametrize("stream", [False, True])
def test_calls_of_the_clients_tools_are_the_clients(world: Agents, stream: bool) -> None:
    chat, _ = world.plays(Said("First.", [FIND]), Said("And the time?", [TICK]), Said("It is noon."))
    client = openai.OpenAI(base_url=f"{world.doors.url}/v1", api_key="none", max_retries=0)
    messages: list[Any] = [{"role": "user", "content": "Hello?"}]
    with client:
        for number in range(2):
            asked: Any = {"model": "chain:agent", "messages": messages, "tools": [CLOCK]}
            if stream:
                with client.chat.completions.stream(**asked) as events:
                    choice = events.get_final_completion().choices[0]
            else:
                choice = client.chat.completions.create(**asked).choices[0]
            if number == 0:
                assert choice.finish_reason == "tool_calls"
                assert choice.message.content == "First.\n\nAnd the time?"
                (call,) = choice.message.tool_calls or ()
                assert (call.id, call.type) == ("tick", "function")
                messages += [choice.message.to_dict(), {"role": "tool", "tool_call_id": "tick", "content": "12:00"}]
                chat.turns = (Said("It is noon."),)
    assert (choice.finish_reason, choice.message.content) == ("stop", "It is noon.")
    assert [tool["function"]["name"] for tool in chat.asked[0]["tools"]] == [*NAMES, "clock"]
    assert transcript(chat.asked[-1])[-1] == ("result", "tick", "12:00")
    assert SHOP.done == ["find 1 3"]


@pytest.mark.parametrize("stream", [False, True])
def test_a_turn_that_calls_tools_of_both(world: Agents, stream: bool) -> None:
    world.plays(Said(None, [FIND, TICK]), Said("Never."))
    answer = world.doors.chat("chain:agent", stream=stream, tools=[CLOCK])
    if stream:
        choices = [event["choices"][0] for event in events_of(answer.content) if event != "[DONE]"]
        calls = [call for choice in choices for call in choice["delta"].get("tool_calls", ())]
        assert choices[-1]["finish_reason"] == "tool_calls"
        assert calls == [
            {"index": 0, "id": "tick", "type": "function", "function": {"name": "clock", "arguments": "{}"}}
        ]
    else:
        choice = answer.json()["choices"][0]
        assert choice["finish_reason"] == "tool_calls"
        assert [call["id"] for call in choice["message"]["tool_calls"]] == ["tick"]
    assert SHOP.done == [], "what they bring could not be shown to the model when the client comes back"


def test_what_a_client_asks_that_cannot_be(world: Agents) -> None:
    world.plays(Said("Hi."))
    clash = {"type": "function", "function": {"name": "find"}}
    answer = world.doors.chat("chain:agent", tools=[clash])
    assert (answer.status_code, error_of(answer.content)["param"]) == (400, "tools")
    assert "has a tool called 'find' itself" in error_of(answer.content)["message"]
    assert error_of(world.doors.chat("chain:agent", n=2).content)["param"] == "n"
    assert error_of(world.doors.chat("chain:agent", tools="find").content)["param"] == "tools"
    assert world.doors.chat("chain:agent", tools=[{"type": "web_search"}, 7]).status_code == 200
    status, kind, _ = anthropic_error_of(
        world.doors.messages("chain:agent", tools=[{"name": "find", "input_schema": {}}])
    )
    assert (status, kind) == (400, "invalid_request_error")


def test_a_client_that_wants_none_of_its_tools(world: Agents) -> None:
    chat, _ = world.plays(Said(None, [FIND]), Said("Hi."))
    assert said_by(world, "chain:agent", stream=False, tools=[CLOCK], tool_choice="none") == "Hi."
    assert [tool["function"]["name"] for tool in chat.asked[0]["tools"]] == NAMES
    assert "tool_choice" not in chat.asked[0]
    assert SHOP.done == ["find 1 3"]


# ---- with what else a step may say


@pytest.mark.parametrize("stream", [False, True])
def test_json_is_the_last_turns_alone(world: Agents, stream: bool) -> None:
    chat, _ = world.plays(Said("Let me look.", [FIND]), Said('{"state": "sent"}'))
    assert said_by(world, "chain:shaped", stream=stream) == '{"state": "sent"}'
    assert all(asked["response_format"]["type"] == "json_schema" for asked in chat.asked)
    wanted = {"type": "json_object"}
    assert said_by(world, "chain:agent", stream=stream, response_format=wanted) == '{"state": "sent"}'
    plain = {"type": "text"}
    said = said_by(world, "chain:agent", stream=stream, response_format=plain)
    assert said == 'Let me look.\n\n{"state": "sent"}'


def test_a_turn_is_asked_again_without_calling_its_tools_again(world: Agents) -> None:
    chat, _ = world.plays(Said("Look.", [FIND]), Said("no JSON"))

    async def then_well(request: Received, wire: Wire) -> None:
        if len(chat.asked) == 2:
            chat.turns = (chat.turns[0], Said('{"state": "sent"}'))
        await chat(request, wire)

    world.doors.upstream.script = then_well
    assert said_by(world, "chain:inner", stream=False) == "It is sent."
    assert len(chat.asked) == 3
    assert SHOP.done == ["find 1 3"]


def test_a_step_with_tools_for_each_item(world: Agents) -> None:
    world.plays(Said(None, [FIND]), Said("Sent."))
    said = said_by(world, "chain:each", stream=False, inputs={"numbers": ["1", "2", "3"]})
    assert said == "Sent.; Sent.; Sent."
    assert len(SHOP.done) == 3


@pytest.mark.parametrize("stream", [False, True])
def test_a_node_with_tools(world: Agents, stream: bool) -> None:
    world.plays(Said("Look.", [FIND]), Said("Sent."))
    assert said_by(world, "graph:g", stream=stream) == "Look.\n\nSent."


def test_tools_see_what_their_chain_was_given(world: Agents) -> None:
    chat, _ = world.plays(Said(None, [Called("pair", {"a": "Ann"}, "p")]), Said("Hi."))
    said_by(world, "chain:agent", stream=False, inputs={"tenant": "acme"})
    assert transcript(chat.asked[1])[-1] == ("result", "p", "Ann and nobody of acme")


def test_usage_is_the_sum_of_turns_and_of_tools_that_ask_models(world: Agents) -> None:
    world.plays(Said(None, [Called("expert", {"topic": "lamps"}, "e")]), Said("Hi."))
    streamed = world.doors.chat("chain:agent", stream=True, stream_options={"include_usage": True})
    usage = events_of(streamed.content)[-2]["usage"]
    assert usage == world.doors.chat("chain:agent").json()["usage"]
    assert usage["prompt_tokens"] > 14
    assert usage["completion_tokens"] > 6


def test_usage_is_that_of_all_steps(world: Agents) -> None:
    world.plays(Said(None, [FIND]), Said("Hi."))
    streamed = world.doors.chat("chain:after", stream=True, stream_options={"include_usage": True})
    whole = world.doors.chat("chain:after").json()
    alone = world.doors.chat("chain:agent").json()["usage"]
    assert events_of(streamed.content)[-2]["usage"] == whole["usage"]
    assert whole["usage"]["prompt_tokens"] > alone["prompt_tokens"] == 14
