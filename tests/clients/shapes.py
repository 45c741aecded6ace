"""Whether an answer is of the shape that the SDK's types promise, to the letter."""

from collections.abc import Iterator
from typing import Any, TypeVar

from openai import BaseModel

T = TypeVar("T", bound=BaseModel)


def strict(model: T) -> T:
    """The answer itself, once its members have proved to be what their types say.

    The SDK builds its models without looking (`construct`), so that a wrong shape surfaces where it is used. Here they
    are validated, without any coercion, and may hold nothing that the SDK does not know.
    """
    type(model).model_validate(model.model_dump(exclude_unset=True), strict=True)
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
