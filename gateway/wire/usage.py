"""OpenAI's `usage` object, as chat, text completions and embeddings have it."""

import msgspec
from msgspec import Raw, Struct

from gateway.wire.parts import Usage
from gateway.wire.verbatim import INVALID, NULL, Object, is_null, open_object

Count = int | float | None


class _InputDetails(Struct, gc=False):
    cached_tokens: Count = None
    cache_write_tokens: Count = None


class _OutputDetails(Struct, gc=False):
    reasoning_tokens: Count = None


class _Usage(Struct, gc=False):
    prompt_tokens: Count = None
    completion_tokens: Count = None
    prompt_tokens_details: _InputDetails | None = None
    completion_tokens_details: _OutputDetails | None = None


_decode = msgspec.json.Decoder(_Usage).decode


def read_usage(source: Raw) -> Usage | None:
    """The tokens that a `usage` reports; None where it is null or cannot be read."""
    if is_null(source):
        return None
    try:
        usage = _decode(source)
    except INVALID:  # no reason to lose an answer: its usage is estimated
        return None
    inputs, outputs = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        int(usage.prompt_tokens or 0),
        int(usage.completion_tokens or 0),
        int(inputs.cached_tokens or 0) if inputs is not None else 0,
        int(inputs.cache_write_tokens or 0) if inputs is not None else 0,
        int(outputs.reasoning_tokens or 0) if outputs is not None else 0,
    )


def written_usage(old: Raw, usage: Usage) -> Object:
    """A `usage` that reports these tokens; what else stood in the old one stays."""
    report: Object = {} if is_null(old) else dict(open_object(old))
    report["prompt_tokens"] = usage.input
    report["completion_tokens"] = usage.output
    report["total_tokens"] = usage.input + usage.output
    for name, field, tokens in (
        ("prompt_tokens_details", "cached_tokens", usage.cached),
        ("prompt_tokens_details", "cache_write_tokens", usage.written),
        ("completion_tokens_details", "reasoning_tokens", usage.reasoning),
    ):
        details = report.get(name, NULL)
        if isinstance(details, Raw):
            details = {} if is_null(details) else open_object(details)
        known: Object = details
        if tokens or field in known:
            report[name] = known | {field: tokens}
    return report
