"""Plain requests: what goes out, what comes back, and what is refused before it goes out."""

import pytest

from gateway.seam import UpstreamError, UpstreamTimeout
from gateway.testing import Received, Upstream, Wire
from gateway.upstream import ClientSettings, PlainHttp, open_client


@pytest.fixture(params=["native", "httpx"])
async def http(request: pytest.FixtureRequest) -> PlainHttp:
    return PlainHttp(open_client(ClientSettings(transport=request.param)))


async def echo(request: Received, wire: Wire) -> None:
    await wire.json({"method": request.method, "path": request.path, "body": request.body.decode()}, 201, {"x-a": "b"})


async def test_a_request_and_its_answer(http: PlainHttp) -> None:
    with Upstream(echo) as upstream:
        answer = await http.request("POST", f"{upstream.url}/hook/?a=1&b=2", json={"x": 1}, headers={"X-Key": "k"})
        assert answer.status == 201
        assert (b"x-a", b"b") in answer.headers
        assert answer.body == b'{"method": "POST", "path": "/v1/hook/?a=1&b=2", "body": "{\\"x\\":1}"}'
        assert upstream.received[0].headers["x-key"] == "k"
        answer = await http.request("GET", upstream.url.removesuffix("/v1"))
        assert answer.body == b'{"method": "GET", "path": "/", "body": ""}'
        assert "content-type" not in upstream.received[1].headers
        await http.aclose()


async def test_what_goes_wrong(http: PlainHttp) -> None:
    async def silent(request: Received, wire: Wire) -> None:
        await wire.left()

    with Upstream(silent) as upstream:
        with pytest.raises(UpstreamTimeout):
            await http.request("GET", upstream.url, timeout=0.05)
        url = upstream.url
    with pytest.raises(UpstreamError):
        await http.request("GET", url)
    await http.aclose()


@pytest.mark.parametrize(
    ("method", "url", "headers"),
    [
        ("GET", "ftp://host/x", {}),
        ("GET", "http://host/a b", {}),
        ("GET", "http://host/a?x=é", {}),
        ("GET", "http://host/a?x=\r\nevil: 1", {}),
        ("GE T", "http://host/", {}),
        ("GET", "http://host/", {"x": "a\r\nevil: 1"}),
        ("GET", "http://host/", {"x y": "a"}),
    ],
)
async def test_what_is_no_request_is_refused(http: PlainHttp, method: str, url: str, headers: dict[str, str]) -> None:
    with pytest.raises(ValueError):
        await http.request(method, url, headers=headers)
    await http.aclose()
