"""The built-in provider that needs no key and no network: deterministic, useful, scriptable.

What it lists: `echo` says the last user text again, `lorem` writes filler of any length, `tools` calls the request's
tools; these honour `tool_choice`, `response_format`, `n`, `logprobs` and streaming as OpenAI's models do. `embed` gives
vectors, `moderate` flags words. Settings add models, fixed replies, delays and failures; see `settings`.
"""

from gateway.providers.mock.provider import Mock
from gateway.providers.mock.settings import MockSettings

__all__ = ["Mock", "MockSettings"]
