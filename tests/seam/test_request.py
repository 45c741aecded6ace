"""Requests: bytes untouched but for what was changed, and changed in one copy alone."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.seam import InvalidRequest, Request

RAW = b"""{ "model" : "m", "n": 1.00, "seed": 123456789012345678901234567890, "messages": [
 {"role":"user", "content":"one", "x": 1.0},
 {"role": "tool", "content": [ {"type":"text","text":"two" , "big": 9999999999999999999999.0 } ] } ],
 "stream": false }"""


def request(raw: bytes = RAW, **more: Any) -> Request:
    return Request("chat", raw, model="m", **more)


def write(one: Request, *texts: str) -> None:
    for text, new in zip(one.texts(), texts, strict=False):
        text.text = new


def read(one: Request) -> list[str]:
    return [text.text for text in one.texts()]


def test_untouched_bytes_stay_the_same_bytes() -> None:
    one = request()
    assert read(one) == ["one", "two"]
    assert one.body["seed"] == 123456789012345678901234567890
    write(one, "one", "two")
    assert one.raw is RAW
    assert one.copy().raw is RAW
    assert one.copy(model="m", stream=False).raw is RAW


def test_a_copy_of_another_model_is_spliced() -> None:
    one = request()
    other = one.copy(model="é", stream=True)
    assert other.raw == RAW.replace(b'"m"', '"é"'.encode()).replace(b"false", b"true")
    assert (other.model, other.stream) == ("é", True)
    assert (other.body["model"], other.body["stream"]) == ("é", True)
    assert one.raw is RAW
    assert one.body["model"] == "m"
    assert (one.model, one.stream) == ("m", False)


def test_what_was_decoded_before_agrees_with_what_was_changed() -> None:
    one = request()
    assert one.body["model"] == "m"
    other = one.copy(model="x")
    assert other.body["model"] == "x"
    assert json.loads(other.raw) == other.body


def test_spliced_sets_members_in_one_pass() -> None:
    other = request().copy(model="x")
    spliced = other.spliced({"stream": b"true", "stream_options": b'{"include_usage":true}'})
    assert json.loads(spliced)["stream_options"] == {"include_usage": True}
    assert json.loads(spliced)["model"] == "x"
    assert b"1.00" in spliced
    assert other.raw == RAW.replace(b'"m"', b'"x"')
    assert json.loads(Request("chat", body={"a": 1}).spliced({"b": b"2"})) == {"a": 1, "b": 2}


def test_a_write_keeps_every_other_literal() -> None:
    one = request()
    write(one, "ONE", 'T"WO')
    for literal in (b'"n": 1.00', b"123456789012345678901234567890", b'"x":1.0', b"9999999999999999999999.0"):
        assert literal in one.raw
    assert json.loads(one.raw) == json.loads(RAW.replace(b'"one"', b'"ONE"').replace(b'"two"', b'"T\\"WO"'))
    assert read(one) == ["ONE", 'T"WO']
    assert one.body == json.loads(one.raw)


def test_a_write_touches_only_the_copy_that_wrote() -> None:
    first = request()
    held = list(first.texts())
    second = first.copy(model="x")
    write(second, "second")
    third = second.copy()
    write(third, "third", "third")
    held[0].text = "first"
    fourth = first.copy()
    write(fourth, "fourth")
    write(second, "again")
    assert read(first) == ["first", "two"]
    assert read(second) == ["again", "two"]
    assert read(third) == ["third", "third"]
    assert read(fourth) == ["fourth", "two"]
    for one in (first, second, third, fourth):
        assert json.loads(one.raw) == one.body
    assert json.loads(third.raw)["model"] == "x"


def test_reading_the_bytes_between_writes_changes_nothing() -> None:
    one = request()
    write(one, "a")
    copy = one.copy()
    assert one.raw == copy.raw
    write(one, "b", "c")
    assert read(copy) == ["a", "two"]
    assert json.loads(copy.raw)["messages"][0]["content"] == "a"
    assert json.loads(one.raw)["messages"][0]["content"] == "b"
    assert json.loads(one.raw)["messages"][1]["content"][0]["text"] == "c"


def test_a_request_made_of_a_document() -> None:
    body = {"messages": [{"role": "user", "content": "one"}], "model": "m"}
    one = Request("chat", body=body, model="m")
    copy = one.copy(model="x")
    write(copy, "two")
    write(one, "three")
    assert json.loads(copy.raw) == {"messages": [{"role": "user", "content": "two"}], "model": "x"}
    assert json.loads(one.raw) == {"messages": [{"role": "user", "content": "three"}], "model": "m"}
    assert body == {"messages": [{"role": "user", "content": "one"}], "model": "m"}


def test_the_surface_of_a_copy() -> None:
    one = Request("messages", b'{"system":"a","messages":[]}', headers=[(b"anthropic-version", b"1")], wants_usage=True)
    write(one, "b")
    assert one.raw == b'{"system":"b","messages":[]}'
    other = one.copy(surface="chat")
    assert (other.surface, one.surface) == ("chat", "messages")
    assert other.headers == [(b"anthropic-version", b"1")]
    assert other.wants_usage
    assert read(other) == []


@pytest.mark.parametrize("raw", [b"", b"[]", b"1", b"{", b'"x"', b"\xff", b'{"a":"\\ud83d"}', b"[" * 100_000])
def test_what_is_no_object_is_an_invalid_request(raw: bytes) -> None:
    with pytest.raises(InvalidRequest) as caught:
        _ = request(raw).body
    assert caught.value.code == ("invalid_type" if raw in (b"[]", b"1", b'"x"') else "invalid_json")
    with pytest.raises(InvalidRequest):
        list(request(raw).texts())


def test_texts_nested_too_deep_are_an_invalid_request() -> None:
    content: Any = "x"
    for _ in range(2000):
        content = [{"type": "tool_result", "content": content}]
    deep = {"messages": [{"role": "user", "content": content}]}
    with pytest.raises(InvalidRequest):
        list(Request("messages", body=deep).texts())


ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["messages", "content", "text", "type", "role", "input", "tool_calls", "function", "arguments"]
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=15,
)
OBJECTS = st.dictionaries(st.sampled_from(["messages", "system", "prediction", "model"]), ANY, max_size=4)
SHAPED = st.fixed_dictionaries(
    {
        "messages": st.lists(
            st.fixed_dictionaries(
                {"role": st.sampled_from(["user", "assistant", "tool"])},
                optional={
                    "content": st.text(max_size=3)
                    | st.lists(
                        st.fixed_dictionaries(
                            {"type": st.sampled_from(["text", "tool_use", "tool_result"])},
                            optional={"text": st.text(max_size=3), "input": ANY, "content": ANY},
                        ),
                        max_size=3,
                    )
                },
            ),
            max_size=3,
        )
    }
)


@pytest.mark.parametrize("surface", ["chat", "messages"])
@given(body=OBJECTS | SHAPED, model=st.booleans())
def test_texts_of_any_object_can_be_read_and_written(surface: str, body: dict[str, Any], model: bool) -> None:
    raw = json.dumps(body).encode()
    one = Request(surface, raw)
    copy = one.copy(model="x") if model else one.copy()
    for number, text in enumerate(copy.texts()):
        text.text = f"<{number}>{text.text}"
    for number, (old, new) in enumerate(zip(one.texts(), copy.texts(), strict=True)):
        assert new.text == f"<{number}>{old.text}"
        assert (old.role, old.origin) == (new.role, new.origin)
    assert one.raw is raw
    assert json.loads(copy.raw) == copy.body


def test_a_name_that_is_not_utf8_is_the_clients_error() -> None:
    request = Request("chat", b'{"model":"a","\x80":1}', model="a")
    with pytest.raises(InvalidRequest, match="not valid JSON") as caught:
        _ = request.copy(model="b").raw
    assert caught.value.code == "invalid_json"
    with pytest.raises(InvalidRequest, match="not valid JSON"):
        request.spliced({"stream_options": b"{}"})


# ---- system texts


@pytest.mark.parametrize(
    ("surface", "raw", "instructed"),
    [
        ("chat", b'{"messages":[]}', b'{"messages":[{"role":"system","content":"Be \\"kind\\"."}]}'),
        (
            "chat",
            b'{"messages":[ {"role":"user","n":1.00} ],"seed":1.00}',
            b'{"messages":[{"role":"system","content":"Be \\"kind\\"."},{"role":"user","n":1.00}],"seed":1.00}',
        ),
        ("messages", b'{"messages":[],"n":1.00}', b'{"messages":[],"n":1.00,"system":"Be \\"kind\\"."}'),
        ("messages", b'{"system":null}', b'{"system":"Be \\"kind\\"."}'),
        ("messages", b'{"system":"Short."}', b'{"system":"Be \\"kind\\".\\n\\nShort."}'),
        (
            "messages",
            b'{"system":[{"type":"text","text":"Short.","n":1.00}]}',
            b'{"system":[{"type":"text","text":"Be \\"kind\\"."},{"type":"text","text":"Short.","n":1.00}]}',
        ),
    ],
)
@pytest.mark.parametrize("looked", [False, True])
def test_a_system_text_is_put_in_front(surface: str, raw: bytes, instructed: bytes, looked: bool) -> None:
    one = Request(surface, raw)
    before = one.copy()
    if looked:
        assert one.raw == raw
        assert one.body == json.loads(raw)
    assert one.instruct('Be "kind".')
    assert one.body == json.loads(instructed)
    assert one.raw == instructed
    assert read(one)[0].startswith('Be "kind".')
    assert before.raw == raw  # a copy does not see it
    of_document = Request(surface, body=json.loads(raw))
    assert of_document.instruct('Be "kind".')
    assert json.loads(of_document.raw) == json.loads(instructed)


def test_system_texts_and_other_writes_mix() -> None:
    one = request()
    write(one, "ONE")
    assert one.instruct("inner")
    assert one.instruct("outer")
    write(one, "OUTER", "inner", "one")
    assert read(one) == ["OUTER", "inner", "one", "two"]
    assert json.loads(one.raw) == one.body
    assert b"9999999999999999999999.0" in one.raw


@pytest.mark.parametrize(
    ("surface", "raw"),
    [("embeddings", b'{"input":"x"}'), ("chat", b'{"messages":"x"}'), ("chat", b"{}"), ("messages", b'{"system":5}')],
)
def test_where_there_is_no_place_for_a_system_text_nothing_changes(surface: str, raw: bytes) -> None:
    one = Request(surface, raw)
    assert not one.instruct("x")
    assert one.raw is raw
