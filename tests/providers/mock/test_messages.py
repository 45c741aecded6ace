import pytest

from gateway.seam import InvalidRequest

CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
ASKED = {"role": "assistant", "content": None, "tool_calls": [CALL]}
MISSING = "missing_required_parameter"
HI = {"role": "user", "content": "Hi"}
RESULT = {"role": "tool", "tool_call_id": "c1", "content": "42"}


@pytest.mark.parametrize(
    ("messages", "param", "code"),
    [
        (None, "messages", MISSING),
        ("Hi", "messages", "invalid_type"),
        ({}, "messages", "invalid_type"),
        ([], "messages", "empty_array"),
        (["Hi"], "messages[0]", "invalid_type"),
        ([HI, {"content": "Hi"}], "messages[1].role", MISSING),
        ([{"role": 1, "content": "Hi"}], "messages[0].role", "invalid_type"),
        ([{"role": "robot", "content": "Hi"}], "messages[0].role", "invalid_value"),
        ([{"role": "user"}], "messages[0].content", MISSING),
        ([{"role": "user", "content": None}], "messages[0].content", "invalid_type"),
        ([{"role": "user", "content": 7}], "messages[0].content", "invalid_type"),
        ([{"role": "user", "content": []}], "messages[0].content", "empty_array"),
        ([{"role": "user", "content": ["Hi"]}], "messages[0].content[0]", "invalid_type"),
        ([{"role": "user", "content": [{}]}], "messages[0].content[0].type", MISSING),
        ([{"role": "user", "content": [{"type": "smell"}]}], "messages[0].content[0].type", "invalid_value"),
        ([{"role": "user", "content": [{"type": []}]}], "messages[0].content[0].type", "invalid_value"),
        (
            [{"role": "user", "content": [{"type": "text"}]}],
            "messages[0].content[0].text",
            MISSING,
        ),
        ([{"role": "user", "content": [{"type": "text", "text": 1}]}], "messages[0].content[0].text", "invalid_type"),
        ([{"role": "assistant", "content": None}], "messages[0].content", "invalid_type"),
        ([HI, {"role": "tool", "content": "42"}], "messages[1].tool_call_id", MISSING),
        ([HI, RESULT | {"tool_call_id": 1}], "messages[1].tool_call_id", "invalid_type"),
        ([HI, RESULT], "messages[1]", None),
        ([HI, ASKED, HI], "messages[2].role", None),
        ([HI, ASKED], "messages[2].role", None),
        ([HI, ASKED, RESULT, RESULT], "messages[3]", None),
        ([{"role": "function", "content": "42"}], "messages[0].name", MISSING),
        ([HI, ASKED | {"tool_calls": "x"}], "messages[1].tool_calls", "invalid_type"),
        ([HI, ASKED | {"tool_calls": []}], "messages[1].tool_calls", "empty_array"),
        ([HI, ASKED | {"tool_calls": [1]}], "messages[1].tool_calls[0]", "invalid_type"),
        ([HI, ASKED | {"tool_calls": [{}]}], "messages[1].tool_calls[0].id", MISSING),
        (
            [HI, ASKED | {"tool_calls": [{"id": "x"}]}],
            "messages[1].tool_calls[0].function",
            MISSING,
        ),
    ],
)
async def test_refused(client, messages, param, code):
    with pytest.raises(InvalidRequest) as caught:
        await client.whole(messages=messages)
    assert (caught.value.status, caught.value.type) == (400, "invalid_request_error")
    assert (caught.value.param, caught.value.code) == (param, code)


@pytest.mark.parametrize(
    "messages",
    [
        [HI, ASKED, RESULT],
        [HI, ASKED, RESULT, HI],
        [HI, {"role": "assistant", "content": None, "refusal": "No."}, HI],
        [HI, {"role": "assistant", "content": None, "function_call": {"name": "f", "arguments": ""}}, HI],
        [{"role": "developer", "content": "Be kind."}, HI],
        [HI, {"role": "function", "name": "f", "content": "42"}],
        [HI | {"name": "ada", "unknown": 1}],
    ],
)
async def test_taken(client, messages):
    assert (await client.message(messages=messages))["content"] == "Hi"


async def test_results_of_functions_are_quoted(client):
    messages = [HI, {"role": "function", "name": "f", "content": "42"}]
    assert (await client.message("tools", messages=messages))["content"] == "f answered: 42"
