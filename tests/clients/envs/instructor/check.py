"""Instructor, which builds typed answers out of tool calls and JSON schemas."""

import asyncio
from typing import Literal

import instructor
import openai
from pydantic import BaseModel

HELLO = [{"role": "user", "content": "Report"}]


class Report(BaseModel):
    title: str
    moods: list[Literal["good", "bad"]]
    note: str | None


def check_modes(client: openai.OpenAI) -> None:
    for mode in (instructor.Mode.TOOLS, instructor.Mode.JSON_SCHEMA):
        typed = instructor.from_openai(client, mode=mode)
        answer, raw = typed.chat.completions.create_with_completion(
            model="mock/echo", messages=HELLO, response_model=Report
        )
        assert isinstance(answer, Report)
        assert raw.usage.total_tokens > 0


def check_partial(client: openai.OpenAI) -> None:
    typed = instructor.from_openai(client)
    parts = list(typed.chat.completions.create_partial(model="mock/echo", messages=HELLO, response_model=Report))
    assert len(parts) > 1
    assert Report.model_validate(parts[-1].model_dump())


async def check_async() -> None:
    async with openai.AsyncOpenAI() as client:
        typed = instructor.from_openai(client)
        create = typed.chat.completions.create
        answers = await asyncio.gather(
            *[create(model="mock/echo", messages=HELLO, response_model=Report) for _ in range(5)]
        )
        assert all(isinstance(answer, Report) for answer in answers)


with openai.OpenAI() as shared:
    check_modes(shared)
    check_partial(shared)
asyncio.run(check_async())
