"""What the mock flags, and what it refuses."""

import json
import logging
from typing import Any

import msgspec
import pytest
from openai.types import ModerationCreateResponse

from gateway.providers.mock import Mock, MockSettings
from gateway.providers.mock.moderate import WORDS
from gateway.seam import Call, InvalidRequest, Request, Tasks

IMAGE = {"type": "image_url", "image_url": {"url": "https://x.example/a-murder-scene.png"}}
DATA = {"type": "image_url", "image_url": {"url": "data:image/png;base64,murder"}}


async def ask(given: Any, **settings: Any) -> list[dict[str, Any]]:
    request = Request("moderations", json.dumps({"model": "moderate", "input": given}).encode(), model="moderate")
    reply = await Mock(msgspec.convert(settings, MockSettings))(Call(request, Tasks(logging.getLogger("test"))))
    document = json.loads((await reply.whole()).raw)
    ModerationCreateResponse.model_validate(document, strict=True)
    assert document["id"] == "modr-mock000000000001"
    assert document["model"] == "moderate"
    results: list[dict[str, Any]] = document["results"]
    for result in results:
        assert list(result["categories"]) == list(result["category_scores"]) == list(WORDS)
        assert result["flagged"] == any(result["categories"].values())
        for name, score in result["category_scores"].items():
            assert (score > 0.5) == result["categories"][name]
    return results


def flagged(result: dict[str, Any]) -> set[str]:
    return {name for name, is_so in result["categories"].items() if is_so}


async def test_words_flag_a_text() -> None:
    (result,) = await ask("I will KILL you, you idiot.")
    assert flagged(result) == {"violence", "harassment"}
    assert result["category_applied_input_types"]["violence"] == ["text"]
    (result,) = await ask("Such skill in painting")
    assert flagged(result) == set()


async def test_more_words_score_higher_and_the_same_text_the_same() -> None:
    (one,), (two,), (again,) = await ask("kill"), await ask("kill and stab"), await ask("kill")
    assert one["category_scores"]["violence"] < two["category_scores"]["violence"]
    assert one == again


async def test_each_text_of_a_list_has_a_result() -> None:
    assert [flagged(result) for result in await ask(["kill", "hello", "vermin"])] == [{"violence"}, set(), {"hate"}]


async def test_parts_of_content_have_one_result_together() -> None:
    (result,) = await ask([{"type": "text", "text": "you idiot"}, IMAGE])
    assert flagged(result) == {"harassment", "violence"}
    applied = result["category_applied_input_types"]
    assert applied["violence"] == ["text", "image"]
    assert applied["harassment"] == ["text"]
    (result,) = await ask([DATA])
    assert flagged(result) == set()
    assert result["category_applied_input_types"]["violence"] == ["image"]
    assert result["category_applied_input_types"]["hate"] == []


async def test_the_words_of_the_settings_stand_in_place_of_a_category_own() -> None:
    words = {"violence": ["Broccoli"], "sexual/minors": ["x"]}
    results = await ask(["broccoli", "kill", "x", "vermin"], moderation=words)
    assert [flagged(result) for result in results] == [{"violence"}, set(), {"sexual/minors"}, {"hate"}]


@pytest.mark.parametrize(
    ("given", "param"),
    [
        (None, "input"),
        (5, "input"),
        ([], "input"),
        ([5], "input[0]"),
        (["a", {"type": "text", "text": "b"}], "input[1]"),
        ([{"type": "text", "text": "b"}, "a"], "input[1]"),
        ([{"text": "b"}], "input[0].type"),
        ([{"type": "sound"}], "input[0].type"),
        ([{"type": "text"}], "input[0].text"),
        ([{"type": "text", "text": 5}], "input[0].text"),
        ([{"type": "image_url", "image_url": "https://x"}], "input[0].image_url.url"),
    ],
)
async def test_what_openai_would_refuse(given: Any, param: str) -> None:
    with pytest.raises(InvalidRequest) as caught:
        await ask(given)
    assert caught.value.param == param


def test_a_category_that_there_is_not_is_told() -> None:
    with pytest.raises(msgspec.ValidationError, match="no category is called 'rudeness'"):
        msgspec.convert({"moderation": {"rudeness": ["x"]}}, MockSettings)
