"""What is wrong with a request, in OpenAI's words."""

from typing import Any

from gateway.seam import InvalidRequest

_NAMES: dict[type, str] = {
    str: "a string",
    bool: "a boolean",
    int: "an integer",
    float: "a decimal number",
    list: "an array",
    dict: "an object",
    type(None): "null",
}


def missing(param: str) -> InvalidRequest:
    """A member that must be there is not."""
    return InvalidRequest(f"Missing required parameter: '{param}'.", param=param, code="missing_required_parameter")


def wrong_type(param: str, expected: str, value: Any) -> InvalidRequest:
    """A member holds another type than it may; `expected` with its article."""
    found = _NAMES.get(type(value), "something else")
    message = f"Invalid type for '{param}': expected {expected}, but got {found} instead."
    return InvalidRequest(message, param=param, code="invalid_type")


def wrong_value(param: str, value: Any, allowed: tuple[str, ...]) -> InvalidRequest:
    """A member holds none of the words that it may."""
    words = ", ".join(f"'{word}'" for word in allowed)
    message = f"Invalid value: '{str(value)[:100]}'. Supported values are: {words}."
    return InvalidRequest(message, param=param, code="invalid_value")


def out_of_range(param: str, value: float, *, least: float | None = None, most: float | None = None) -> InvalidRequest:
    """A number below `least` or above `most`; name the one that it breaks."""
    kind = "integer" if isinstance(value, int) else "decimal"
    side, sign, bound = ("below minimum", ">=", least) if least is not None else ("above maximum", "<=", most)
    message = f"Invalid '{param}': {kind} {side} value. Expected a value {sign} {bound}, but got {value} instead."
    return InvalidRequest(message, param=param, code=f"{kind}_{side.split()[0]}_{side.split()[1][:3]}_value")


def wrong_length(param: str, expected: str, found: int) -> InvalidRequest:
    """An array with too few or too many items."""
    message = f"Invalid '{param}': expected an array with {expected}, but got one with length {found} instead."
    return InvalidRequest(message, param=param, code="empty_array" if found == 0 else "array_above_max_length")


def refused(param: str, message: str) -> InvalidRequest:
    """Anything else that is wrong with one member."""
    return InvalidRequest(message, param=param)
