"""The page about the configuration: its files load, and it leaves nothing out."""

import re
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from gateway.build import Gateway
from gateway.config import schema
from gateway.config.convert import convert
from gateway.config.overrides import _KEYS, _OVERRIDES
from gateway.config.problems import ConfigError
from gateway.config.schema import ModelEntry

PAGE = (Path(__file__).parents[2] / "docs/configuration.md").read_text()
FILES = re.compile(r"^```yml\n# (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def test_the_example_of_several_files_loads(tmp_path: Path) -> None:
    for name, text in FILES.findall(PAGE):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    (tmp_path / "teams/rephrase.txt").write_text("Rephrase: {{ input }}")
    config = Gateway.load(tmp_path / "gateway.yaml", {}).config
    assert config.models == {"search": "mock/echo"}
    assert config.chains["rephrase"]["prompt"] == "Rephrase: {{ input }}"


def structs() -> Iterator[type[msgspec.Struct]]:
    for value in vars(schema).values():
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__module__ == schema.__name__:
            yield value


@pytest.mark.parametrize("struct", [*structs()], ids=lambda struct: struct.__name__)
def test_every_setting_is_explained(struct: type[msgspec.Struct]) -> None:
    lacking = [name for name in struct.__struct_fields__ if not re.search(rf"[`.]{name}[.:`]", PAGE)]
    assert lacking == []


def test_every_variable_is_explained() -> None:
    assert [name for name in (*_OVERRIDES, *_KEYS) if f"`{name}`" not in PAGE] == []


def test_the_problems_shown_are_told_so() -> None:
    with pytest.raises(ConfigError) as caught:
        convert({"targets": [{"to": "a/b", "wieght": 1}]}, ModelEntry, "models.fast")
    assert str(caught.value) in PAGE
