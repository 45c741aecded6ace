"""Servers by name, as data: where they are, which variable holds their key, and their quirks.

A preset is what a person would otherwise write into the file: settings of a provider, over which those of the file win.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

_NOTHING: Mapping[str, Any] = MappingProxyType({})
_CHAT = ("chat",)
_EMBED = ("chat", "embeddings")
_COMPLETE = ("chat", "completions")
_ALL = ("chat", "completions", "embeddings")


class Preset(NamedTuple):
    """A server that is known by its name.

    `base_url` is None where each customer has one of their own; `variable` names the environment variable that holds
    its key (None: it is a local server and needs none); `surfaces` are those of OpenAI's API that it speaks (none:
    it speaks its vendor's own); `quirks` are further settings.
    """

    base_url: str | None
    variable: str | None
    surfaces: tuple[str, ...] = _CHAT
    quirks: Mapping[str, Any] = _NOTHING

    def settings(self, given: Mapping[str, Any], environment: Mapping[str, str]) -> dict[str, Any]:
        """The settings that `given` ones make with the preset's. An `api_key` of None: its variable is not set."""
        settings: dict[str, Any] = dict(self.quirks)
        if self.surfaces:
            settings["surfaces"] = [*self.surfaces]
        if self.base_url is not None:
            settings["base_url"] = self.base_url
        if self.variable is not None:
            settings["api_key"] = environment.get(self.variable) or None
        return {**settings, **given}


PRESETS: Mapping[str, Preset] = {
    "anthropic": Preset("https://api.anthropic.com", "ANTHROPIC_API_KEY", ()),
    "azure": Preset(None, "AZURE_OPENAI_API_KEY", _EMBED),
    "cerebras": Preset("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY", _COMPLETE),
    "deepinfra": Preset("https://api.deepinfra.com/v1/openai", "DEEPINFRA_API_KEY", _ALL),
    "deepseek": Preset("https://api.deepseek.com/v1", "DEEPSEEK_API_KEY"),
    "fireworks": Preset("https://api.fireworks.ai/inference/v1", "FIREWORKS_API_KEY", _ALL),
    "gemini": Preset("https://generativelanguage.googleapis.com/v1beta/openai", "GEMINI_API_KEY", _EMBED),
    "groq": Preset("https://api.groq.com/openai/v1", "GROQ_API_KEY"),
    "huggingface": Preset("https://router.huggingface.co/v1", "HF_TOKEN"),
    # Answers 422 to `stream_options`, and reports usage without being asked.
    "mistral": Preset("https://api.mistral.ai/v1", "MISTRAL_API_KEY", _EMBED, {"stream_usage": False}),
    "moonshot": Preset("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY"),
    "nvidia": Preset("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY", _EMBED),
    "openai": Preset("https://api.openai.com/v1", "OPENAI_API_KEY", (*_ALL, "moderations")),
    # Takes Anthropic's `cache_control` in chat, for every model.
    "openrouter": Preset("https://openrouter.ai/api/v1", "OPENROUTER_API_KEY", _COMPLETE, {"cache_control": True}),
    # Ends its streams without `data: [DONE]`, and has the usage in every event.
    "perplexity": Preset(
        "https://api.perplexity.ai",
        "PERPLEXITY_API_KEY",
        _CHAT,
        {"stream_usage": False, "end_mark": False},
    ),
    "sambanova": Preset("https://api.sambanova.ai/v1", "SAMBANOVA_API_KEY", _EMBED),
    "together": Preset("https://api.together.xyz/v1", "TOGETHER_API_KEY", _ALL),
    "xai": Preset("https://api.x.ai/v1", "XAI_API_KEY"),
    # On this machine, at the ports where they listen unless told otherwise.
    "llamacpp": Preset("http://127.0.0.1:8080/v1", None, _ALL),
    "lmstudio": Preset("http://127.0.0.1:1234/v1", None, _ALL),
    "ollama": Preset("http://127.0.0.1:11434/v1", None, _ALL),
    "vllm": Preset("http://127.0.0.1:8000/v1", None, _ALL),
}
"""Every preset by the `type:` that names it."""


def preset(kind: str, given: Mapping[str, Any]) -> Preset | None:
    """The preset that a `type:` names.

    `openai` or `anthropic` with a `base_url` is any server that speaks as it does, and must not get the vendor's key.
    """
    return None if kind in ("openai", "anthropic") and "base_url" in given else PRESETS.get(kind)
