import httpx
import pytest

from gateway.config.problems import ConfigError
from gateway.testing import serve

MOCK = {"providers": {"mock": {"type": "mock"}}}


def test_a_gateway_listens_until_the_block_is_left() -> None:
    with serve(MOCK) as served:
        assert httpx.get(f"{served.base_url}/models", trust_env=False).status_code == 200
        served.idle()
        url = served.url
    with pytest.raises(httpx.ConnectError):
        httpx.get(url, trust_env=False)


def test_connections_are_counted() -> None:
    with serve(MOCK) as served, httpx.Client(trust_env=False) as client:
        assert served.connections == 0
        client.get(f"{served.url}/health/live")
        assert served.connections == 1


def test_what_the_configuration_lacks_is_raised_here() -> None:
    with pytest.raises(ConfigError), serve({"sever": {}}):
        pass


def test_many_may_be_served_at_once() -> None:
    with serve(MOCK) as one, serve(MOCK) as two:
        assert one.url != two.url
        for served in (one, two):
            assert httpx.get(f"{served.url}/health/ready", trust_env=False).status_code == 200


def test_a_component_that_cannot_start_is_an_error() -> None:
    config = {"providers": {"bad": {"type": "tests.test_build:Failing"}}}
    with pytest.raises(RuntimeError, match="did not start"), serve(config):
        pass
