import inspect

import msgspec
import pytest
import yaml

from gateway.providers.mock import Mock, MockSettings, settings
from gateway.seam import Duration
from gateway.seam.settings import decode


def load(value):
    return msgspec.convert(value, MockSettings, dec_hook=decode)


def test_nothing_is_needed():
    assert load({}) == MockSettings()
    assert Mock.Settings is MockSettings


def test_the_example_of_the_page_loads():
    page = inspect.getdoc(settings).split("```yaml\n")[1].split("```")[0]
    block = yaml.safe_load(page)["providers"]["mock"]
    assert block.pop("type") == "mock"
    read = load(block)
    assert read.first_token == Duration(0.2)
    assert read.models["flaky"].failures[0].sequence == ["fail", "fail", "ok"]
    assert Mock(read).models == ("echo", "lorem", "tools", "embed", "moderate", "slow", "flaky")


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ({"pase": "1s"}, "unknown field `pase`"),
        ({"pace": "soon"}, "expected a duration"),
        ({"replies": [{"when": "(", "say": "x"}]}, r"`when` is no regular expression: .*\$\.replies\[0\]"),
        ({"replies": [{"when": "x"}]}, r"a reply needs `say: text` or `tool.*\$\.replies\[0\]"),
        ({"replies": [{"say": "x", "model": "ecoh"}]}, r"replies\[0\]\.model fits no model: 'ecoh', of echo, lorem"),
        ({"failures": [{"kind": "reset", "model": "gpt*"}]}, r"failures\[0\]\.model fits no model"),
        ({"failures": [{"kind": "explode"}]}, "Invalid enum value 'explode'"),
        ({"failures": [{"kind": "reset", "rate": 2}]}, r"<= 1\.0"),
        ({"failures": [{"kind": "reset", "rate": 1, "sequence": ["ok"]}]}, "`rate` or `sequence`, not both"),
        ({"failures": [{"kind": "reset", "sequence": []}]}, "length >= 1"),
        ({"failures": [{"kind": "status", "status": 200}]}, ">= 400"),
        ({"models": {"x": {"like": "gpt"}}}, "Invalid enum value 'gpt'"),
    ],
)
def test_mistakes_are_told(block, problem):
    with pytest.raises(msgspec.ValidationError, match=problem):
        load(block)
