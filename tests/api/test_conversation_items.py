import json
from typing import Any

import pytest

from gateway.api.conversation_items import items_of, messages_of, row_of

ROW = "0" * 32


def shown(message: Any) -> list[dict[str, Any]]:
    return items_of(ROW, json.dumps(message).encode())


def test_a_message_s_items() -> None:
    call = {"id": "c", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    (text, first, second) = shown(
        {"role": "assistant", "content": "Hm", "tool_calls": [call, {"custom": {"name": "x"}}]}
    )
    assert text["content"] == [{"type": "output_text", "text": "Hm", "annotations": []}]
    assert (first["type"], first["call_id"], first["name"]) == ("function_call", "c", "f")
    assert second["type"] == "custom_tool_call"
    ids = [item["id"] for item in (text, first, second)]
    assert len(set(ids)) == 3
    assert {row_of(one) for one in ids} == {ROW}


@pytest.mark.parametrize("odd", ["text", 1, None, [], {}, {"role": 3}, {"content": 5}, {"tool_calls": [1]}])
def test_whatever_is_kept_can_be_shown(odd: Any) -> None:
    (item,) = shown(odd)
    assert item["type"] == "message"


def test_halves_of_surrogates_can_be_shown() -> None:
    assert items_of(ROW, b'{"role":"user","content":"\\ud83d"}')[0]["content"][0]["text"] == "\ufffd"


def test_items_come_back_as_they_went_in() -> None:
    image = {"type": "input_image", "image_url": "https://x/y.png", "detail": "low"}
    given = [
        {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "a"}, image]},
        {"type": "message", "role": "developer", "content": [{"type": "input_text", "text": "b"}]},
        {"type": "function_call", "call_id": "1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "1", "output": "x"},
    ]
    back = [item for source in messages_of(given) for item in items_of(ROW, source)]
    assert [{name: item[name] for name in one} for item, one in zip(back, given, strict=True)] == given


def test_what_is_no_id_names_no_message() -> None:
    for wrong in ("", "msg_", f"msg_{ROW}0", f"MSG_{ROW}", ROW, f"msg_{ROW}_x"):
        assert row_of(wrong) is None
