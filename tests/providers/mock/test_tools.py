import pytest

from gateway.seam import InvalidRequest

A = {"type": "function", "function": {"name": "a"}}
B = {"type": "function", "function": {"name": "b", "parameters": {}}}
SHELL = {"type": "custom", "custom": {"name": "shell"}}


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"tools": {}}, "tools"),
        ({"tools": [A] * 129}, "tools"),
        ({"tools": [1]}, "tools[0]"),
        ({"tools": [{}]}, "tools[0].type"),
        ({"tools": [{"type": "retrieval"}]}, "tools[0].type"),
        ({"tools": [{"type": "function"}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": 1}]}, "tools[0].function"),
        ({"tools": [{"type": "function", "function": {}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": 1}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a b"}}]}, "tools[0].function.name"),
        ({"tools": [{"type": "function", "function": {"name": "a", "parameters": 1}}]}, "tools[0].function.parameters"),
        ({"tool_choice": "required"}, "tool_choice"),
        ({"tools": [], "tool_choice": {"type": "function"}}, "tool_choice"),
        ({"tools": [A], "tool_choice": "some"}, "tool_choice"),
        ({"tools": [A], "tool_choice": 1}, "tool_choice"),
        ({"tools": [A], "tool_choice": {}}, "tool_choice.type"),
        ({"tools": [A], "tool_choice": {"type": "function"}}, "tool_choice.function"),
        ({"tools": [A], "tool_choice": B}, "tool_choice.function.name"),
        ({"tools": [A], "tool_choice": {"type": "allowed_tools"}}, "tool_choice.allowed_tools"),
        (
            {"tools": [A], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "none"}}},
            "tool_choice.allowed_tools.mode",
        ),
        (
            {"tools": [A], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": []}}},
            "tool_choice.allowed_tools.tools",
        ),
        (
            {"tools": [A], "tool_choice": {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [1]}}},
            "tool_choice.allowed_tools.tools[0]",
        ),
    ],
)
async def test_refused(client, user, body, param):
    with pytest.raises(InvalidRequest) as caught:
        await client.whole(messages=user("Hi"), **body)
    assert caught.value.param == param


@pytest.mark.parametrize("body", [{"tool_choice": "none"}, {"tools": [], "tool_choice": "auto"}, {"tools": [A]}])
async def test_without_need_the_others_call_none(client, body):
    assert await client.say("Hi", **body) == "Hi"


async def test_allowed_tools(client, user):
    choice = {"type": "allowed_tools", "allowed_tools": {"mode": "auto", "tools": [B]}}
    message = await client.message("tools", messages=user("Hi"), tools=[A, B], tool_choice=choice)
    assert [call["function"]["name"] for call in message["tool_calls"]] == ["b"]
    assert await client.say("Hi", tools=[A, B], tool_choice=choice) == "Hi"
    choice["allowed_tools"]["mode"] = "required"
    message = await client.message(messages=user("Hi"), tools=[A, B], tool_choice=choice)
    assert [call["function"] for call in message["tool_calls"]] == [{"name": "b", "arguments": '"text"'}]


async def test_custom_tools(client, user):
    message = await client.message(messages=user("Hi"), tools=[A, SHELL], tool_choice=SHELL)
    (call,) = message["tool_calls"]
    assert call.pop("id")
    assert call == {"type": "custom", "custom": {"name": "shell", "input": "input of shell"}}


async def test_a_tool_without_parameters_gets_none(client, user):
    message = await client.message("tools", messages=user("Hi"), tools=[A])
    assert message["tool_calls"][0]["function"]["arguments"] == "{}"


async def test_a_streamed_call(client, user):
    schema = {"type": "object", "properties": {"text": {"const": "word " * 10}}}
    tool = {"type": "function", "function": {"name": "a", "parameters": schema}}
    role, opening, *rest, finish, _ = await client.events("tools", messages=user("Hi"), tools=[tool])
    assert role["choices"][0]["delta"]["content"] is None
    (call,) = opening["choices"][0]["delta"]["tool_calls"]
    assert call.pop("id")
    assert call == {"index": 0, "type": "function", "function": {"name": "a", "arguments": ""}}
    pieces = [event["choices"][0]["delta"]["tool_calls"][0]["function"]["arguments"] for event in rest]
    assert len(pieces) == 11
    assert "".join(pieces) == '{"text":"' + "word " * 10 + '"}'
    assert finish["choices"][0]["finish_reason"] == "tool_calls"
