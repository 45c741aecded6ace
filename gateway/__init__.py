"""An OpenAI-compatible LLM gateway that is also an orchestration engine."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from gateway.build import Gateway as Gateway

__version__ = "0.1.0"
__all__ = ["Gateway", "__version__"]


def __getattr__(name: str) -> Any:
    if name == "Gateway":
        # Whoever wants the version or the seam alone must not load all of it.
        from gateway.build import Gateway  # noqa: PLC0415

        return Gateway
    raise AttributeError(f"module 'gateway' has no attribute {name!r}")
