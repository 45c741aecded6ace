"""Azure's address, and how its keys and tokens are sent."""

from typing import Any

import pytest

from gateway.build import Gateway
from gateway.config.problems import ConfigError
from gateway.providers.azure import Azure, AzureSettings
from tests.doors import opened

WHERE = "expected resource: NAME, for https://NAME.openai.azure.com/openai/v1, or a base_url"


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({}, f"{WHERE}; found neither"),
        ({"resource": "a", "base_url": "https://a.example/openai/v1"}, f"{WHERE}; found both"),
        ({"resource": "a/b"}, "expected letters, digits and hyphens, found 'a/b'"),
        ({"resource": ""}, "expected letters, digits and hyphens, found ''"),
    ],
)
@pytest.mark.parametrize("environment", [{}, {"AZURE_OPENAI_API_KEY": "sk-azure"}])
def test_it_must_be_told_where(settings: dict[str, Any], told: str, environment: dict[str, str]) -> None:
    with pytest.raises(ConfigError) as caught:
        Gateway.load({"providers": {"azure": settings}}, environment)
    (problem,) = caught.value.problems
    assert problem.place.startswith("providers.azure")
    assert told in str(problem)


def test_a_resource_makes_the_address() -> None:
    assert Azure(AzureSettings(resource="acme-east")).address == "https://acme-east.openai.azure.com/openai/v1"
    assert Azure(AzureSettings(base_url="https://a.example/openai/v1")).address == "https://a.example/openai/v1"


def test_a_key_goes_as_it_is_in_a_header_of_its_own() -> None:
    with opened() as doors:
        azure = {"type": "azure", "base_url": doors.upstream.url, "api_key": "sk-azure"}
        with opened({"providers": {"az": azure}}) as other:
            other.chat("az/deployment")
        assert doors.last().headers["api-key"] == "sk-azure"
        assert "authorization" not in doors.last().headers
        assert doors.last().json["model"] == "deployment"


def test_entra_tokens_go_as_bearer_to_azure() -> None:
    with opened() as doors:
        up = {"type": "azure", "base_url": doors.upstream.url, "api_key": "eyJ", "key_header": "Authorization"}
        with opened({"providers": {"az": up}}) as other:
            other.chat("az/deployment")
        assert doors.last().headers["authorization"] == "Bearer eyJ"
        assert "api-key" not in doors.last().headers
