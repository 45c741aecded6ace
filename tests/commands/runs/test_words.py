import pytest

from gateway.commands.runs.records import Failure
from gateway.commands.runs.words import clean, fitted, short, text_of, tokens, told, took


@pytest.mark.parametrize(
    ("ms", "said"),
    [
        (None, ""),
        (0, "0 ms"),
        (12.4, "12 ms"),
        (999.4, "999 ms"),
        (999.6, "1.0 s"),
        (1234, "1.2 s"),
        (99_949, "99.9 s"),
        (99_960, "1m40s"),
        (3_600_000, "60m00s"),
    ],
)
def test_times(ms: float | None, said: str) -> None:
    assert took(ms) == said


def test_tokens() -> None:
    assert [tokens(count) for count in (0, 1, 1234)] == ["", "1 token", "1,234 tokens"]


def test_what_a_terminal_would_take_for_commands_is_shown() -> None:
    assert clean("a\x1b[2Jb\x07\x9b31m\rc") == "a\\x1b[2Jb\\x07\\x9b31m\\x0dc"
    assert clean("one\r\ntwo\tthree") == "one\ntwo\tthree"
    assert clean("safe \u202egnp.exe") == "safe \\u202egnp.exe"
    assert clean("naïve 漢字 👩\u200d🚀") == "naïve 漢字 👩\u200d🚀"


def test_texts_of_values() -> None:
    assert text_of("hi\x1b") == "hi\\x1b"
    assert text_of({"a": [1, "ü"]}) == '{"a": [1, "ü"]}'
    messages = [{"role": "user", "content": "first"}, {"role": "user", "content": "last"}]
    assert text_of({"messages": messages}) == text_of(messages) == "last"
    assert text_of({"messages": []}) == '{"messages": []}'
    assert text_of(["x"]) == '["x"]'
    assert text_of([{"content": "found"}]) == '[{"content": "found"}]'
    assert text_of([{"role": "user", "content": [{"type": "text"}]}]).startswith('[{"role"')


def test_short_ones() -> None:
    assert short(None, 10) == ""
    assert short("two\n  lines", 20) == '"two lines"'
    assert short("a long text that goes on", 10) == '"a long t…'
    assert short({"a": 1}, 10) == '{"a": 1}'
    assert short([{"role": "user", "content": "hi"}], 10) == '"hi"'
    assert short(True, 10) == "true"
    assert short(12, 10) == "12"
    assert short("x" * 10_000_000, 8) == '"xxxxxx…'
    assert fitted("漢字漢字", 5) == "漢字…"
    assert fitted("漢字", 4) == "漢字"
    assert fitted("abc", 0) == "…"


def test_errors() -> None:
    assert told(None) == ""
    assert told(Failure("It broke.", "upstream_error", "broke")) == "It broke. (broke)"
    assert told(Failure("", "upstream_error")) == "upstream_error"
    assert told(Failure()) == "failed"
    assert told(Failure("Two\n  lines\x1b.", code="a\nb")) == "Two lines\\x1b. (a b)"
