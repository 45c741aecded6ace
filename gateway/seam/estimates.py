"""Tokens before a call, without a tokenizer: bytes ÷ a ratio that is learned per model."""

import re

from gateway.wire.parts import Usage

BYTES_PER_TOKEN = 4
"""What a token weighs in JSON, of a model that nothing is known of yet."""
_BOUNDS = (1.5, 8.0)
"""What a token may weigh. What lies outside counted something else: images, or a prompt that the provider adds to."""
_WEIGHT = 1 / 8
"""How much one answer moves the ratio."""
_LEAST = 256
"""Bytes of a request from which on it teaches: a short one is mostly the framing of its JSON."""
_REMEMBERED = 1024
_BLOB = re.compile(rb"(?<![A-Za-z0-9+/=])[A-Za-z0-9+/=]{1024,}+")
"""An image or a document in base64: no text has words of that length."""
BLOB_TOKENS = 1600
"""What such a thing counts as: about Anthropic's largest image (https://docs.claude.com/en/docs/build-with-claude/vision)."""


class Estimates:
    """Bytes of JSON a token, by upstream model: taught by answers that report their usage. Bounded."""

    def __init__(self) -> None:
        self._ratios: dict[str, float] = {}

    def learn(self, model: str, sent: int, usage: Usage) -> None:
        """A request of `sent` bytes had this usage."""
        if sent < _LEAST or usage.input < 1 or not _BOUNDS[0] <= (ratio := sent / usage.input) <= _BOUNDS[1]:
            return
        known = self._ratios.pop(model, None)
        self._ratios[model] = ratio if known is None else known + (ratio - known) * _WEIGHT
        if len(self._ratios) > _REMEMBERED:
            del self._ratios[next(iter(self._ratios))]  # the one that has learned nothing for longest

    def tokens(self, model: str, source: bytes) -> int:
        """How many tokens a request's JSON probably has; at least 1."""
        blobs = [found.end() - found.start() for found in _BLOB.finditer(source)]
        text = len(source) - sum(blobs)
        return max(1, round(text / self._ratios.get(model, BYTES_PER_TOKEN))) + BLOB_TOKENS * len(blobs)
