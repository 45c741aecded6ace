import json

from gateway.providers.mock.answer import Answer
from gateway.providers.mock.chat_shape import Shape
from gateway.providers.mock.tools import ToolCall


def shape(answer, **changes):
    about = {"choices": 1, "prompt_tokens": 1, "tokens": 1, "logprobs": None, "include_usage": False} | changes
    return Shape(id=b"x1", created=7, model='a "name"', answer=answer, **about)


def test_names_and_texts_are_escaped():
    answer = json.loads(shape(Answer('"\n\\ é')).whole())
    assert answer["model"] == 'a "name"'
    assert answer["choices"][0]["message"]["content"] == '"\n\\ é'
    call = ToolCall('f"', '{"a":"b"}')
    answer = json.loads(shape(Answer(None, "tool_calls", (call,))).whole())
    made = answer["choices"][0]["message"]["tool_calls"]
    assert made == [{"id": "call_x1_0_0", "type": "function", "function": {"name": 'f"', "arguments": '{"a":"b"}'}}]


def test_choices_take_turns_in_a_stream():
    events = [event for block in shape(Answer("a b"), choices=2).content() for event in block]
    found = [json.loads(event.removeprefix(b"data: "))["choices"][0] for event in events]
    assert [(choice["index"], choice["delta"]["content"]) for choice in found] == [
        (0, "a"),
        (1, "a"),
        (0, " b"),
        (1, " b"),
    ]


def test_size_counts_choices_and_logprobs():
    assert shape(Answer("abc")).size() == 3
    assert shape(Answer("abc"), choices=2).size() == 6
    assert shape(Answer("abc"), logprobs=0).size() > 50
