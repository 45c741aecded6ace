import json

import pytest

from gateway.config.problems import ConfigError
from gateway.seam import Call, Chunk, Reply, Request
from gateway.testing import answer, ask, chat_call, use
from gateway.wire.messages import MESSAGES_ANSWER
from tests.doors import USER, opened

RULE = "Answer in British English."


async def test_the_system_text_stands_first() -> None:
    seen = []

    async def inner(call: Call) -> Reply:
        seen.append(json.loads(call.request.raw)["messages"])
        return answer(call, "Hello.")

    await ask([use("prompt_prefix", text=RULE)], chat_call("Hello?"), inner)
    assert seen == [[{"role": "system", "content": RULE}, {"role": "user", "content": "Hello?"}]]


async def test_in_anthropics_dialect() -> None:
    async def inner(call: Call) -> Reply:
        assert json.loads(call.request.raw)["system"] == f"{RULE}\n\nBe short."
        return Reply.of(call, Chunk(b'{"content":[]}', MESSAGES_ANSWER))

    call = chat_call()
    call.request = Request("messages", b'{"model":"m","system":"Be short.","messages":[]}', model="m")
    await ask([use("prompt_prefix", text=RULE)], call, inner)


async def test_other_models_and_dialects_are_left_alone() -> None:
    for call in (chat_call(model="other"), chat_call(model="gpt-4")):
        if call.request.model == "gpt-4":
            call.request = Request("embeddings", b'{"input":"x"}', model="gpt-4")
        raw = call.request.raw
        await ask([use("prompt_prefix", text=RULE, models=["gpt-*"])], call, lambda call: _hello(call))
        assert call.request.raw == raw


async def _hello(call: Call) -> Reply:
    return Reply.of(call, Chunk(b'{"content":[]}', MESSAGES_ANSWER))


def test_over_the_wire() -> None:
    with opened({"pipeline": {"model": [{"use": "prompt_prefix", "text": RULE}]}}) as doors:
        assert doors.chat("up/m", seed=12345678901234567890).status_code == 200
        assert doors.last().json["messages"] == [{"role": "system", "content": RULE}, *USER]
        assert b"12345678901234567890" in doors.last().body


def test_an_empty_text_is_told() -> None:
    with pytest.raises(ConfigError, match=r"pipeline\.model\[0\]: expected a text, found an empty one"):
        use("prompt_prefix", text=" ")
