"""S."""

from typing import Any


class SchemaError(ValueError):
    """E."""


def sample(_schema: Any) -> Any:
    """S."""
    return {}
