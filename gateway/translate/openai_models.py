"""What models behind OpenAI's dialect take, by their names, where servers differ."""

import re
from functools import lru_cache
from typing import NamedTuple


class Spoken(NamedTuple):
    """One model's traits. The defaults suit the many servers that know no more than the common fields."""

    newer_limit: bool = False
    """Whether the answer's limit is `max_completion_tokens`: OpenAI's newer models refuse `max_tokens`."""
    effort: bool = False
    """Whether `reasoning_effort` is taken: models that do not reason refuse it."""


_OPENAI = re.compile(r"(?:^|[/.:])(?:o\d|gpt-(?:[5-9]|\d\d)|chatgpt)")
_REASONING = re.compile(
    r"(?:^|[/.:_-])(?:o\d|gpt-(?:[5-9]|\d\d|oss)|gemini|grok-(?:3-mini|[4-9])|deepseek|qwen-?3|kimi|glm|magistral|claude)"
)


@lru_cache(1024)
def spoken(model: str) -> Spoken:
    """The traits of a model by its name."""
    name = model.lower()
    return Spoken(_OPENAI.search(name) is not None, _REASONING.search(name) is not None)
