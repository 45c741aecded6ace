"""Words and counts in both spellings."""

import pytest
from msgspec import Raw

from gateway.translate.vocabulary import FINISH, STOP, chat_id, chat_usage, message_id, messages_usage, tier
from gateway.wire.verbatim import NULL


@pytest.mark.parametrize(
    ("message", "completion"), [("msg_01", "chatcmpl-01"), ("msg_gen-1", "chatcmpl-gen-1"), ("msg_", "chatcmpl-")]
)
def test_one_answer_has_one_id(message: str, completion: str) -> None:
    assert chat_id(message) == completion
    assert message_id(completion) == message


def test_ids_of_other_servers() -> None:
    assert chat_id("gen-1") == "chatcmpl-gen-1"
    assert message_id("gen-1") == "msg_gen-1"


def test_words_lead_somewhere() -> None:
    assert set(FINISH.values()) <= set(STOP)
    assert set(STOP.values()) <= set(FINISH)


def test_later_reports_stand_for_earlier_ones() -> None:
    first = Raw(b'{"input_tokens":5,"output_tokens":1,"cache_read_input_tokens":2}')
    last = Raw(b'{"output_tokens":9,"cache_read_input_tokens":null}')
    usage = chat_usage([first, Raw(b"[]"), last])
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (7, 9, 16)


def test_counts_that_contradict_each_other() -> None:
    report = Raw(b'{"prompt_tokens":1,"prompt_tokens_details":{"cached_tokens":5}}')
    assert messages_usage(report)["input_tokens"] == 0
    assert messages_usage(NULL)["output_tokens"] == 0


@pytest.mark.parametrize(
    ("report", "word"),
    [
        (b'{"service_tier":"standard"}', "default"),
        (b'{"service_tier":"priority"}', "priority"),
        (b'{"service_tier":"batch"}', None),
        (b"{}", None),
        (b"null", None),
        (b"1", None),
    ],
)
def test_tiers(report: bytes, word: str | None) -> None:
    assert tier(Raw(report)) == word
