import json

import pytest

from gateway.seam import InvalidRequest

SCHEMA = {"type": "object", "properties": {"score": {"type": "integer", "minimum": 1}}, "required": ["score"]}


def tool(name, schema=None):
    return {"type": "function", "function": {"name": name, "parameters": schema or SCHEMA}}


async def test_echo_says_the_last_user_text(client):
    messages = [
        {"role": "system", "content": "Be kind."},
        {"role": "user", "content": "One"},
        {"role": "assistant", "content": "Two"},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}, {"type": "text", "text": " there"}]},
        {"role": "assistant", "content": "Three"},
    ]
    assert (await client.message(messages=messages))["content"] == "Hello there"


@pytest.mark.parametrize("text", ["", " ", "a", "  a\n\n b\t", "ä漢字🙂" * 50, "x" * 10_000, "word\n" * 3000])
async def test_echo_is_exact_whole_and_streamed(client, user, text):
    assert await client.say(text) == text
    events = await client.events(messages=user(text), max_tokens=1)
    pieces = [event["choices"][0]["delta"].get("content") or "" for event in events[:-1]]
    assert "".join(pieces) == text
    assert len([piece for piece in pieces if piece]) == events[-1]["usage"]["completion_tokens"]


async def test_echo_without_a_user_is_empty(client):
    assert (await client.message(messages=[{"role": "system", "content": "Be kind."}]))["content"] == ""


async def test_images_and_audio_are_passed_over(client):
    parts = [
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}},
        {"type": "text", "text": "What is this?"},
        {"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}},
    ]
    assert await client.say(parts) == "What is this?"


@pytest.mark.parametrize(
    ("body", "words", "finish"),
    [
        ({}, 60, "stop"),
        ({"max_tokens": 5}, 5, "length"),
        ({"max_completion_tokens": 200}, 200, "length"),
        ({"max_completion_tokens": 3, "max_tokens": 9}, 3, "length"),
        ({"max_tokens": 10**9}, 32_768, "stop"),
    ],
)
async def test_lorem_is_as_long_as_the_limit_allows(client, user, body, words, finish):
    answer = await client.whole("lorem", messages=user("Go"), **body)
    choice = answer["choices"][0]
    assert choice["message"]["content"].startswith("Lorem ipsum dolor"[: 5 * words])
    assert len(choice["message"]["content"].split()) == words
    assert choice["finish_reason"] == finish
    assert answer["usage"]["completion_tokens"] == words


async def test_stop_sequences(client, user):
    answer = await client.whole(messages=user("one two three two"), stop=["four", "two"])
    assert answer["choices"][0]["message"]["content"] == "one "
    assert answer["choices"][0]["finish_reason"] == "stop"
    assert await client.say("one, two", stop=",") == "one"
    assert await client.say("one", stop=["", "two"]) == "one"
    assert await client.say("a b c", stop=["c", "b"]) == "a "
    lorem = await client.whole("lorem", messages=user("Go"), max_tokens=50, stop="dolor")
    assert lorem["choices"][0]["message"]["content"] == "Lorem ipsum "
    assert lorem["choices"][0]["finish_reason"] == "stop"


async def test_choices(client, user):
    answer = await client.whole(messages=user("Hi you"), n=3)
    assert [choice["index"] for choice in answer["choices"]] == [0, 1, 2]
    assert answer["usage"]["completion_tokens"] == 6


async def test_tools_calls_all_tools_then_quotes_their_results(client, user):
    messages = user("Weather?")
    answer = await client.whole("tools", messages=messages, tools=[tool("weather"), tool("time")])
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    message = answer["choices"][0]["message"]
    assert message["content"] is None
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["weather", "time"]
    assert [json.loads(call["function"]["arguments"]) for call in message["tool_calls"]] == [{"score": 1}] * 2
    ids = [call["id"] for call in message["tool_calls"]]
    assert len(set(ids)) == 2
    messages += [message] + [{"role": "tool", "tool_call_id": name, "content": f"result {name}"} for name in ids]
    said = await client.message("tools", messages=messages, tools=[tool("weather"), tool("time")])
    assert said["content"] == f"weather answered: result {ids[0]}\ntime answered: result {ids[1]}"
    assert "tool_calls" not in said


async def test_tools_without_tools(client, user):
    assert await client.say("Hi", "tools") == "There is no tool that I may call."
    assert await client.say("Hi", "tools", tools=[tool("a")], tool_choice="none") == "There is no tool that I may call."


@pytest.mark.parametrize("model", ["echo", "lorem", "tools"])
async def test_every_model_calls_the_tools_that_it_must(client, user, model):
    tools = [tool("weather"), tool("time")]
    asked = {"messages": user("Hi"), "tools": tools}

    async def called(**body):
        return [call["function"]["name"] for call in (await client.message(model, **asked, **body))["tool_calls"]]

    assert await called(tool_choice="required") == ["weather", "time"]
    assert await called(tool_choice="required", parallel_tool_calls=False) == ["weather"]
    assert await called(tool_choice={"type": "function", "function": {"name": "time"}}) == ["time"]


async def test_json_object(client, user):
    wanted = {"type": "json_object"}
    assert json.loads(await client.say("Hi", response_format=wanted)) == {"answer": "Hi"}
    assert await client.say('{"a": 1.0}', response_format=wanted) == '{"a": 1.0}'
    assert json.loads(await client.say("[1]", response_format=wanted)) == {"answer": "[1]"}
    assert await client.say("Hi", response_format={"type": "text"}) == "Hi"


@pytest.mark.parametrize("model", ["echo", "lorem", "tools"])
async def test_json_schema(client, user, model):
    wanted = {"type": "json_schema", "json_schema": {"name": "review", "schema": SCHEMA, "strict": True}}
    assert json.loads(await client.say("Hi", model, response_format=wanted)) == {"score": 1}


async def test_a_schema_that_allows_nothing_is_refused(client, user):
    wanted = {"type": "json_schema", "json_schema": {"name": "x", "schema": {"$ref": "#/$defs/none"}}}
    with pytest.raises(InvalidRequest, match="points to nothing") as caught:
        await client.say("Hi", response_format=wanted)
    assert caught.value.param == "response_format.json_schema.schema"
    with pytest.raises(InvalidRequest) as caught:
        await client.say("Hi", "tools", tools=[tool("a"), tool("b", {"enum": []})])
    assert caught.value.param == "tools[1].function.parameters"


async def test_a_json_schema_without_a_schema_gives_an_object(client, user):
    wanted = {"type": "json_schema", "json_schema": {"name": "x"}}
    assert json.loads(await client.say("Hi", response_format=wanted)) == {"answer": "Hi"}
