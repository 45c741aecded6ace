"""What tests of errors share: how to ask, and how to judge what the official client raises."""

import openai
import pytest
from openai import APIError, APIStatusError, OpenAI

from tests.clients.scripts import error_event

HELLO = [{"role": "user", "content": "Hello world"}]
WHOLE_OR_STREAM = pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
LIMITED = error_event(type="requests", code="rate_limit_exceeded", param="messages")


def ask(client: OpenAI, model="up/model", **more):
    return client.chat.completions.create(model=model, messages=HELLO, **more)


def text_of(answer):
    if isinstance(answer, openai.Stream):
        return "".join(chunk.choices[0].delta.content or "" for chunk in answer if chunk.choices)
    return answer.choices[0].message.content


def check_error(error, status, code, param=None):
    """A status error as the SDK shows it, with all of OpenAI's four members."""
    assert isinstance(error, APIStatusError)
    assert error.status_code == status
    assert (error.code, error.param) == (code, param)
    assert error.type
    assert error.request_id.startswith("req_")
    assert set(error.body) == {"message", "type", "param", "code"}
    assert error.body["message"]
    assert error.body["message"] in error.message


def raised_midway(stream, on_text=lambda: None):
    """What a stream brings, and the error with which it ends."""
    texts = []

    def read():
        for chunk in stream:
            if chunk.choices and chunk.choices[0].delta.content:
                texts.append(chunk.choices[0].delta.content)
                on_text()

    with pytest.raises(APIError) as caught:
        read()
    assert not isinstance(caught.value, APIStatusError)
    return "".join(texts), caught.value
