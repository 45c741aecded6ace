"""The chains and graphs by which the gateway was designed load as they were written, and answer."""

from typing import Any

import pytest
import yaml

from tests.orchestration.scripted import World, user, world

WRITTEN = """
chains:
  summarise: {type: simple, model: fast, prompt: "Summarise in one line: {{ input }}"}
  tutor:     {type: conversational, model: fast, system: "You teach.", memory: {last: 20}}
  polish:
    type: sequential
    steps:
      - {name: draft,  model: fast, prompt: "Draft an answer to: {{ input }}"}
      - {name: final,  chain: summarise, input: "{{ draft }}"}
  panel:
    type: parallel
    branches: {a: {model: fast, prompt: "For: {{ input }}"}, b: {model: fast, prompt: "Against: {{ input }}"}}
    combine: {model: fast, prompt: "Weigh: {{ a }} / {{ b }}"}
  triage:
    type: conditional
    branches: [{when: "'refund' in input", chain: polish}, {otherwise: true, model: fast}]

graphs:
  support:
    start: classify
    max_steps: 25
    durable: false                     # true: checkpointed, survives kill -9
    nodes:
      classify: {model: fast, prompt: "One word, question or complaint: {{ input }}", save: kind}
      answer:   {chain: polish, save: reply}
      review:   {model: fast, prompt: "Score 1-5: {{ reply }}", response_format: {score: integer}, save: review}
      sorry:    {template: "We could not answer that now."}
    edges:
      - {from: classify, to: answer}
      - {from: answer, to: review}
      - {from: review, to: answer, when: "review.score < 3 and visits.answer < 3"}
      - {from: review, to: END}
    output: "{{ reply }}"
    on_error: sorry

orchestrator: {max_concurrent_chains: 100, max_concurrent_graphs: 50, default_timeout: 30s}
"""
POLISHED = "<Summarise in one line: <Draft an answer to: {0}>>"
ANSWERS = {
    ("chain:summarise", "Hi"): "<Summarise in one line: Hi>",
    ("chain:tutor", "Hi"): "<Hi>",
    ("chain:polish", "Hi"): POLISHED.format("Hi"),
    ("chain:panel", "Hi"): "<Weigh: <For: Hi> / <Against: Hi>>",
    ("chain:triage", "a refund"): POLISHED.format("a refund"),
    ("chain:triage", "Hi"): "<Hi>",
    ("graph:support", "Hi"): POLISHED.format("Hi"),
}


async def answered(w: World, name: str, text: str, stream: bool) -> str:
    if not stream:
        return await w.ask(name, text)
    return "".join([piece async for piece in w.gateway.run(name, messages=user(text), stream=True)])


@pytest.mark.parametrize("stream", [False, True])
async def test_each_answers(stream: bool) -> None:
    blocks: dict[str, Any] = yaml.safe_load(WRITTEN)
    async with world(**blocks, models={"fast": "s/fast"}) as w:
        scores = iter([2, 1, 2, 5])
        w.model.says = {"^Score": lambda body: f'{{"score": {next(scores)}}}'}
        for (name, text), expected in ANSWERS.items():
            assert await answered(w, name, text, stream) == expected, name
        assert sum("Score" in prompt for prompt in w.model.prompts) == 3, "the answer is written three times at most"
        w.model.says = {"^Score": "no number"}
        assert await answered(w, "graph:support", "Hi", stream) == "We could not answer that now."
