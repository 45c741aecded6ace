"""Whether an answer is of the shape that the SDK's types promise, to the letter."""

from collections.abc import Iterator
from typing import Any, TypeVar

from openai import BaseModel

T = TypeVar("T", bound=BaseModel)


def exact(kind: type[T], text: str | bytes) -> T:
    """JSON text as one of the SDK's models, without any coercion, and without members that the SDK does not know."""
    return strict(kind.model_validate_json(text, strict=True))


def strict(model: T) -> T:
    """An answer as the SDK gave it, once its members have proved to be what their types say.

    The SDK coerces what it can (a number that came as a string) and passes the rest as it came, so that a wrong shape
    surfaces where it is used. What was coerced only `exact` finds.
    """
    type(model).model_validate(model.model_dump(exclude_unset=True, by_alias=True), strict=True)
    unknown = list(_unknown(model, type(model).__name__))
    assert not unknown, unknown
    return model


def _unknown(value: Any, place: str) -> Iterator[str]:
    if isinstance(value, BaseModel):
        for name in value.model_extra or ():
            if not name.startswith("_"):
                yield f"{place}.{name}"
        for name in value.model_fields_set:
            yield from _unknown(getattr(value, name), f"{place}.{name}")
    elif isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown(item, f"{place}[{number}]")
