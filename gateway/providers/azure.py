"""Azure OpenAI by its v1 surface, which takes deployments as models and no api-version.

https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
"""

import re

from gateway.providers.openai import OpenAI, OpenAISettings

_ADDRESS = "https://{}.openai.azure.com/openai/v1"
_RESOURCE = re.compile(r"[A-Za-z0-9][A-Za-z0-9-]*")


class AzureSettings(OpenAISettings):
    """One resource: by its name, or by the `base_url` of its v1 surface."""

    base_url: str = ""
    resource: str | None = None
    """The resource's name, which makes the `base_url`."""
    key_header: str = "api-key"
    """The header that holds the key; `authorization` (as `Bearer KEY`) for Entra's tokens."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if (self.resource is None) == (self.base_url == ""):
            found = "neither" if self.resource is None else "both"
            raise ValueError(f"expected resource: NAME, for {_ADDRESS.format('NAME')}, or a base_url; found {found}")
        if self.resource is not None:
            if _RESOURCE.fullmatch(self.resource) is None:
                raise ValueError(f"resource: expected letters, digits and hyphens, found {self.resource!r}")
            self.base_url = _ADDRESS.format(self.resource)


class Azure(OpenAI):
    """OpenAI's models in a customer's Azure resource."""

    Settings = AzureSettings
