"""A house rule for every prompt: a system text in front of what the caller sent, in whichever dialect it came.

    pipeline:
      model: [{use: prompt_prefix, text: "Answer in British English.", models: ["gpt-*", "fast"]}]

In the model ring it reaches the steps of chains too; in the request ring only what clients ask for.
"""

import re
from fnmatch import translate

from gateway import seam
from gateway.seam import Call, Handler, Reply


class PromptPrefix:
    """Puts `text` in front of the system texts of calls for the `models` (globs over the names that are asked for)."""

    class Settings(seam.Settings):
        """`text` as the model shall read it."""

        text: str
        models: tuple[str, ...] = ("*",)

    def __init__(self, settings: Settings) -> None:
        if not settings.text.strip():
            raise ValueError("expected a text, found an empty one")
        self._text = settings.text
        self._models = re.compile("|".join(map(translate, settings.models)) or r"(?!)")

    async def __call__(self, call: Call, call_next: Handler) -> Reply:
        """Instruct, then go on. A dialect without system texts (embeddings) is left alone."""
        if self._models.match(call.request.model):
            call.request.instruct(self._text)
        return await call_next(call)
