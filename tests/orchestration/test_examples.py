"""The worked examples: each served as it stands, asked through the official SDKs."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from openai import OpenAI, Stream
from openai.types.chat import ChatCompletionChunk

from gateway.testing import Served, serve

FOLDER = Path(__file__).parents[2] / "config/examples"
EXAMPLES = sorted(path.stem for path in FOLDER.glob("*.yaml"))


@pytest.fixture(scope="module", params=EXAMPLES)
def example(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, Served, OpenAI]]:
    folder = tmp_path_factory.mktemp("example")
    (folder / "plugins").symlink_to(FOLDER.parents[1] / "plugins")
    with pytest.MonkeyPatch.context() as patched, ExitStack() as stack:
        patched.chdir(folder)  # where a database file is made
        served = stack.enter_context(serve(FOLDER / f"{request.param}.yaml", {}))
        with OpenAI(base_url=served.base_url, api_key="none", max_retries=0) as client:
            yield request.param, served, client
        served.idle()


ASKS = {
    "agent": [
        (
            "helper",
            "I want my money back.",
            {},
            "Let me look at your order.\n\nYour 39.90 EUR are on their way.",
        ),
        ("helper", "Where is order 4712?", {}, "Your chair is on its way."),
        ("helper", "Are you open on Saturday?", {}, "On Saturday we are open from 9 to 16."),
        ("helper", "What do I need for reading?", {}, "Take the small one."),
        ("chain:helper", "Hello", {}, "Hello"),
    ],
    "research": [("graph:research", "Why?", {}, "It began small, and how far it will go is disputed.")],
    "triage": [
        (
            "desk",
            "I want to return this.",
            {},
            "We are sorry that order 4711 is too small. You will hear from us soon.",
        ),
        ("desk", "This is terrible!", {}, "We are sorry. A colleague will call you today."),
        ("claude-desk", "What are your OPENING HOURS?", {}, "We are open from 9 to 18, Monday to Saturday."),
        ("desk", "Hello", {}, "Hello"),
        ("desk", "x" * 2001, {}, "Please tell us in a few sentences what this is about."),
    ],
    "summarise": [("chain:summarise", "", {"docs": ["a", "b", "c"]}, "All of them are about one thing.")],
    "langgraph": [
        ("graph:weather", "How is the weather?", {}, "weather answered: 12 degrees and rain in Oslo"),
        ("weather", "Any weather?", {}, "weather answered: 12 degrees and rain in Oslo"),
    ],
    "support": [
        ("support", "Hello?", {}, "Good day! Which order is this about, and who are you?"),
        (
            "claude-support",
            "I am Ada. Where is my order 4711?",
            {},
            "Order 4711 left us on Monday, Ada. You will hear from the carrier.",
        ),
    ],
    "panel": [
        ("chain:panel", "Will it work?", {}, "It worked twice, so it may well work again."),
        ("chain:fastest", "Will it?", {}, "Will it?"),
        ("chain:vote", "Will it?", {}, "Yes."),
    ],
}


def test_every_example_is_asked() -> None:
    assert set(ASKS) == set(EXAMPLES)


def test_it_answers_whole_and_streamed(example: tuple[str, Served, OpenAI]) -> None:
    name, _, client = example
    for model, text, inputs, expected in ASKS[name]:
        messages = [{"role": "user", "content": text}]
        extra = {"inputs": inputs} if inputs else {}
        answer = client.chat.completions.create(model=model, messages=messages, extra_body=extra)  # type: ignore[call-overload]
        assert answer.choices[0].message.content == expected
        assert answer.choices[0].finish_reason == "stop"
        stream: Stream[ChatCompletionChunk] = client.chat.completions.create(  # type: ignore[call-overload]
            model=model, messages=messages, stream=True, stream_options={"include_usage": True}, extra_body=extra
        )
        chunks = list(stream)
        assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices) == expected
        if model != "chain:fastest":  # a branch that is cancelled may or may not have cost something
            assert [chunk.usage for chunk in chunks if chunk.usage][-1] == answer.usage


def test_it_lists_its_chains_and_graphs(example: tuple[str, Served, OpenAI]) -> None:
    _, served, client = example
    config = served.gateway.config
    models = {model.id: model.owned_by for model in client.models.list()}
    virtual = [f"chain:{one}" for one in config.chains or {}] + [f"graph:{one}" for one in config.graphs or {}]
    assert virtual
    for one in virtual:
        assert models[one] == "gateway"
        assert client.models.retrieve(one).id == one


def test_the_research_graph_writes_a_second_draft() -> None:
    with serve(FOLDER / "research.yaml", {}) as served, OpenAI(base_url=served.base_url, api_key="none") as client:
        stream = client.chat.completions.create(
            model="graph:research",
            messages=[{"role": "user", "content": "Why?"}],
            stream=True,
            extra_body={"stream_options": {"include_steps": True}},
        )
        steps = [getattr(chunk, "gateway", None) for chunk in stream]
        done = [step["step"] for step in steps if step and step["status"] == "done"]
        assert sorted(done[1:3]) == ["doubts", "facts"]
        assert done[:1] + done[3:] == ["plan", "write", "critique", "write", "critique", "polish"]
        assert json.dumps(steps)


def test_the_agents_tools_are_steps() -> None:
    with serve(FOLDER / "agent.yaml", {}) as served, OpenAI(base_url=served.base_url, api_key="none") as client:
        stream = client.chat.completions.create(
            model="helper",
            messages=[{"role": "user", "content": "What do I need for reading?"}],
            stream=True,
            extra_body={"stream_options": {"include_steps": True}},
        )
        steps = [getattr(chunk, "gateway", None) for chunk in stream]
        started = [step["step"] for step in steps if step and step["status"] == "started"]
        assert started == ["answer", "answer/advisor", "answer/advisor/answer"]


def test_the_support_graph_remembers_its_customers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    def talk(name: str, *texts: str) -> list[str]:
        """Turns of one customer, with a gateway that is started anew for each."""
        said = []
        for text in texts:
            headers = {"x-gateway-conversation-id": name}
            with (
                serve(FOLDER / "support.yaml", {}) as served,
                OpenAI(base_url=served.base_url, api_key="none", default_headers=headers) as client,
            ):
                messages: Any = [{"role": "user", "content": text}]
                chunks = client.chat.completions.create(model="support", messages=messages, stream=True)
                said.append("".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices))
                served.idle()
                kept.append(client.conversations.retrieve(name).model_dump().get("variables"))
        return said

    kept: list[Any] = []
    assert talk("ada", "I am Ada. Where is my order 4711?", "How long will it take?", "Could I have it in blue?") == [
        "Order 4711 left us on Monday, Ada. You will hear from the carrier.",
        "Order 4711 should be with you on Thursday, Ada.",
        "Blue it is, Ada: I have noted it for order 4711.",
    ]
    assert kept[1] == {"facts": ["is called Ada, has order 4711"], "topic": {"kind": "order"}}
    assert talk("bob", "How long will it take?") == ["Good day! Which order is this about, and who are you?"]
    assert talk("ada", "It came, and it is broken!", "The new one is broken too!") == [
        "I am sorry to hear that. Would you like a new one, or your money back?",
        "I am sorry that this happens again. My manager will call you within the hour.",
    ]
    assert kept[-1]["facts"] == ["is called Ada, has order 4711", "wants it in blue"]
