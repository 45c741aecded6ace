"""One of Anthropic's requests as a chat request.

Sources: https://docs.claude.com/en/api/messages and https://platform.openai.com/docs/api-reference/chat/create.
"""

import hashlib
import re
from typing import Any

from gateway.seam.errors import InvalidRequest
from gateway.translate.fields import Fields, Reading, missing
from gateway.translate.messages_chat_parts import cache_of
from gateway.translate.messages_chat_turns import Messages
from gateway.translate.openai_models import Spoken
from gateway.translate.schema import is_strict

Body = dict[str, Any]

_EFFORTS = ((2048, "low"), (8192, "medium"))
_CHOICES = {"auto": "auto", "any": "required", "none": "none"}
_TIERS = {"auto": "auto", "standard_only": "default"}
_LONGEST_USER = 64
_NOT_IN_NAMES = re.compile(r"[^a-zA-Z0-9_-]")


def chat_body(reading: Reading, model: Spoken, name: str, *, caches: bool) -> Body:
    """The body for a chat target whose model is called `name`; what it lacks, `reading` will have named."""
    body = reading.body
    out: Body = {"model": name}
    body.take("model")
    out["messages"] = _messages(body, name, caches=caches)
    limit = body.integer("max_tokens")
    if limit is not None:
        out["max_completion_tokens" if model.newer_limit else "max_tokens"] = limit
    _add_tools(body, out, caches=caches)
    _configure(body, out, model)
    for field in ("temperature", "top_p"):
        value = body.number(field)
        if value is not None:
            out[field] = value
    stops = body.list("stop_sequences")
    if stops:
        out["stop"] = stops
    _say_who(body, out)
    if body.flag("stream"):
        out["stream"] = True
    tier = body.text("service_tier")
    if tier in _TIERS:
        out["service_tier"] = _TIERS[tier]
    elif tier is not None:
        body.drop("service_tier")
    return out


def _messages(body: Fields, name: str, *, caches: bool) -> list[Body]:
    built = Messages(name, caches=caches)
    if "system" in body:
        built.system(body)
    if "messages" not in body:
        raise missing("messages")
    for turn in body.items("messages"):
        built.add(turn)
    built.end()
    return built.messages


def _add_tools(body: Fields, out: Body, *, caches: bool) -> None:
    tools = [made for tool in body.items("tools") if (made := _tool(tool, caches=caches)) is not None]
    choice = body.fields("tool_choice")
    if not tools:
        if choice is not None:
            choice.take("type")  # said nothing without tools; what it named is named as dropped
        return
    out["tools"] = tools
    if choice is None:
        return
    kind = choice.needed("type")
    if kind == "tool":
        named = choice.needed("name")
        if named in {tool["function"]["name"] for tool in tools}:
            out["tool_choice"] = {"type": "function", "function": {"name": named}}
        else:
            choice.drop("name")
    elif kind in _CHOICES:
        out["tool_choice"] = _CHOICES[kind]
    else:
        raise InvalidRequest("'tool_choice.type' must be auto, any, tool or none.", param="tool_choice.type")
    if choice.flag("disable_parallel_tool_use"):
        out["parallel_tool_calls"] = False


def _tool(tool: Fields, *, caches: bool) -> Body | None:
    """A tool as a function; None for a tool of Anthropic's own, which only its models know."""
    kind = tool.text("type")
    if kind not in (None, "custom"):
        tool.give_up("")
        return None
    function: Body = {"name": tool.needed("name")}
    description = tool.text("description")
    if description is not None:
        function["description"] = description
    function["parameters"] = schema = tool.object("input_schema") or {"type": "object", "properties": {}}
    if tool.flag("strict"):
        if is_strict(schema):
            function["strict"] = True
        else:  # OpenAI refuses `strict` where a member may be left out
            tool.drop("strict")
    cache = cache_of(tool, caches=caches)
    made = {"type": "function", "function": function}
    return made if cache is None else {**made, "cache_control": cache}


def _configure(body: Fields, out: Body, model: Spoken) -> None:
    """How hard to think, and the form of the answer."""
    thinking = body.fields("thinking")
    config = body.fields("output_config")
    effort = config.text("effort") if config is not None else None
    if thinking is not None:
        kind = thinking.needed("type")
        thinking.take("display")
        budget = thinking.integer("budget_tokens")
        if kind == "enabled" and effort is None:
            effort = next((word for most, word in _EFFORTS if (budget or 0) <= most), "high")
        if effort is not None and kind != "disabled" and not model.effort:
            body.drop("thinking")
    if effort is not None and model.effort:
        out["reasoning_effort"] = effort
    elif effort is not None and config is not None and thinking is None:
        config.drop("effort")
    wanted = config.fields("format") if config is not None else None
    wanted = body.fields("output_format") if wanted is None else wanted
    if wanted is not None:
        _answer_as(wanted, out)


def _answer_as(wanted: Fields, out: Body) -> None:
    kind = wanted.needed("type")
    schema = wanted.object("schema")
    if kind != "json_schema" or schema is None:
        wanted.give_up(kind)
        return
    title = schema.get("title")
    name = _NOT_IN_NAMES.sub("_", title)[:64] if isinstance(title, str) and title else "answer"
    described: Body = {"name": name, "schema": schema}
    if is_strict(schema):
        described["strict"] = True
    out["response_format"] = {"type": "json_schema", "json_schema": described}


def _say_who(body: Fields, out: Body) -> None:
    """The end user. OpenAI takes 64 characters: a longer id is known by its hash."""
    metadata = body.fields("metadata")
    user = metadata.text("user_id") if metadata is not None else None
    if user:
        out["user"] = user if len(user) <= _LONGEST_USER else hashlib.sha256(user.encode()).hexdigest()
