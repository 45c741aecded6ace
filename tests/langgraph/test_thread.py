"""Graphs that remember: a conversation is a thread, and what a graph asks is answered in it."""

import asyncio
from typing import Any

import httpx
import pytest

from gateway.langgraph.thread import thread_id
from gateway.seam import Conversation, GatewayError
from gateway.testing import serve
from tests.langgraph import graphs
from tests.langgraph.world import graph, node
from tests.orchestration.scripted import World, failing, until, user


async def say(world: World, text: str, conversation: str | None = "c1", **more: Any) -> str:
    if conversation is not None:
        more["metadata"] = {"conversation_id": conversation}
    return await world.ask("graph:g", text, **more)


def heard(world: World) -> list[str]:
    """What the model saw last."""
    return [message["content"] for message in world.model.asked[-1]["messages"]]


def threads() -> set[str]:
    return {one.config["configurable"]["thread_id"] for one in graphs.saver.list(None)}


async def test_what_was_said_is_remembered() -> None:
    before = threads()
    async with node("remembering") as world:
        assert await say(world, "one", "r1") == "<one>"
        assert await say(world, "two", "r1") == "<two>"
        assert heard(world) == ["one", "<one>", "two"]
        assert await say(world, "three", "r2") == "<three>"
        assert heard(world) == ["three"]
        assert await say(world, "four", None) == "<four>"
        assert heard(world) == ["four"]
        assert threads() - before == {"r1", "r2"}  # a request that names no conversation leaves nothing


async def test_a_client_that_sends_its_history_doubles_nothing() -> None:
    async with node("remembering") as world:
        system = {"role": "system", "content": "Be kind."}
        await say(world, "", "h1", messages=[system, *user("one")])
        history = [system, *user("one"), {"role": "assistant", "content": "<one>"}, *user("two")]
        await say(world, "", "h1", messages=history)
        assert heard(world) == ["Be kind.", "one", "<one>", "two"]
        await say(world, "", "h1", messages=[system, *user("three")])
        assert heard(world) == ["Be kind.", "one", "<one>", "two", "<two>", "three"]


async def test_a_graph_asks_and_is_answered() -> None:
    async with node("asking") as world:
        assert await say(world, "Delete all?", "a1") == '{"approve":"Delete all?"}'
        assert await say(world, "yes", "a1") == "You said: 'yes'"
        assert await say(world, "Again?", "a1") == '{"approve":"Again?"}'
        assert await say(world, '{"type": "approve"}', "a1") == "You said: {'type': 'approve'}"
        async with world.gateway.run(
            "graph:g", messages=user("Stream?"), metadata={"conversation_id": "a2"}, stream=True
        ) as pieces:
            assert [piece async for piece in pieces] == ['{"approve":"Stream?"}']
        assert await say(world, "[no", "a2") == "You said: '[no'"


async def test_a_graph_that_asks_needs_a_conversation_and_a_checkpointer() -> None:
    async with node("asking") as world:
        with pytest.raises(GatewayError, match="x-gateway-conversation-id") as caught:
            await say(world, "Delete all?", None)
        assert (caught.value.status, caught.value.code) == (400, "conversation_required")
    async with node("forgetful_asking") as world:
        with pytest.raises(GatewayError, match="checkpointer") as caught:
            await say(world, "Delete all?", "a9")
        assert (caught.value.status, caught.value.code) == (500, "graph_failed")


async def test_a_turn_that_fails_leaves_nothing() -> None:
    async with node("stumbling") as world:
        world.model.says["bad"] = failing(500)
        for _ in range(2):  # the first turn of a thread
            with pytest.raises(GatewayError):
                await say(world, "bad", "s1")
        await say(world, "one", "s1")
        assert heard(world) == ["one", "No model was asked."]
        with pytest.raises(GatewayError):
            await say(world, "bad", "s1")
        await say(world, "two", "s1")
        assert heard(world) == ["one", "No model was asked.", "<one>", "two", "No model was asked."]


async def test_a_turn_that_nobody_waits_for_any_more_leaves_nothing() -> None:
    async with node("stumbling") as world:
        await say(world, "one", "s2")
        gone = asyncio.get_running_loop().create_task(say(world, "wait", "s2"))
        await until(lambda: world.model.running == 1)
        gone.cancel()
        await asyncio.wait((gone,))
        assert world.model.cancelled == 1
        await say(world, "two", "s2")
        assert heard(world) == ["one", "No model was asked.", "<one>", "two", "No model was asked."]


async def test_the_turns_of_a_thread_are_taken_one_after_the_other() -> None:
    async with node("remembering") as world:
        loop = asyncio.get_running_loop()
        first = loop.create_task(say(world, "wait", "t1"))
        await until(lambda: world.model.running == 1)
        others = [loop.create_task(say(world, f"n{number}", "t1")) for number in range(5)]
        assert await say(world, "other", "t2") == "<other>"
        assert not any(task.done() for task in (first, *others))
        world.model.go.set()
        await first
        assert sorted([await task for task in others]) == [f"<n{number}>" for number in range(5)]
        assert len(heard(world)) == 11


async def test_a_graph_is_opened_and_closed_with_the_gateway() -> None:
    graphs.OPENED.clear()
    async with node("opened") as world:
        assert graphs.OPENED == ["opened"]
        await say(world, "one", "o1")
        await say(world, "two", "o1")
        assert heard(world) == ["one", "<one>", "two"]
    assert graphs.OPENED == ["opened", "closed"]


def test_each_key_has_its_own_threads() -> None:
    config = {
        "auth": {"keys": [{"name": "web", "key": "sk-web"}, {"name": "app", "key": "sk-app", "models": ["graph:g"]}]},
        "providers": {"mock": {"type": "mock"}},
        "models": {"m": "mock/echo"},
        "graphs": {"g": graph("asking")},
    }
    with serve(config) as served:

        def ask(key: str, text: str, conversation: str = "k1") -> httpx.Response:
            return httpx.post(
                f"{served.base_url}/chat/completions",
                json={"model": "graph:g", "messages": user(text)},
                headers={"authorization": f"Bearer {key}", "x-gateway-conversation-id": conversation},
                trust_env=False,
            )

        def text(answer: httpx.Response) -> str:
            return str(answer.json()["choices"][0]["message"]["content"])

        assert text(ask("sk-web", "Mine?")) == '{"approve":"Mine?"}'
        assert text(ask("sk-app", "yes")) == '{"approve":"yes"}'
        assert text(ask("sk-web", "yes")) == "You said: 'yes'"
        wrong = ask("sk-web", "yes", "a/b")
        assert (wrong.status_code, wrong.json()["error"]["code"]) == (400, "invalid_conversation_id")
        served.idle()


def test_anthropics_dialect_has_the_same_conversation() -> None:
    config = {
        "providers": {"mock": {"type": "mock"}},
        "models": {"m": "mock/echo"},
        "graphs": {"g": graph("asking")},
    }
    with serve(config) as served:
        headers = {"x-gateway-conversation-id": "n1", "anthropic-version": "2023-06-01"}

        def ask(path: str, text: str) -> Any:
            body = {"model": "graph:g", "messages": user(text), "max_tokens": 9}
            return httpx.post(f"{served.base_url}/{path}", json=body, headers=headers, trust_env=False).json()

        assert ask("messages", "Buy?")["content"][0]["text"] == '{"approve":"Buy?"}'
        assert ask("chat/completions", "yes")["choices"][0]["message"]["content"] == "You said: 'yes'"
        served.idle()


def test_names_of_threads() -> None:
    assert thread_id(Conversation("", "c")) == "c"
    assert thread_id(Conversation("web", "c")) == "web/c"
