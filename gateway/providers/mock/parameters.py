"""A request's parameters beside the conversation: refused where OpenAI would refuse them."""

from collections.abc import Callable, Mapping
from typing import Any

from gateway.providers.mock.refusals import missing, out_of_range, refused, wrong_length, wrong_type, wrong_value

Check = Callable[[str, Any], None]


def check(body: Mapping[str, Any], *, stream: bool) -> None:
    """Look at all parameters. Raises `InvalidRequest` for the first that is wrong; null is as good as absent."""
    for name, value in body.items():
        if value is not None and (checked := _CHECKS.get(name)) is not None:
            checked(name, value)
    if not stream and body.get("stream_options") is not None:
        raise refused("stream_options", "The 'stream_options' parameter is only allowed when 'stream' is enabled.")
    if body.get("top_logprobs") is not None and not body.get("logprobs"):
        raise refused("top_logprobs", "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled.")


def _boolean(param: str, value: Any) -> None:
    if type(value) is not bool:
        raise wrong_type(param, "a boolean", value)


def _string(param: str, value: Any) -> None:
    if type(value) is not str:
        raise wrong_type(param, "a string", value)


def _object(param: str, value: Any) -> None:
    if type(value) is not dict:
        raise wrong_type(param, "an object", value)


def _integer(least: int | None = None, most: int | None = None) -> Check:
    def check(param: str, value: Any) -> None:
        if type(value) is not int:
            raise wrong_type(param, "an integer", value)
        _in_range(param, value, least, most)

    return check


def _number(least: float, most: float) -> Check:
    def check(param: str, value: Any) -> None:
        if type(value) is not int and type(value) is not float:
            raise wrong_type(param, "a decimal number", value)
        _in_range(param, value, least, most)

    return check


def _in_range(param: str, value: float, least: float | None, most: float | None) -> None:
    if least is not None and value < least:
        raise out_of_range(param, value, least=least)
    if most is not None and value > most:
        raise out_of_range(param, value, most=most)


def _stop(param: str, value: Any) -> None:
    if type(value) is str:
        return
    if type(value) is not list:
        raise wrong_type(param, "a string or an array of strings", value)
    if len(value) > 4:
        raise wrong_length(param, "maximum length 4", len(value))
    for number, item in enumerate(value):
        _string(f"{param}[{number}]", item)


def _stream_options(param: str, value: Any) -> None:
    _object(param, value)
    if value.get("include_usage") is not None:
        _boolean(f"{param}.include_usage", value["include_usage"])


def _response_format(param: str, value: Any) -> None:
    _object(param, value)
    kind = value.get("type")
    if kind is None:
        raise missing(f"{param}.type")
    if kind not in ("text", "json_object", "json_schema"):
        raise wrong_value(f"{param}.type", kind, ("json_object", "json_schema", "text"))
    if kind != "json_schema":
        return
    schema = value.get("json_schema")
    if schema is None:
        raise missing(f"{param}.json_schema")
    _object(f"{param}.json_schema", schema)
    if schema.get("name") is None:
        raise missing(f"{param}.json_schema.name")
    _string(f"{param}.json_schema.name", schema["name"])
    if schema.get("schema") is not None:
        _object(f"{param}.json_schema.schema", schema["schema"])


_TOKENS = _integer(1)
_PENALTY = _number(-2, 2)
_CHECKS: dict[str, Check] = {
    "frequency_penalty": _PENALTY,
    "logit_bias": _object,
    "logprobs": _boolean,
    "max_completion_tokens": _TOKENS,
    "max_tokens": _TOKENS,
    "n": _integer(1, 128),
    "parallel_tool_calls": _boolean,
    "presence_penalty": _PENALTY,
    "response_format": _response_format,
    "seed": _integer(),
    "stop": _stop,
    "stream": _boolean,
    "stream_options": _stream_options,
    "temperature": _number(0, 2),
    "top_logprobs": _integer(0, 20),
    "top_p": _number(0, 1),
    "user": _string,
}
