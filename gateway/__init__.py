"""An OpenAI-compatible LLM gateway that is also an orchestration engine."""

__version__ = "0.1.0"
