"""What every dialect's answers are made of, named neutrally."""

from typing import Literal, NamedTuple

Kind = Literal["text", "reasoning", "refusal", "tool_args"]


class Key(NamedTuple):
    """Which running text of an answer: its choice, its kind, and which of several of that kind."""

    choice: int
    kind: Kind
    index: int  # type: ignore[assignment]  # the field hides tuple.index, which nobody calls here


class Part(NamedTuple):
    """A piece of one running text; of a whole answer, all of it.

    The text of `tool_args` is JSON source, so a quote in it stands escaped.
    """

    choice: int
    kind: Kind
    index: int  # type: ignore[assignment]  # the field hides tuple.index, which nobody calls here
    text: str

    @property
    def key(self) -> Key:
        """The running text that this is a piece of."""
        return Key(self.choice, self.kind, self.index)


class Usage(NamedTuple):
    """Tokens of one answer, in OpenAI's sense: `input` includes what was read from or written to a prompt cache.

    `output` includes `reasoning`.
    """

    input: int = 0
    output: int = 0
    cached: int = 0
    written: int = 0
    reasoning: int = 0

    def merge(self, later: "Usage") -> "Usage":
        """Join two reports of one answer: counts only grow (Anthropic tells input first, output last)."""
        return Usage(*map(max, self, later))

    def plus(self, other: "Usage") -> "Usage":
        """Add two answers' usage."""
        return Usage(*(mine + theirs for mine, theirs in zip(self, other, strict=True)))
