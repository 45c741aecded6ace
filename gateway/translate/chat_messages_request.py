"""A chat request as one of Anthropic's.

Sources: https://platform.openai.com/docs/api-reference/chat/create and https://docs.claude.com/en/api/messages.
"""

from itertools import zip_longest
from typing import Any

from gateway.seam.errors import InvalidRequest
from gateway.translate.chat_messages_tools import Tools
from gateway.translate.chat_messages_turns import Turns
from gateway.translate.claude import Claude
from gateway.translate.fields import Fields, Number, Reading, missing, value_of

Body = dict[str, Any]

_LEAST_BUDGET = 1024
_BUDGETS = {"minimal": 1024, "low": 2048, "medium": 8192, "high": 16_384, "xhigh": 32_768, "max": 32_768}
"""Tokens of thinking that an effort is worth, for models that think by budget."""
_THINKING = ("enabled", "adaptive")
EFFORTS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_TIERS = {"auto": "auto", "default": "standard_only"}


def messages_body(reading: Reading, model: Claude, name: str, max_tokens: int | None) -> Body:
    """The body for a Messages target whose model is called `name`; what it lacks, `reading` will have named."""
    body = reading.body
    out: Body = {"model": name}
    body.take("model")
    limit = _limit(body)
    out["max_tokens"] = max_tokens or model.max_tokens if limit is None else limit
    turns = _turns(body, model)
    if turns.system:
        out["system"] = _plain(turns.system)
    out["messages"] = [{**turn, "content": _plain(turn["content"])} for turn in turns.turns]
    tools = Tools(body, model, turns.tools)
    if tools.tools:
        out["tools"] = tools.tools
    if tools.choice:
        out["tool_choice"] = tools.choice
    if tools.format is not None:
        out["output_config"] = {"format": tools.format}
    thinks = _think(body, out, model, forced=tools.forced, unsigned_loop=turns.unsigned_loop, limited=limit is not None)
    _sample(body, out, model, thinks=thinks)
    _stop(body, out)
    _say_who(body, out)
    _rest(body, out)
    return out


def _turns(body: Fields, model: Claude) -> Turns:
    turns = Turns(model)
    if "messages" not in body:
        raise missing("messages")
    messages = list(body.items("messages"))
    for message, after in zip_longest(messages, messages[1:]):
        turns.add(message, "" if after is None else _role(after))
    turns.end()
    return turns


def _role(message: Fields) -> str:
    role = message.peek("role")
    return role if isinstance(role, str) else ""


def _plain(content: list[Body]) -> str | list[Body]:
    """Blocks, or the text alone where that is all."""
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        text: str = content[0]["text"]
        return text
    return content


def _limit(body: Fields) -> int | None:
    newer, older = body.integer("max_completion_tokens"), body.integer("max_tokens")
    if newer is not None and older is not None and newer != older:
        body.drop("max_tokens")
    limit = older if newer is None else newer
    if limit is not None and limit < 1:
        raise InvalidRequest("The most tokens of an answer must be at least 1.", param="max_completion_tokens")
    return limit


def _think(body: Fields, out: Body, model: Claude, *, forced: bool, unsigned_loop: bool, limited: bool) -> bool:
    """Ask for thinking; whether it is. A forced tool's use leaves no room for thinking."""
    thinking = body.object("thinking")
    effort = body.text("reasoning_effort")
    if effort is not None and effort not in EFFORTS:
        raise InvalidRequest(
            f"'reasoning_effort' must be one of {', '.join(EFFORTS)}, found '{effort[:40]}'.", param="reasoning_effort"
        )
    if thinking is not None:
        kind = thinking.get("type")
        if (forced and kind in _THINKING) or (unsigned_loop and model.budget and kind == "enabled"):
            body.drop("thinking")
        else:
            out["thinking"] = thinking
            budget = thinking.get("budget_tokens")
            if isinstance(budget, int) and not limited:
                out["max_tokens"] = max(out["max_tokens"], 2 * budget)
    if effort is None or (effort == "none" and not model.thinks):
        pass
    elif not model.thinks:
        body.drop("reasoning_effort")
    elif model.budget:
        if thinking is None:
            _think_by_budget(body, out, effort, forced=forced or unsigned_loop, limited=limited)
        elif effort != "none":
            body.drop("reasoning_effort")
    else:
        _think_by_effort(body, out, model, effort, forced=forced)
    return out.get("thinking", {}).get("type") in _THINKING


def _think_by_budget(body: Fields, out: Body, effort: str, *, forced: bool, limited: bool) -> None:
    if effort == "none":
        return
    budget = _BUDGETS[effort]
    if not limited:
        out["max_tokens"] = max(out["max_tokens"], 2 * budget)
    budget = min(budget, out["max_tokens"] * 4 // 5)
    if forced or budget < _LEAST_BUDGET:
        body.drop("reasoning_effort")
    else:
        out["thinking"] = {"type": "enabled", "budget_tokens": budget}


def _think_by_effort(body: Fields, out: Body, model: Claude, effort: str, *, forced: bool) -> None:
    if effort == "none":
        if model.off == "never":  # the least that there is
            body.drop("reasoning_effort")
            out["output_config"] = {**out.get("output_config", {}), "effort": "low"}
        elif model.off and "thinking" not in out:
            out["thinking"] = {"type": model.off}
        return
    known = "low" if effort == "minimal" else "high" if effort == "xhigh" and not model.xhigh else effort
    out["output_config"] = {**out.get("output_config", {}), "effort": known}
    if not forced and "thinking" not in out:
        out["thinking"] = {"type": "adaptive"} if model.shown else {"type": "adaptive", "display": "summarized"}


def _sample(body: Fields, out: Body, model: Claude, *, thinks: bool) -> None:
    """Sampling: OpenAI's temperature goes up to 2, Anthropic's to 1; and some models leave none to choose."""
    temperature, top_p, top_k = body.number("temperature"), body.number("top_p"), body.integer("top_k")
    if temperature is not None and value_of(temperature) > 1:
        body.drop("temperature")
        temperature = 1
    if not model.sampling or thinks:
        temperature = _only(body, "temperature", temperature, 1)
        top_p = _only(body, "top_p", top_p, 0.95 if thinks and model.sampling else 1)
        if top_k is not None:
            body.drop("top_k")
            top_k = None
    if not model.sampling:
        return
    if model.exclusive and temperature is not None and top_p is not None:
        if value_of(temperature) == 1:
            temperature = None
        elif value_of(top_p) == 1:
            top_p = None
        else:
            body.drop("top_p")
            top_p = None
    for name, value in (("temperature", temperature), ("top_p", top_p), ("top_k", top_k)):
        if value is not None:
            out[name] = value


def _only(body: Fields, name: str, value: Number | None, least: float) -> Number | None:
    """A number where it is at least `least`, else dropped. The default, 1, need not be said."""
    if value is None or value_of(value) == 1:
        return None
    if value_of(value) >= least:
        return value
    body.drop(name)
    return None


def _stop(body: Fields, out: Body) -> None:
    stop = body.take("stop")
    if stop is None:
        return
    stops = [stop] if isinstance(stop, str) else stop
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise body.wrong("stop", "a string or an array of strings")
    for number, one in enumerate(stops):
        if not one.strip():
            body.reading.drop("stop" if isinstance(stop, str) else f"stop[{number}]")
    kept = [one for one in stops if one.strip()]
    if kept:
        out["stop_sequences"] = kept


def _say_who(body: Fields, out: Body) -> None:
    """The end user: `user`, or the identifier that came after it."""
    user = body.text("user")
    identifier = body.text("safety_identifier")
    if user is not None and identifier is not None and user != identifier:
        body.drop("safety_identifier")
    who = user or identifier
    if who:
        out["metadata"] = {"user_id": who}


def _rest(body: Fields, out: Body) -> None:
    """What both know, and what says nothing that the other lacks; the rest is named as dropped."""
    if body.flag("stream"):
        out["stream"] = True
    body.take("stream_options")
    tier = body.text("service_tier")
    if tier in _TIERS:
        out["service_tier"] = _TIERS[tier]
    elif tier is not None:
        body.drop("service_tier")
    control = body.object("cache_control")
    if control is not None:
        out["cache_control"] = control
    body.forget("n", 1)
    for name in ("logprobs", "store"):
        body.forget(name, False)
    for name in ("frequency_penalty", "presence_penalty", "top_logprobs"):
        value = body.number(name)
        if value is not None and value_of(value) != 0:
            body.drop(name)
    body.forget("modalities", ["text"])
    body.forget("logit_bias", {})
    body.forget("metadata", {})
