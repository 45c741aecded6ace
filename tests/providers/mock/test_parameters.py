import pytest

from gateway.seam import InvalidRequest

SCHEMA = {"type": "json_schema"}


@pytest.mark.parametrize(
    ("body", "param", "code"),
    [
        ({"n": 0}, "n", "integer_below_min_value"),
        ({"n": 129}, "n", "integer_above_max_value"),
        ({"n": "2"}, "n", "invalid_type"),
        ({"n": True}, "n", "invalid_type"),
        ({"n": 1.5}, "n", "invalid_type"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"max_completion_tokens": -1}, "max_completion_tokens", "integer_below_min_value"),
        ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"top_p": -0.1}, "top_p", "decimal_below_min_value"),
        ({"stop": 1}, "stop", "invalid_type"),
        ({"stop": list("abcde")}, "stop", "array_above_max_length"),
        ({"stop": ["a", 1]}, "stop[1]", "invalid_type"),
        ({"logprobs": 1}, "logprobs", "invalid_type"),
        ({"top_logprobs": 2}, "top_logprobs", None),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
        ({"stream_options": {"include_usage": True}}, "stream_options", None),
        ({"stream_options": []}, "stream_options", "invalid_type"),
        ({"stream_options": {"include_usage": 1}}, "stream_options.include_usage", "invalid_type"),
        ({"user": 1}, "user", "invalid_type"),
        ({"logit_bias": 1}, "logit_bias", "invalid_type"),
        ({"response_format": "json"}, "response_format", "invalid_type"),
        ({"response_format": {}}, "response_format.type", "missing_required_parameter"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"response_format": SCHEMA}, "response_format.json_schema", "missing_required_parameter"),
        ({"response_format": SCHEMA | {"json_schema": 1}}, "response_format.json_schema", "invalid_type"),
        (
            {"response_format": SCHEMA | {"json_schema": {}}},
            "response_format.json_schema.name",
            "missing_required_parameter",
        ),
        (
            {"response_format": SCHEMA | {"json_schema": {"name": "x", "schema": []}}},
            "response_format.json_schema.schema",
            "invalid_type",
        ),
    ],
)
async def test_refused(client, user, body, param, code):
    with pytest.raises(InvalidRequest) as caught:
        await client.whole(messages=user("Hi"), **body)
    assert (caught.value.param, caught.value.code) == (param, code)


async def test_null_is_as_good_as_absent(client, user):
    names = ("n", "stop", "max_tokens", "tools", "tool_choice", "response_format", "stream_options", "logprobs")
    assert await client.say("Hi", **dict.fromkeys(names)) == "Hi"


async def test_what_is_unknown_is_passed_over(client):
    assert await client.say("Hi", reasoning_effort="low", metadata={"a": "b"}, own=[1]) == "Hi"


async def test_bodies_that_are_no_json_object(client):
    from gateway.seam import Call, Request

    for raw in (b"[1]", b"{", b'"x"', b"", b"\xff"):
        with pytest.raises(InvalidRequest):
            await client.provider(Call(Request("chat", raw, model="echo"), client.tasks))


def test_messages_name_both_what_is_expected_and_what_is_there():
    from gateway.providers.mock import refusals

    assert refusals.wrong_type("n", "an integer", "2").message == (
        "Invalid type for 'n': expected an integer, but got a string instead."
    )
    assert refusals.out_of_range("n", 0, least=1).message == (
        "Invalid 'n': integer below minimum value. Expected a value >= 1, but got 0 instead."
    )
