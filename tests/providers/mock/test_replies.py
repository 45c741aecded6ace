import json

import pytest


async def test_the_first_that_fits_is_taken(client):
    client.configure(
        models={"agent-1": {}},
        replies=[
            {"when": "(?i)REFUND", "model": "agent*", "say": "agent"},
            {"when": "(?i)REFUND", "say": "first"},
            {"when": "refund", "say": "second"},
        ],
    )
    assert await client.say("A refund, please") == "first"
    assert await client.say("A refund, please", "agent-1") == "agent"
    assert await client.say("Hello", "agent-1") == "Hello"


async def test_a_reply_goes_before_what_the_request_asks_for(client):
    client.configure(replies=[{"say": "No."}])
    assert await client.say("Hi", response_format={"type": "json_object"}, stop="N") == "No."


@pytest.mark.parametrize(("finish", "told"), [(None, "stop"), ("content_filter", "content_filter")])
async def test_the_finish_reason(client, user, finish, told):
    client.configure(replies=[{"say": "No.", **({"finish": finish} if finish else {})}])
    assert (await client.whole(messages=user("Hi")))["choices"][0]["finish_reason"] == told


async def test_a_tool_is_called_once(client, user):
    arguments = {"city": "Oslo", "days": 2}
    client.configure(replies=[{"when": "weather", "say": "Wait.", "tool": {"name": "weather", "arguments": arguments}}])
    messages = user("The weather?")
    answer = await client.whole(messages=messages)
    message = answer["choices"][0]["message"]
    assert answer["choices"][0]["finish_reason"] == "tool_calls"
    assert message["content"] == "Wait."
    assert json.loads(message["tool_calls"][0]["function"]["arguments"]) == arguments
    messages += [message, {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "Rain"}]
    assert (await client.message(messages=messages))["content"] == "The weather?"


async def test_turns_are_written_down(client, user):
    call = {"name": "weather", "arguments": {}}
    client.configure(
        replies=[
            {"when": "rain", "tool": call},
            {"when": "rain", "after": "weather", "say": "Now the news.", "tool": {"name": "news", "arguments": {}}},
            {"after": "news", "say": "It rains."},
        ]
    )
    messages = user("Does it rain?")
    names = []
    for _ in range(2):
        message = (await client.whole(messages=messages))["choices"][0]["message"]
        names.append(message["tool_calls"][0]["function"]["name"])
        result = {"role": "tool", "tool_call_id": message["tool_calls"][0]["id"], "content": "yes"}
        messages += [message, result]
    assert names == ["weather", "news"]
    assert (await client.whole(messages=messages))["choices"][0]["message"]["content"] == "It rains."
    assert await client.say("Hello") == "Hello", "what answers a tool's results answers nobody else"
