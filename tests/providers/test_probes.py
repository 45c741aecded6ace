"""Providers that can be asked for the list of their models."""

import pytest

from gateway.build import PROVIDERS
from gateway.config.convert import convert
from gateway.seam import GatewayError, Timeouts
from gateway.testing import Received, Upstream, Wire


@pytest.mark.parametrize(
    ("kind", "path", "headers"),
    [
        ("openai", "/v1/models", {"authorization": "Bearer sk-x"}),
        ("azure", "/v1/models", {"api-key": "sk-x"}),
        ("anthropic", "/v1/models?limit=1", {"x-api-key": "sk-x", "anthropic-version": "2023-06-01"}),
    ],
)
async def test_the_list_is_asked_for_as_any_client_would(kind: str, path: str, headers: dict[str, str]) -> None:
    status = 200

    async def script(request: Received, wire: Wire) -> None:
        await wire.json({"data": []} if status == 200 else {"error": {"message": "No."}}, status)

    with Upstream(script) as upstream:
        maker = PROVIDERS[kind]
        provider = maker(convert({"api_key": "sk-x", "base_url": upstream.url}, maker.Settings, ""))
        await provider.probe(Timeouts())
        (request,) = upstream.received
        assert (request.method, request.path) == ("GET", path)
        assert headers.items() <= request.headers.items()
        for status in (401, 503):
            with pytest.raises(GatewayError) as caught:
                await provider.probe(Timeouts())
            assert caught.value.status == (502 if status == 401 else status)
        await provider.aclose()
