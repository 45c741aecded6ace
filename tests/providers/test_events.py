"""Errors inside a stream that began well, and streams that do not end as they should."""

import json
from typing import Any

import pytest

from gateway.testing import Received, Wire, events
from gateway.testing.upstream import Script
from tests.doors import Doors, error_of, events_of, text_of

ROLE, HEL, LO, FINISH, USAGE, DONE = events("Hel", "lo.")
WHOLE = (ROLE, HEL, LO, FINISH, USAGE, DONE)


def event(document: Any) -> bytes:
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def error(message: str = "No, because.", **fields: Any) -> bytes:
    return event({"error": {"message": message, **fields}})


def streaming(*pieces: bytes) -> Script:
    async def script(request: Received, wire: Wire) -> None:
        await wire.stream(pieces)

    return script


EMPTY = event({"choices": [{"index": 0, "delta": {}, "finish_reason": None}]})
NO_TEXT = event({"choices": [{"index": 0, "delta": {"content": ""}, "finish_reason": None}], "error": None})
BEGINNINGS = {
    "at once": (),
    "behind the role": (ROLE,),
    "behind a comment": (b": ping\n\n",),
    "behind empty deltas": (ROLE, EMPTY, NO_TEXT),
    "behind an event without choices": (event({"choices": [], "prompt_filter_results": []}),),
}


@pytest.mark.parametrize("begun", BEGINNINGS.values(), ids=BEGINNINGS)
@pytest.mark.parametrize(
    ("fields", "status"),
    [
        ({"code": "rate_limit_exceeded"}, 429),
        ({"type": "rate_limit_error"}, 429),
        ({"type": "requests", "code": "rate_limit_exceeded"}, 429),
        ({"type": "tokens"}, 429),
        ({"code": "insufficient_quota"}, 429),
        ({"code": 429}, 429),
        ({"code": "429"}, 429),
        ({"status": "429", "code": "whatever"}, 429),
        ({"type": "overloaded_error"}, 503),
        ({"code": "server_overloaded"}, 503),
        ({"code": 503}, 503),
        ({"code": 529}, 529),
        ({"type": "invalid_request_error"}, 400),
        ({"type": "invalid_request_error", "code": "context_length_exceeded"}, 400),
        ({"code": "context_length_exceeded"}, 400),
        ({"type": "not_found_error"}, 404),
        ({"type": "Permission_Error"}, 403),
        ({"type": "timeout"}, 504),
        ({"code": "something_new"}, 502),
        ({"code": 200}, 502),
        ({"code": True}, 502),
        ({"code": "٤٢٩"}, 502),
        ({"type": ["odd"]}, 502),
        ({}, 502),
    ],
)
def test_an_error_before_content_has_its_true_status(
    doors: Doors, begun: tuple[bytes, ...], fields: dict[str, Any], status: int
) -> None:
    doors.upstream.script = streaming(*begun, error(**fields), DONE)
    answer = doors.chat(stream=True)
    shown = error_of(answer.content)
    assert (answer.status_code, shown["message"]) == (status, "No, because.")
    assert answer.headers["x-gateway-provider"] == "up"


@pytest.mark.parametrize("fields", [{"code": "invalid_api_key"}, {"type": "authentication_error"}, {"code": 401}])
def test_a_refusal_of_our_key_inside_a_stream_is_not_shown(doors: Doors, fields: dict[str, Any]) -> None:
    doors.upstream.script = streaming(ROLE, error("Incorrect API key: sk-upstream", **fields))
    answer = doors.chat(stream=True)
    shown = error_of(answer.content)
    assert (answer.status_code, shown["code"]) == (502, "upstream_auth")
    assert "sk-upstream" not in answer.text


@pytest.mark.parametrize(
    "source",
    [
        b'data: {"error":"No, because."}\n\n',
        b'event: error\ndata: {"message":"No, because."}\n\n',
        b"event: error\ndata: No, because.\n\n",
        b'data: {"error" :\r\ndata: {"message":"No, because."}}\r\n\r\n',
    ],
)
def test_an_error_may_be_written_in_other_ways(doors: Doors, source: bytes) -> None:
    doors.upstream.script = streaming(ROLE, source)
    answer = doors.chat(stream=True)
    assert (answer.status_code, error_of(answer.content)["message"]) == (502, "No, because.")


@pytest.mark.parametrize("together", [False, True])
def test_an_error_after_content_ends_the_stream_without_its_end_mark(doors: Doors, together: bool) -> None:
    pieces = [ROLE, HEL, error(code="rate_limit_exceeded"), LO, FINISH, DONE]
    doors.upstream.script = streaming(b"".join(pieces)) if together else streaming(*pieces)
    answer = doors.chat(stream=True)
    assert answer.status_code == 200
    kept, found = answer.content[: len(ROLE + HEL)], answer.content[len(ROLE + HEL) :]
    assert kept == ROLE + HEL
    shown = {"message": "No, because.", "type": "rate_limit_error", "param": None, "code": "rate_limit_exceeded"}
    assert events_of(found) == [{"error": shown}]
    assert found.startswith(b"data: ")
    assert found.endswith(b"}\n\n")


def test_an_error_after_content_is_the_whole_answers_error(doors: Doors) -> None:
    doors.upstream.script = streaming(ROLE, HEL, error(code="rate_limit_exceeded"))
    answer = doors.chat()
    assert (answer.status_code, error_of(answer.content)["message"]) == (429, "No, because.")


def test_an_error_behind_the_end_mark_is_nobodys(doors: Doors) -> None:
    doors.upstream.script = streaming(b"".join([*WHOLE, error()]))
    assert doors.chat(stream=True).content == b"".join([ROLE, HEL, LO, FINISH, DONE])


def test_the_word_error_in_a_text_is_no_error(doors: Doors) -> None:
    texts = ('{"error": {"message": 1}}', '"error":', "data: [DONE]\n\n", "\n\ndata: [DONE]\n\n")
    doors.upstream.script = streaming(*events(*texts))
    assert text_of(doors.chat(stream=True).content) == "".join(texts)


def test_a_comment_may_stand_right_before_the_end_mark(doors: Doors) -> None:
    doors.upstream.script = streaming(ROLE, HEL, b": cost\n" + DONE)
    assert doors.chat(stream=True).content == ROLE + HEL + b": cost\n" + DONE


def test_the_end_mark_may_lack_its_blank_line(doors: Doors) -> None:
    doors.upstream.script = streaming(ROLE, HEL, b"data: [DONE]")
    assert doors.chat(stream=True).content == ROLE + HEL + DONE


def test_a_stream_of_its_end_mark_alone_is_an_empty_answer(doors: Doors) -> None:
    doors.upstream.script = streaming(DONE)
    answer = doors.chat(stream=True)
    assert (answer.status_code, answer.content) == (200, DONE)


CUT = "127.0.0.1 ended its stream without data: [DONE]; the answer is cut."


@pytest.mark.parametrize("end", ["eof", "half an event", "close", "reset"])
@pytest.mark.parametrize("content", [False, True])
def test_a_stream_that_is_cut_is_not_taken_for_whole(doors: Doors, end: str, content: bool) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(ROLE + HEL if content else ROLE)
        if end == "half an event":
            await wire.chunk(LO[:-10])
        if end in ("eof", "half an event"):
            await wire.end()
        elif end == "close":
            wire.close()
        else:
            wire.reset()

    doors.upstream.script = script
    answer = doors.chat(stream=True)
    if content:
        assert answer.status_code == 200
        assert answer.content.startswith(ROLE + HEL + b'data: {"error":')
        (shown,) = (found["error"] for found in events_of(answer.content)[2:])
    else:
        assert answer.status_code == 502
        shown = error_of(answer.content)
    assert shown["code"] == "upstream_error"
    assert shown["message"] == CUT if end in ("eof", "half an event") else "mid-answer" in shown["message"]


@pytest.mark.parametrize("bad", [b"data: {oops\n\n", b"data: Hello.\n\n", b'data: {"choices":[{"delta":5}]}\n\n'])
def test_an_event_that_is_no_chunk_is_an_error_where_content_is_looked_for(doors: Doors, bad: bytes) -> None:
    doors.upstream.script = streaming(ROLE, bad, HEL, DONE)
    answer = doors.chat(stream=True)
    assert (answer.status_code, error_of(answer.content)["code"]) == (502, "upstream_error")


def test_an_event_without_end_does_not_fill_the_memory(doors: Doors) -> None:
    async def script(request: Received, wire: Wire) -> None:
        await wire.open()
        await wire.chunk(ROLE + HEL + b"data: ")
        for _ in range(18):
            await wire.chunk(b"x" * 2**20)
        await wire.end()

    doors.upstream.script = script
    answer = doors.chat(stream=True)
    assert events_of(answer.content)[-1]["error"]["message"] == (
        "127.0.0.1: one event of the stream is larger than 16777216 bytes."
    )


def test_after_the_end_mark_the_connection_serves_again(doors: Doors) -> None:
    peers = set()

    async def script(request: Received, wire: Wire) -> None:
        peers.add(wire._writer.get_extra_info("peername"))
        await wire.stream(WHOLE)

    doors.upstream.script = script
    for _ in range(5):
        assert text_of(doors.chat(stream=True).content) == "Hello."
    assert len(peers) == 1
