"""The official Python client: structured outputs, parsed into pydantic models."""

from datetime import date
from enum import StrEnum
from typing import Annotated, Literal

import pytest
from openai import AsyncOpenAI, LengthFinishReasonError, OpenAI
from pydantic import BaseModel, Field

from gateway.testing import completion, events
from tests.clients.conftest import House
from tests.clients.scripts import saying, streaming

ASK = [{"role": "user", "content": "Plan it."}]


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Step(BaseModel):
    title: str
    minutes: int
    colour: Colour


class Plan(BaseModel):
    goal: str
    steps: list[Step]
    note: str | None
    certain: bool
    kind: Literal["short", "long"]
    share: Annotated[float, Field(ge=0, le=1)]
    due: date


class Circle(BaseModel):
    kind: Literal["circle"]
    radius: float


class Square(BaseModel):
    kind: Literal["square"]
    side: float


class Drawing(BaseModel):
    first: Circle | Square
    others: Annotated[list[Circle | Square], Field(min_length=2, max_length=3)]


class Tree(BaseModel):
    name: str
    children: list["Tree"]


class Empty(BaseModel):
    pass


PLAN = Plan(
    goal="rest",
    steps=[Step(title="sleep", minutes=480, colour=Colour.BLUE)],
    note=None,
    certain=True,
    kind="long",
    share=0.5,
    due=date(2030, 1, 2),
)
WANTED = pytest.mark.parametrize("wanted", [Plan, Step, Drawing, Tree, Empty])


@WANTED
def test_parse(client: OpenAI, wanted):
    answer = client.chat.completions.parse(model="mock/echo", messages=ASK, response_format=wanted)
    message = answer.choices[0].message
    assert type(message.parsed) is wanted
    assert message.parsed == wanted.model_validate_json(message.content)
    assert message.refusal is None


@WANTED
async def test_parse_async(aclient: AsyncOpenAI, wanted):
    answer = await aclient.chat.completions.parse(model="mock/echo", messages=ASK, response_format=wanted)
    assert type(answer.choices[0].message.parsed) is wanted


@WANTED
def test_streamed_parse(client: OpenAI, wanted):
    with client.chat.completions.stream(model="mock/echo", messages=ASK, response_format=wanted) as stream:
        fired = list(stream)
        final = stream.get_final_completion()
    (done,) = [event for event in fired if event.type == "content.done"]
    assert type(done.parsed) is wanted
    assert final.choices[0].message.parsed == done.parsed
    assert len([event for event in fired if event.type == "content.delta"]) >= 1


async def test_streamed_parse_async(aclient: AsyncOpenAI):
    async with aclient.chat.completions.stream(model="mock/echo", messages=ASK, response_format=Plan) as stream:
        final = await stream.get_final_completion()
    assert isinstance(final.choices[0].message.parsed.steps[0].colour, Colour)


def test_from_upstream(client: OpenAI, house: House):
    house.script(saying(PLAN.model_dump_json()))
    answer = client.chat.completions.parse(model="up/model", messages=ASK, response_format=Plan)
    assert answer.choices[0].message.parsed == PLAN
    wanted = house.asked[0].json["response_format"]
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["strict"] is True
    assert wanted["json_schema"]["schema"]["required"] == list(Plan.model_fields)


@pytest.mark.parametrize("width", [1, 3, 1000])
def test_streamed_from_upstream(client: OpenAI, house: House, width):
    text = PLAN.model_dump_json()
    house.script(saying(*[text[start : start + width] for start in range(0, len(text), width)]))
    with client.chat.completions.stream(model="up/model", messages=ASK, response_format=Plan) as stream:
        seen = [event.parsed for event in stream if event.type == "content.delta" and event.delta]
        final = stream.get_final_completion()
    assert seen[-1] == PLAN.model_dump(mode="json")
    assert final.choices[0].message.parsed == PLAN


def test_refusal(client: OpenAI, house: House):
    message = {"role": "assistant", "content": None, "refusal": "I cannot plan that."}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "stop"}

    async def script(request, wire):
        await wire.json(completion(choices=[choice]))

    house.script(script)
    answer = client.chat.completions.parse(model="up/model", messages=ASK, response_format=Plan)
    assert answer.choices[0].message.refusal == "I cannot plan that."
    assert answer.choices[0].message.parsed is None


def test_streamed_refusal(client: OpenAI, house: House):
    refusing = [piece.replace(b'{"content": "I', b'{"refusal": "I') for piece in events("I cannot")]
    house.script(streaming(refusing))
    with client.chat.completions.stream(model="up/model", messages=ASK, response_format=Plan) as stream:
        kinds = [event.type for event in stream]
        final = stream.get_final_completion()
    assert "refusal.delta" in kinds
    assert "refusal.done" in kinds
    assert final.choices[0].message.refusal == "I cannot"


def test_cut_answer_is_not_parsed(client: OpenAI, house: House):
    message = {"role": "assistant", "content": '{"goal": "re', "refusal": None}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "length"}

    async def script(request, wire):
        await wire.json(completion(choices=[choice]))

    house.script(script)
    with pytest.raises(LengthFinishReasonError):
        client.chat.completions.parse(model="up/model", messages=ASK, response_format=Plan)
