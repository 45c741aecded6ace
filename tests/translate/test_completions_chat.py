"""Text completions on a target that speaks chat: lossless or loud, and the same whole and streamed."""

import json
import logging
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from openai.types import Completion

from gateway.seam import Batch, Call, Chunk, GatewayError, Given, InvalidRequest, Reply, Request, Tasks, UpstreamError
from gateway.testing import completion, events
from gateway.translate.completions_chat import COMPLETIONS_ON_CHAT
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.sse import DONE, frame
from tests.doors import events_of


def request(source: bytes | None = None, **body: Any) -> Request:
    raw = json.dumps({"model": "m", **body}).encode() if source is None else source
    return Request(
        "completions", raw, model="m", stream=bool(body.get("stream")), wants_usage=True, headers=[(b"a", b"b")]
    )


def translated(**body: Any) -> tuple[Any, tuple[str, ...]]:
    back, dropped = COMPLETIONS_ON_CHAT.request(request(**body))
    return json.loads(back.raw), dropped


async def answered(batches: Sequence[Batch], **body: Any) -> bytes:
    """What leaves for these batches of chat."""
    call = Call(request(**body), Tasks(logging.getLogger("test")))
    reply = COMPLETIONS_ON_CHAT.reply(call, Reply(call, Given(batches), surface="chat"))
    assert reply.surface == "completions"
    left = []
    async for batch in reply:
        for chunk in batch.chunks:
            assert chunk.codec.surface == "completions"
        left.append(batch.raw)
    return b"".join(left)


async def whole(document: Any, **body: Any) -> Any:
    source = document if isinstance(document, bytes) else json.dumps(document).encode()
    return json.loads(await answered([Batch(source, CHAT_ANSWER)], **{"prompt": "Hello?", **body}))


async def streamed(pieces: Sequence[bytes], size: int = 1, **body: Any) -> list[Any]:
    batches = [Batch(b"".join(pieces[at : at + size]), CHAT_EVENT) for at in range(0, len(pieces), size)]
    return events_of(await answered(batches, **{"prompt": "Hello?", "stream": True, **body}))


# ---- requests


def test_a_prompt_is_one_message_of_the_user() -> None:
    back, dropped = COMPLETIONS_ON_CHAT.request(
        request(
            b'{"model":"m","prompt":"caf\\u00e9","temperature":1.00,"seed":123456789012345678901234567890,"x":[1e400]}'
        )
    )
    assert dropped == ()
    assert back.raw == (
        b'{"model":"m","temperature":1.00,"seed":123456789012345678901234567890,"x":[1e400],'
        b'"messages":[{"role":"user","content":"caf\\u00e9"}]}'
    )
    assert (back.surface, back.model, back.stream, back.wants_usage) == ("chat", "m", False, True)
    assert back.headers == [(b"a", b"b")]


def test_what_both_have_passes() -> None:
    shared = {
        "max_tokens": 5,
        "n": 2,
        "stop": ["a"],
        "stream": True,
        "stream_options": {"include_usage": True},
        "temperature": 0.5,
        "top_p": 0.1,
        "presence_penalty": 1,
        "frequency_penalty": 1,
        "logit_bias": {"5": 1},
        "user": "u",
        "seed": 7,
        "unknown": {"a": 1},
    }
    body, dropped = translated(prompt=["Hello?"], **shared)
    assert body == {"model": "m", **shared, "messages": [{"role": "user", "content": "Hello?"}]}
    assert dropped == ()
    assert COMPLETIONS_ON_CHAT.request(request(prompt="x", stream=True)).request.stream


@pytest.mark.parametrize(
    ("fields", "dropped"),
    [
        ({"suffix": "end"}, ("suffix",)),
        ({"suffix": ""}, ()),
        ({"suffix": None, "best_of": None, "logprobs": None, "echo": None}, ()),
        ({"best_of": 1}, ()),
        ({"best_of": 3, "n": 3}, ()),
        ({"best_of": 3}, ("best_of",)),
        ({"best_of": 3, "n": 2}, ("best_of",)),
        ({"echo": False}, ()),
        ({"echo": True}, ()),
        ({"echo": True, "logprobs": 2}, ("logprobs",)),
        ({"messages": [{"role": "user", "content": "other"}]}, ("messages",)),
        ({"suffix": "end", "best_of": 2, "echo": True, "logprobs": 0}, ("suffix", "best_of", "logprobs")),
    ],
)
def test_what_chat_has_no_word_for_is_named(fields: dict[str, Any], dropped: tuple[str, ...]) -> None:
    body, named = translated(prompt="Hello?", **fields)
    assert named == dropped
    n = {"n": fields["n"]} if "n" in fields else {}
    assert body == {"model": "m", "messages": [{"role": "user", "content": "Hello?"}], **n}


@pytest.mark.parametrize("count", [0, 5])
def test_log_probabilities_are_asked_for_in_chats_words(count: int) -> None:
    body, dropped = translated(prompt="x", logprobs=count)
    assert (body["logprobs"], body["top_logprobs"], dropped) == (True, count, ())


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        (["a", "b"], "each of the 2 prompts"),
        ([1, 2, 3], "not as tokens"),
        ([[1, 2]], "not as tokens"),
        (["a", [1]], "not as tokens"),
        ([], "send the prompt as a string"),
        (5, "send the prompt as a string"),
        (None, "send the prompt as a string"),
    ],
)
def test_a_prompt_that_chat_cannot_take_is_refused(prompt: Any, words: str) -> None:
    with pytest.raises(InvalidRequest, match=words) as caught:
        translated(prompt=prompt)
    assert (caught.value.status, caught.value.param) == (400, "prompt")


@pytest.mark.parametrize("logprobs", [True, "a", 1.5, [1]])
def test_logprobs_that_are_no_number_are_refused(logprobs: Any) -> None:
    with pytest.raises(InvalidRequest) as caught:
        translated(prompt="x", logprobs=logprobs)
    assert caught.value.param == "logprobs"


def test_bytes_that_are_no_object_are_refused() -> None:
    for source in (b"[]", b"{"):
        with pytest.raises(InvalidRequest):
            COMPLETIONS_ON_CHAT.request(request(source))


# ---- answers


async def test_a_whole_answer() -> None:
    answer = await whole(completion("Hello.", system_fingerprint="fp", service_tier="x"))
    Completion.model_validate(answer, strict=True)
    assert answer == {
        "id": "chatcmpl-1",
        "object": "text_completion",
        "created": 1_700_000_000,
        "model": "upstream-model",
        "choices": [{"text": "Hello.", "index": 0, "logprobs": None, "finish_reason": "stop"}],
        "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10},
        "system_fingerprint": "fp",
        "service_tier": "x",
    }


async def test_numbers_and_texts_keep_their_source() -> None:
    source = (
        b'{"n":1.00,"choices":[{"index":0,"message":{"content":"\\u00e9\\ud83d"},"y":1e400,"finish_reason":"stop"}]}'
    )
    left = await answered([Batch(source, CHAT_ANSWER)], prompt="x")
    assert left == (
        b'{"n":1.00,"choices":[{"text":"\\u00e9\\ud83d","index":0,"logprobs":null,"y":1e400,"finish_reason":"stop"}],'
        b'"object":"text_completion"}'
    )


@pytest.mark.parametrize("size", [1, 2, 100])
async def test_a_stream(size: int) -> None:
    pieces = [b": ping\n\n", *events("Hel", "lo.")]
    came = await streamed(pieces, size)
    first, second, finish, usage, done = came
    for event in came[:-1]:
        assert event["object"] == "text_completion"
    assert first["choices"] == [{"text": "Hel", "index": 0, "logprobs": None, "finish_reason": None}]
    assert second["choices"][0]["text"] == "lo."
    assert finish["choices"] == [{"text": "", "index": 0, "logprobs": None, "finish_reason": "stop"}]
    assert usage["choices"] == []
    assert usage["usage"]["total_tokens"] == 10
    assert done == "[DONE]"
    left = await answered([Batch(b"".join(pieces), CHAT_EVENT)], prompt="x", stream=True)
    assert left.startswith(b": ping\n\n")
    assert left.endswith(DONE)


async def test_an_echo_stands_in_front_of_each_choice_once() -> None:
    prompt = 'Say "é😀":\n'

    def delta(index: int, **delta: Any) -> bytes:
        return frame(json.dumps({"choices": [{"index": index, "delta": delta, "finish_reason": None}]}).encode())

    pieces = [delta(0, role="assistant"), delta(0, content="a"), delta(1, content="b"), delta(0, content="c"), DONE]
    came = await streamed(pieces, prompt=prompt, echo=True, n=2)
    texts = {0: "", 1: ""}
    for event in came[:-1]:
        for choice in event["choices"]:
            texts[choice["index"]] += choice["text"]
    assert texts == {0: f"{prompt}ac", 1: f"{prompt}b"}
    answer = await whole(completion("Hello."), prompt=[prompt], echo=True)
    assert answer["choices"][0]["text"] == f"{prompt}Hello."


async def test_an_echo_of_an_answer_without_text() -> None:
    came = await streamed(events(), prompt="x", echo=True)
    assert came[0]["choices"] == [{"text": "x", "index": 0, "logprobs": None, "finish_reason": "stop"}]


def token(text: str, logprob: float, **others: float) -> dict[str, Any]:
    top = [{"token": name, "logprob": number, "bytes": None} for name, number in others.items()]
    return {"token": text, "logprob": logprob, "bytes": list(text.encode()), "top_logprobs": top}


async def test_log_probabilities_in_the_legacy_shape() -> None:
    document = completion("Hé 😀x")
    tokens = [token("Hé", -0.5, Ha=-1.5), token(" 😀", -0.25, a=-2.0), token("x", -0.125, b=-3.0)]
    document["choices"][0]["logprobs"] = {"content": tokens, "refusal": None}
    expected = {
        "tokens": ["Hé", " 😀", "x"],
        "token_logprobs": [-0.5, -0.25, -0.125],
        "top_logprobs": [{"Ha": -1.5}, {"a": -2.0}, {"b": -3.0}],
        "text_offset": [0, 2, 4],
    }
    answer = await whole(document, logprobs=1)
    Completion.model_validate(answer, strict=True)
    assert answer["choices"][0]["logprobs"] == expected
    pieces = [
        frame(
            json.dumps(
                {"choices": [{"index": 0, "delta": {"content": one["token"]}, "logprobs": {"content": [one]}}]}
            ).encode()
        )
        for one in tokens
    ]
    came = await streamed([*pieces, DONE], logprobs=1)
    joined = {
        name: [item for event in came[:-1] for item in event["choices"][0]["logprobs"][name]] for name in expected
    }
    assert joined == expected


async def test_without_alternatives_there_are_none() -> None:
    document = completion("Hi")
    document["choices"][0]["logprobs"] = {"content": [token("Hi", -0.5)]}
    assert (await whole(document, logprobs=0))["choices"][0]["logprobs"]["top_logprobs"] is None


@pytest.mark.parametrize(
    ("message", "text"),
    [
        ({"content": "a", "reasoning_content": "hidden"}, "a"),
        ({"content": None, "refusal": "I cannot."}, "I cannot."),
        ({"content": [{"type": "thinking", "thinking": []}, {"type": "text", "text": "a"}, {"text": "b"}]}, "ab"),
        ({"content": None}, ""),
        ({}, ""),
    ],
)
async def test_the_text_of_a_message(message: Any, text: str) -> None:
    answer = await whole({"choices": [{"index": 0, "message": message, "finish_reason": "stop"}]})
    assert answer["choices"] == [{"text": text, "index": 0, "logprobs": None, "finish_reason": "stop"}]


async def test_usage_is_the_chats_own() -> None:
    call = Call(request(prompt="x"), Tasks(logging.getLogger("test")))
    reply = COMPLETIONS_ON_CHAT.reply(call, Reply.of(call, Chunk(json.dumps(completion("x")).encode(), CHAT_ANSWER)))
    await reply.whole()
    usage, estimated = reply.usage()
    assert (usage.input, usage.output, estimated) == (7, 3, False)


@pytest.mark.parametrize("source", [b"[]", b'{"choices":[1]}', b'{"choices":[{"message":{"content":5}}]}'])
async def test_what_is_no_chat_answer_is_told(source: bytes) -> None:
    with pytest.raises(UpstreamError):
        await whole(source)


async def test_a_reply_that_is_closed_closes_what_is_behind_it() -> None:
    call = Call(request(prompt="x", stream=True), Tasks(logging.getLogger("test")))
    inner = Reply(call, Given([Batch(events("a")[1], CHAT_EVENT)]), surface="chat")
    kinds: list[str] = []
    inner.on_end(lambda outcome: kinds.append(outcome.kind))
    await COMPLETIONS_ON_CHAT.reply(call, inner).aclose()
    assert kinds == ["cancelled"]


@given(
    st.lists(st.text(st.characters(codec="utf-8"), max_size=5), max_size=6),
    st.booleans(),
    st.integers(1, 4),
    st.text(st.characters(codec="utf-8"), max_size=5),
)
async def test_streamed_and_folded_is_the_same_as_whole(texts: list[str], echo: bool, size: int, prompt: str) -> None:
    pieces = events(*texts)
    batches = [Batch(b"".join(pieces[at : at + size]), CHAT_EVENT) for at in range(0, len(pieces), size)]
    call = Call(request(prompt=prompt, echo=echo, stream=True), Tasks(logging.getLogger("test")))
    folded = await COMPLETIONS_ON_CHAT.reply(call, Reply(call, Given(batches), surface="chat")).whole()
    at_once = await whole(completion("".join(texts)), prompt=prompt, echo=echo)
    streamed = json.loads(folded.raw)
    assert streamed["choices"] == at_once["choices"]
    assert streamed["usage"] == at_once["usage"]


# ---- errors


@pytest.mark.parametrize(
    ("param", "expected"),
    [
        ("messages", "prompt"),
        ("messages[0].content", "prompt"),
        ("top_logprobs", "logprobs"),
        ("max_completion_tokens", "max_tokens"),
        ("temperature", "temperature"),
        (None, None),
    ],
)
def test_errors_name_the_parameter_as_it_is_called_here(param: str | None, expected: str | None) -> None:
    error = GatewayError("no", status=429, type="t", code="c", param=param)
    told = COMPLETIONS_ON_CHAT.error(error)
    assert (told.status, told.type, told.code, told.param) == (429, "t", "c", expected)


def test_it_is_a_translation() -> None:
    assert (COMPLETIONS_ON_CHAT.front, COMPLETIONS_ON_CHAT.back) == ("completions", "chat")
