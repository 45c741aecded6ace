"""Text filters over events: one for each running text, and nothing held beyond what closes it."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from gateway.seam import Chunk, Key, UpstreamError
from gateway.seam.rewrite import Rewriter
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.sse import DONE, frame


def chunk(*choices: Any, **top: Any) -> Chunk:
    return Chunk(frame(json.dumps({"id": "c", "choices": list(choices), **top}).encode()), CHAT_EVENT)


def said(text: str, choice: int = 0, **more: Any) -> Chunk:
    return chunk({"index": choice, "delta": {"content": text}, **more})


def arguments(text: str, index: int = 0, **more: Any) -> Chunk:
    return chunk({"index": 0, "delta": {"tool_calls": [{"index": index, "function": {"arguments": text}}]}, **more})


END = Chunk(DONE, CHAT_EVENT)


class Hold:
    """Holds everything back until the end."""

    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        self.held += text
        return ""

    def end(self) -> str:
        return f"<{self.held}>"


class Late:
    """Holds one character back."""

    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        text = self.held + text
        self.held = text[-1:]
        return text[:-1]

    def end(self) -> str:
        return self.held


class Same:
    def feed(self, text: str) -> str:
        return text

    def end(self) -> str:
        return ""


class By:
    """Passes pieces through a function."""

    def __init__(self, change: Callable[[str], str]) -> None:
        self.change = change

    def feed(self, text: str) -> str:
        return self.change(text)

    def end(self) -> str:
        return ""


def out(rewriter: Rewriter, *events: Chunk, end: bool = False) -> list[list[tuple[Any, ...]]]:
    """What leaves, as the parts of each event; `end` where an event closes something."""
    left = [new for event in events for new in rewriter.feed(event)]
    left += rewriter.end() if end else []
    return [[*(tuple(part) for part in new.parts()), *(["end"] if new.ends else [])] for new in left]


def test_what_does_not_change_is_the_same_chunk() -> None:
    rewriter = Rewriter(lambda key: Same())
    for event in (said("a"), chunk({"index": 0, "delta": {"role": "assistant"}}), said("b", finish_reason="stop"), END):
        (same,) = rewriter.feed(event)
        assert same is event


def test_each_running_text_has_a_filter_of_its_own() -> None:
    keys: list[Key] = []

    def new(key: Key) -> Same:
        keys.append(key)
        return Same()

    both = {"content": "a", "reasoning": "b", "reasoning_content": "c", "refusal": "d"}
    out(
        Rewriter(new),
        chunk({"index": 0, "delta": both}, {"index": 1, "delta": {"content": "e"}}),
        arguments("{", 0),
        arguments("{", 1),
        said("f"),
        arguments("}", 0),
    )
    assert keys == [
        (0, "text", 0),
        (0, "reasoning", 0),
        (0, "reasoning", 1),
        (0, "refusal", 0),
        (1, "text", 0),
        (0, "tool_args", 0),
        (0, "tool_args", 1),
    ]


def test_what_was_held_leaves_before_the_event_that_closes() -> None:
    finish = chunk({"index": 0, "delta": {}, "finish_reason": "stop"})
    assert out(Rewriter(lambda key: Hold()), said("a"), said("b"), finish, END) == [
        [],
        [],
        [(0, "text", 0, "<ab>")],
        ["end"],
        ["end"],
    ]


def test_text_in_the_closing_event_stays_in_it() -> None:
    last = said("b", finish_reason="stop")
    assert out(Rewriter(lambda key: Hold()), said("a"), last, END) == [[], [(0, "text", 0, "<ab>"), "end"], ["end"]]


def test_without_a_finish_the_end_mark_closes() -> None:
    assert out(Rewriter(lambda key: Hold()), said("a"), END) == [[], [(0, "text", 0, "<a>")], ["end"]]


def test_without_any_closing_event_the_end_closes() -> None:
    assert out(Rewriter(lambda key: Hold()), said("a"), end=True) == [[], [(0, "text", 0, "<a>")]]


def test_nothing_held_makes_no_event() -> None:
    assert out(Rewriter(lambda key: Same()), said("a"), END, end=True) == [[(0, "text", 0, "a")], ["end"]]


def test_one_choices_finish_leaves_the_others_text_alone() -> None:
    finish = {"index": 0, "delta": {}, "finish_reason": "stop"}
    both = chunk(finish, {"index": 1, "delta": {"content": "cd"}})
    assert out(Rewriter(lambda key: Late()), said("ab"), said("xy", 1), both, END) == [
        [(0, "text", 0, "a")],
        [(1, "text", 0, "x")],
        [(0, "text", 0, "b")],
        [(1, "text", 0, "yc"), "end"],
        [(1, "text", 0, "d")],
        ["end"],
    ]


def test_a_whole_answer_is_fed_and_ended_at_once() -> None:
    message = {"content": "a", "tool_calls": [{"id": "x", "function": {"arguments": '"b"'}}]}
    whole = Chunk(json.dumps({"choices": [{"index": 0, "message": message}]}).encode(), CHAT_ANSWER)
    rewriter = Rewriter(lambda key: Late())
    (same,) = rewriter.feed(whole)
    assert same is whole
    assert rewriter.end() == []
    (changed,) = Rewriter(lambda key: By(str.upper)).feed(whole)
    assert changed.parts() == [(0, "text", 0, "A"), (0, "tool_args", 0, '"B"')]


@pytest.mark.parametrize("pieces", [['{"a": "x"}'], ['{"a"', ': "x', '"}'], ['{"a": "x\\u00e9"}']])
def test_arguments_that_a_filter_breaks_are_refused(pieces: list[str]) -> None:
    rewriter = Rewriter(lambda key: By(lambda text: text.replace("x", 'a"b')))
    left = [new for piece in pieces for new in rewriter.feed(arguments(piece))]
    assert not any(new.ends for new in left)
    with pytest.raises(UpstreamError, match="withheld"):
        rewriter.feed(chunk({"index": 0, "delta": {}, "finish_reason": "tool_calls"}))


def test_arguments_that_a_filter_breaks_are_refused_wherever_they_close() -> None:
    def broken() -> Rewriter:
        return Rewriter(lambda key: By(lambda text: text.replace("x", '"')))

    with pytest.raises(UpstreamError, match="withheld"):
        broken().feed(arguments('{"a":"x"}', finish_reason="tool_calls"))
    rewriter = broken()
    rewriter.feed(arguments('{"a":"x"}'))
    with pytest.raises(UpstreamError, match="withheld"):
        rewriter.end()
    message = {"tool_calls": [{"function": {"arguments": '{"a":"x"}'}}]}
    with pytest.raises(UpstreamError, match="withheld"):
        broken().feed(Chunk(json.dumps({"choices": [{"message": message}]}).encode(), CHAT_ANSWER))


def test_arguments_that_were_no_json_may_change() -> None:
    """The input of a custom tool is free text, and a cut answer's arguments are cut."""
    rewriter = Rewriter(lambda key: By(str.upper))
    finish = chunk({"index": 0, "delta": {}, "finish_reason": "length"})
    assert out(rewriter, arguments('{"a": "b'), finish) == [[(0, "tool_args", 0, '{"A": "B')], ["end"]]


@pytest.mark.parametrize("text", ['{"a": "x\\ud83d"}', '{"a": "x", "n": 1e400}'])
def test_arguments_may_hold_halves_of_surrogate_pairs_and_large_numbers(text: str) -> None:
    rewriter = Rewriter(lambda key: By(lambda piece: piece.replace("x", "y")))
    rewriter.feed(arguments(text))
    rewriter.feed(END)
    rewriter = Rewriter(lambda key: By(lambda piece: piece.replace("x", '"')))
    rewriter.feed(arguments(text))
    with pytest.raises(UpstreamError, match="withheld"):
        rewriter.feed(END)


def test_an_event_that_does_not_decode_is_not_waved_through() -> None:
    with pytest.raises(UpstreamError):
        Rewriter(lambda key: Same()).feed(Chunk(b"data: {\n\n", CHAT_EVENT))
