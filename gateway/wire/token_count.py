"""Anthropic's count of a request's tokens (https://docs.claude.com/en/api/messages-count-tokens)."""

from typing import ClassVar

from gateway.wire.textless import TextlessCodec


class TokenCountAnswer(TextlessCodec):
    """A number, of what nobody has used yet: `{"input_tokens": 14}`."""

    surface: ClassVar[str] = "count_tokens"


TOKEN_COUNT_ANSWER = TokenCountAnswer()
