"""OpenAI's moderations (https://platform.openai.com/docs/api-reference/moderations)."""

from typing import ClassVar

from gateway.wire.textless import TextlessCodec


class ModerationsAnswer(TextlessCodec):
    """A whole moderation: a result for each input."""

    surface: ClassVar[str] = "moderations"


MODERATIONS_ANSWER = ModerationsAnswer()
