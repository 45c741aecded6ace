"""Which store `state:` means, and what that costs."""

import subprocess
import sys

import pytest

from gateway.build import Gateway
from gateway.config.problems import ConfigError
from gateway.stores.memory import Memory
from gateway.stores.redis import Redis

MOCK = {"providers": {"mock": {"type": "mock"}}}


@pytest.mark.parametrize(
    ("state", "kind"),
    [
        ("memory", Memory),
        ("redis://h", Redis),
        ({"url": "redis+cluster://h"}, Redis),
    ],
)
def test_choices(state: object, kind: type) -> None:
    assert isinstance(Gateway.load(MOCK | {"state": state}).env.hot, kind)


def test_without_it_nothing_of_redis_is_imported() -> None:
    code = (
        "import sys; from gateway.build import Gateway;"
        "Gateway.load({'providers': {'mock': {'type': 'mock'}}, 'state': 'memory'});"
        "assert not [m for m in sys.modules if m.partition('.')[0] in ('redis', 'hiredis')]"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.parametrize(
    ("state", "told"),
    [
        ("redos://:hunter2@h", "state: expected memory, or a URL"),
        ("redis://:hunter2@h?x=1", "state: a URL takes no ?options"),
        ({"url": "redos://:hunter2@h"}, "state: expected one of redis://"),
        ({"url": "redis://:hunter2@h:x"}, "state: expected host or host:port"),
        ({"url": "rediss://h", "ca_file": "nowhere.pem"}, "state: ca_file 'nowhere.pem'"),
        ({"url": "redis://h", "ca_file": "ca.pem"}, "state: ca_file, cert_file and verify are for TLS"),
        ({"url": "redis+cluster://:hunter2@h", "verify": False}, "redis+cluster://h:6379 has none"),
        ({"url": "redis://h", "sentinel_password": "hunter2"}, "are for redis+sentinel://, found redis://h:6379"),
        ({"url": "redis://h", "prefix": ""}, "prefix"),
        ({"url": "redis://h", "timeout": 0}, "timeout"),
        ({"url": "redis://h", "connections": 0}, "connections"),
        ({"url": "redis://h", "key_file": "k.pem"}, "key_file: needs cert_file"),
        ({"url": "redis://h", "pasword": "hunter2"}, "pasword"),
    ],
)
def test_what_is_wrong_is_told_without_secrets(state: object, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        Gateway.load(MOCK | {"state": state})
    assert told in str(error.value)
    assert "hunter2" not in str(error.value)


def test_workers_without_a_redis_are_told() -> None:
    note = "state: each of the 2 workers learns for itself"
    assert any(note in line for line in Gateway.load(MOCK | {"server": {"workers": 2}}).notes)
    for config in ({}, {"server": {"workers": 2}, "state": "redis://h"}):
        assert not any(note in line for line in Gateway.load(MOCK | config).notes)


def test_trust_in_anyone_is_told() -> None:
    gateway = Gateway.load(MOCK | {"state": {"url": "rediss://h", "verify": False}})
    assert any("state.verify: false" in note for note in gateway.notes)


def test_a_password_comes_from_the_environment() -> None:
    config = {"state": {"url": "redis://h", "password": "${REDIS_PASSWORD}"}}
    gateway = Gateway.load(MOCK | config, {"REDIS_PASSWORD": "hunter2"})
    assert gateway.env.hot.state().where == "redis://h:6379"
    with pytest.raises(ConfigError, match="REDIS_PASSWORD is not set"):
        Gateway.load(MOCK | config, {})
