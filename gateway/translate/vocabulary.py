"""Words and counts that both dialects have, each in its own spelling."""

from collections.abc import Mapping

import msgspec
from msgspec import Raw

from gateway.wire.verbatim import INVALID, NULL, is_null

FINISH = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "tool_use": "tool_calls",
    "refusal": "content_filter",
    "pause_turn": "stop",
}
"""Why an answer stopped: Anthropic's words in OpenAI's."""
STOP = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "content_filter": "refusal",
}
"""OpenAI's words in Anthropic's."""
TIERS = {"standard": "default", "priority": "priority"}
"""The tier that served: Anthropic's words in OpenAI's."""


def chat_id(message: str) -> str:
    """The id of a completion that is this message: one answer has one id."""
    return "chatcmpl-" + message.removeprefix("msg_")


def message_id(completion: str) -> str:
    """The id of a message that is this completion."""
    return "msg_" + completion.removeprefix("chatcmpl-")


_Count = int | float | None


class _OutputDetails(msgspec.Struct, gc=False):
    thinking_tokens: _Count = None


class _MessagesUsage(msgspec.Struct, gc=False):
    input_tokens: _Count = None
    output_tokens: _Count = None
    cache_read_input_tokens: _Count = None
    cache_creation_input_tokens: _Count = None
    output_tokens_details: _OutputDetails | None = None


class _PromptDetails(msgspec.Struct, gc=False):
    cached_tokens: _Count = None
    cache_write_tokens: _Count = None


class _CompletionDetails(msgspec.Struct, gc=False):
    reasoning_tokens: _Count = None


class _ChatUsage(msgspec.Struct, gc=False):
    prompt_tokens: _Count = None
    completion_tokens: _Count = None
    prompt_tokens_details: _PromptDetails | None = None
    completion_tokens_details: _CompletionDetails | None = None


_messages_usage = msgspec.json.Decoder(_MessagesUsage).decode
_chat_usage = msgspec.json.Decoder(_ChatUsage).decode


def chat_usage(reports: list[Raw]) -> Mapping[str, object]:
    """OpenAI's usage of what a message's reports say, the later ones of which stand for the earlier.

    OpenAI's `prompt_tokens` include what was read from the cache and written to it; Anthropic's `input_tokens` do not.
    """
    given, output, cached, written, thinking = 0, 0, 0, 0, 0
    for report in reports:
        try:
            usage = _messages_usage(report)
        except INVALID:  # no reason to lose an answer
            continue
        given = _told(usage.input_tokens, given)
        output = _told(usage.output_tokens, output)
        cached = _told(usage.cache_read_input_tokens, cached)
        written = _told(usage.cache_creation_input_tokens, written)
        if usage.output_tokens_details is not None:
            thinking = _told(usage.output_tokens_details.thinking_tokens, thinking)
    prompt = given + cached + written
    return {
        "prompt_tokens": prompt,
        "completion_tokens": output,
        "total_tokens": prompt + output,
        "prompt_tokens_details": {"cached_tokens": cached, "cache_write_tokens": written},
        "completion_tokens_details": {"reasoning_tokens": thinking},
    }


def messages_usage(report: Raw) -> dict[str, object]:
    """Anthropic's usage of what a completion's says."""
    try:
        usage = _ChatUsage() if is_null(report) else _chat_usage(report)
    except INVALID:  # no reason to lose an answer
        usage = _ChatUsage()
    details = usage.prompt_tokens_details or _PromptDetails()
    cached, written = _told(details.cached_tokens, 0), _told(details.cache_write_tokens, 0)
    counts: dict[str, object] = {
        "input_tokens": max(0, _told(usage.prompt_tokens, 0) - cached - written),
        "cache_creation_input_tokens": written,
        "cache_read_input_tokens": cached,
        "output_tokens": _told(usage.completion_tokens, 0),
    }
    if usage.completion_tokens_details is not None:
        thinking = _told(usage.completion_tokens_details.reasoning_tokens, 0)
        if thinking:
            counts["output_tokens_details"] = {"thinking_tokens": thinking}
    return counts


def _told(count: _Count, before: int) -> int:
    return before if count is None else int(count)


class _Tier(msgspec.Struct, gc=False):
    service_tier: str | None = None


_tier = msgspec.json.Decoder(_Tier).decode


def tier(report: Raw = NULL) -> str | None:
    """The tier that a message's usage names, in OpenAI's word."""
    try:
        return TIERS.get((_tier(report).service_tier if not is_null(report) else None) or "")
    except INVALID:
        return None
