"""What blocks ask of each other."""

from typing import Any

import pytest

from gateway.config.load import parse
from gateway.config.problems import ConfigError

PROVIDERS = {"mock": {}, "openai": {}}


def told(models: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        parse({"providers": PROVIDERS, "models": models}, {"WHERE": "some/thing"})
    return [str(problem) for problem in caught.value.problems]


def test_every_provider_that_is_named_stands_in_the_file() -> None:
    no = "no such provider; expected one of mock, openai"
    models = {
        "a": "mokc/x",
        "b": {"targets": [{"to": "mock/x"}, {"to": "zzz/x"}], "fallback": ["openia/x", "mock/x"]},
        "c": {"targets": [{"to": "mock/x"}], "fallback": {"timeout": ["mock/x", "${WHERE}"]}},
    }
    assert told(models) == [
        f"models.a: {no}; found 'mokc/x'; did you mean 'mock'?",
        f"models.b.targets[1].to: {no}; found 'zzz/x'; add it to providers",
        f"models.b.fallback[0]: {no}; found 'openia/x'; did you mean 'openai'?",
        f"models.c.fallback.timeout[1]: {no}; found '…' from WHERE; add it to providers",
    ]


def test_a_provider_can_be_named() -> None:
    with pytest.raises(ConfigError) as caught:
        parse({"providers": {"a/b": {"type": "mock"}}, "models": {"x": "a/b"}}, {})
    assert [str(problem) for problem in caught.value.problems] == [
        "providers.a/b: no model of it could be named; expected a name without /; found 'a/b'",
        "models.x: no such provider; expected one of a/b; found 'a/b'; add it to providers",
    ]


def test_pings_pause() -> None:
    with pytest.raises(
        ConfigError, match=r"^server\.stream\.ping: pings would never pause; expected a duration above 0"
    ):
        parse({"server": {"stream": {"ping": "0s", "hold": 0}}}, {})


def test_a_name_stands_for_one_model() -> None:
    targets = {"targets": [{"to": "mock/x"}]}
    models = {"a": "mock/x", "b": {**targets, "aliases": ["a", "n", "n", "b"]}, "c": {**targets, "aliases": ["n"]}}
    assert told(models) == [
        "models.b.aliases[0]: the name 'a' stands for models.a too; take one out",
        "models.b.aliases[2]: the name 'n' stands for models.b.aliases[1] too; take one out",
        "models.b.aliases[3]: the name 'b' stands for models.b too; take one out",
        "models.c.aliases[0]: the name 'n' stands for models.b.aliases[1] too; take one out",
    ]


LIMITED = {"keys": [{"name": "a", "key": "x"}, {"name": "b", "key": "y", "limits": {"rpm": 5}, "budget": {"usd": 5}}]}


@pytest.mark.parametrize(
    "document",
    [
        {"auth": LIMITED},
        {"server": {"workers": 2}, "auth": {"keys": LIMITED["keys"][:1]}},
        {"server": {"workers": 2}, "state": "redis://h", "auth": LIMITED},
        {"server": {"workers": 2}},
    ],
)
def test_limits_that_can_be_counted(document: dict[str, Any]) -> None:
    parse(document, {})


def test_limits_of_several_workers_need_a_place_to_be_counted() -> None:
    for state in ({}, {"state": "memory"}):
        with pytest.raises(ConfigError) as caught:
            parse({"server": {"workers": 3}, "auth": LIMITED, **state}, {})
        places = [problem.place for problem in caught.value.problems]
        assert places == ["auth.keys[1].limits", "auth.keys[1].budget"]
        assert "3 workers would each count for themselves" in str(caught.value)
