import asyncio
import json
from functools import partial
from typing import Any

import pytest
from msgspec import Raw

from gateway.seam import Call, Chunk, GatewayError, InvalidRequest, Reply, UpstreamError
from gateway.stores.identity import Memory, Named
from gateway.stores.journal import Entry, commit
from gateway.stores.message import message
from gateway.wire.chat import CHAT_ANSWER
from tests.stores.talking import said, talking, user, whole


async def test_a_client_that_sends_everything_again(database_url: str) -> None:
    async with talking(database_url) as talk:
        history: list[Any] = []
        for number in range(6):
            history.append(user(f"q{number}"))
            history.append(said(await talk.turn("c", history, stream=number % 2 == 0)))
        assert await talk.kept("c") == history
        assert await talk.kept("c", replaced=True) == history, "nothing was written twice"
    async with talking(database_url) as talk:
        assert await talk.kept("c") == history, "and it is there after a restart"
        await talk.turn("c", [*history, user("last")])
        assert talk.shown == [*history, user("last")]


async def test_a_client_that_sends_only_what_is_new(database_url: str) -> None:
    async with talking(database_url) as talk:
        talk.memory = Memory(last=2)
        for number in range(5):
            await talk.turn("c", [user(f"q{number}")])
        assert talk.shown == [user("q3"), said("to q3"), user("q4")]
        assert len(await talk.kept("c")) == 10


async def test_keys_do_not_see_each_other(database_url: str) -> None:
    async with talking(database_url) as talk:
        await talk.turn("c", [user("mine")], key="me")
        await talk.turn("c", [user("yours")], key="you")
        assert talk.shown == [user("yours")]
        assert await talk.kept("c", key="me") == [user("mine"), said("to mine")]
        assert await talk.kept("c", key="you") == [user("yours"), said("to yours")]


async def test_an_answer_is_given_anew(database_url: str) -> None:
    async with talking(database_url) as talk:
        await talk.turn("c", [user("a")])
        history = [user("a"), said("to a"), user("b")]
        await talk.turn("c", history)
        talk.model = lambda shown: "better"
        await talk.turn("c", history)
        assert await talk.kept("c") == [*history, said("better")]
        assert said("to b") in await talk.kept("c", replaced=True), "what was replaced is there for those who ask"


async def test_an_edited_history_replaces_what_followed(database_url: str) -> None:
    async with talking(database_url) as talk:
        history = [user("a"), said("to a"), user("b"), said("to b"), user("c")]
        for end in (1, 3, 5):
            await talk.turn("c", history[:end])
        edited = [user("a"), said("to a"), user("other")]
        await talk.turn("c", edited)
        assert await talk.kept("c") == [*edited, said("to other")]
        await talk.turn("c", [*edited, said("to other"), user("on")])
        assert talk.shown == [*edited, said("to other"), user("on")]


async def test_a_client_that_has_forgotten_its_oldest_messages(database_url: str) -> None:
    async with talking(database_url) as talk:
        history: list[Any] = []
        for number in range(4):
            history += [user(f"q{number}"), said(f"to q{number}")]
            await talk.turn("c", history[:-1])
        await talk.turn("c", [*history[-2:], user("q4")])
        assert talk.shown == [*history, user("q4")]
        assert await talk.kept("c") == [*history, user("q4"), said("to q4")]


async def test_instructions_are_the_requests_and_the_last_ones_stay(database_url: str) -> None:
    rules, other = {"role": "system", "content": "It is noon."}, {"role": "system", "content": "It is one."}
    async with talking(database_url) as talk:
        await talk.turn("c", [rules, user("a")])
        await talk.turn("c", [other, user("a"), said("to a"), user("b")])
        assert talk.shown == [other, user("a"), said("to a"), user("b")]
        await talk.turn("c", [user("c")])
        assert talk.shown[0] == other
        assert len(await talk.kept("c")) == 6, "they are no turn of it"


async def test_messages_are_kept_to_the_byte(database_url: str) -> None:
    odd = (
        b'{"role":"user",  "content":[{"type":"text","text":"\\u00e9 \xf0\x9f\x98\x80"},'
        b'{"type":"image_url","image_url":{"url":"x"}}],'
        b'"seed":1.00,"big":123456789012345678901234567890,"own":{"z":1,"a":[ ]}}'
    )
    tool = called('{"a": 1}') | {"content": None, "reasoning_content": "hm", "annotations": []}
    result = {"role": "tool", "tool_call_id": "1", "content": "42"}
    async with talking(database_url) as talk:
        talk.answered = lambda call, text: whole(call, tool)  # type: ignore[method-assign]
        await talk.turn("c", [Raw(odd)])
        assert next(row.body for row in await talk.rows("c")) == odd
        body = json.loads(odd)
        assert await talk.kept("c") == [body, tool]
        talk.answered = lambda call, text: whole(call, said("42!"))  # type: ignore[method-assign]
        await talk.turn("c", [body, called('{"a":1}'), result])
        assert await talk.kept("c") == [body, tool, result, said("42!")], "the same, as its client spells it"
        await talk.turn("c", [user("and?")])
        assert talk.shown == [body, tool, result, said("42!"), user("and?")]


def called(arguments: str) -> Any:
    call = {"id": "1", "type": "function", "function": {"name": "f", "arguments": arguments}}
    return {"role": "assistant", "tool_calls": [call]}


@pytest.mark.parametrize("stream", [False, True])
async def test_a_turn_that_failed_leaves_the_conversation_whole(database_url: str, stream: bool) -> None:
    class Broken:
        def __aiter__(self) -> Any:
            return self

        async def __anext__(self) -> Any:
            raise UpstreamError("broke off")

    async with talking(database_url) as talk:
        await talk.turn("c", [user("a")])
        talk.answered = lambda call, text: Reply(call, Broken())  # type: ignore[method-assign]
        with pytest.raises(UpstreamError):
            await talk.turn("c", [user("b")], stream=stream)
        assert await talk.kept("c") == [user("a"), said("to a")]

        def refused(call: Call, text: str) -> Reply:
            raise GatewayError("no")

        talk.answered = refused  # type: ignore[method-assign]
        with pytest.raises(GatewayError):
            await talk.turn("c", [user("b")])
        assert await talk.kept("c") == [user("a"), said("to a")]


async def test_two_turns_at_once_lose_neither(database_url: str) -> None:
    async with talking(database_url) as one, talking(database_url) as two:
        await one.turn("c", [user("a")])
        base = [user("a"), said("to a")]
        gate = asyncio.Event()
        opened = 0

        class Held:
            """An answer that waits until all turns have been opened."""

            def __init__(self, reply: Reply) -> None:
                self._reply = reply

            def __aiter__(self) -> "Held":
                return self

            async def __anext__(self) -> Any:
                await gate.wait()
                return await self._reply.__anext__()

        def answered(call: Call, text: str) -> Reply:
            nonlocal opened
            opened += 1
            if opened == 20:
                gate.set()
            body = {"choices": [{"index": 0, "message": said(text), "finish_reason": "stop"}]}
            inner = Reply.of(call, Chunk(json.dumps(body).encode(), CHAT_ANSWER))
            return Reply(call, Held(inner), inner=inner)

        one.answered = two.answered = answered  # type: ignore[method-assign]
        turns = [
            talk.turn("c", ([*base, user(f"q{number}")] if number % 2 else [user(f"q{number}")]))
            for number, talk in enumerate([one, two] * 10)
        ]
        await asyncio.gather(*turns)
        await two.env.tasks.drain()
        kept = await one.kept("c")
        assert kept[:2] == base
        assert await two.kept("c") == kept
        pairs = list(zip(kept[2::2], kept[3::2], strict=True))
        assert all(answer["content"] == f"to {question['content']}" for question, answer in pairs), "each with its own"
        assert sorted(question["content"] for question, _ in pairs) == sorted(f"q{number}" for number in range(20))


async def test_two_first_turns_at_once(database_url: str) -> None:
    async with talking(database_url) as one, talking(database_url) as two:
        await asyncio.gather(*(talk.turn("new", [user(f"q{at}")]) for at, talk in enumerate([one, two] * 5)))
        await two.env.tasks.drain()
        assert len(await one.kept("new")) == 20


async def test_variables_are_kept_with_a_turn_that_ends_well(database_url: str) -> None:
    async with talking(database_url) as talk:
        await talk.turn("c", [user("a")], variables={"name": "Ada", "list": [1, {"x": None}]})
        await talk.turn("c", [user("b")], variables={"name": "Bob"})
        head = await talk.conversations.archive.head(Named("me", "c"))
        assert head is not None
        assert await talk.conversations.archive.variables(head) == {"name": "Bob", "list": [1, {"x": None}]}


async def test_a_variable_that_is_added_to_is_added_to_once(database_url: str) -> None:
    """A commit that was not heard of is tried again."""

    def counted(kept: bytes | None) -> bytes:
        return b"%d" % (1 + int(kept or b"0"))

    async with talking(database_url) as talk:
        named = Named("me", "c")
        entries = [
            Entry(named, [message(b'{"role":"user","content":"a"}')], variables={"n": counted}) for _ in range(3)
        ]
        for _ in range(2):
            await talk.conversations.database.write(partial(commit, entries=entries))
        head = await talk.conversations.archive.head(named)
        assert head is not None
        assert await talk.conversations.archive.variables(head) == {"n": 3}
        assert head.length == 3


async def test_a_change_that_comes_to_nothing_leaves_what_is_there(database_url: str) -> None:
    async with talking(database_url) as talk:
        named = Named("me", "c")
        sent = [message(b'{"role":"user","content":"a"}')]
        for value in (b"1", None):
            entry = Entry(named, sent, variables={"n": lambda _, value=value: value})
            await talk.conversations.database.write(partial(commit, entries=[entry]))
        head = await talk.conversations.archive.head(named)
        assert head is not None
        assert await talk.conversations.archive.variables(head) == {"n": 1}


async def test_one_that_outlived_its_time_begins_anew(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000.0
    monkeypatch.setattr("time.time", lambda: now)
    async with talking(database_url) as talk:
        talk.memory = Memory(last=20, ttl=60)
        await talk.turn("c", [user("a")], variables={"x": 1})
        await talk.env.tasks.drain()
        now += 59
        await talk.turn("c", [user("b")])
        assert len(talk.shown) == 3
        await talk.env.tasks.drain()
        now += 61
        await talk.turn("c", [user("c")])
        assert talk.shown == [user("c")]
        assert await talk.kept("c", replaced=True) == [user("c"), said("to c")]


async def test_what_is_added_beside_turns_leaves_a_conversation_s_time(database_url: str) -> None:
    async with talking(database_url) as talk:
        talk.memory = Memory(last=20, ttl=60)
        await talk.turn("c", [user("a")])
        archive, named = talk.conversations.archive, Named("me", "c")
        before = await archive.head(named)
        await archive.add(named, [b'{"role":"user","content":"b"}'])
        after = await archive.head(named)
        assert before is not None
        assert after is not None
        assert (after.expires_at, after.length) == (before.expires_at, 3)


async def test_names(database_url: str) -> None:
    async with talking(database_url) as talk:
        await talk.turn(None, [user("a")], metadata={"conversation_id": "m"})
        assert len(await talk.kept("m")) == 2
        await talk.turn(None, [user("nowhere")])
        await talk.turn(None, [user("const")], user="user-1234")
        assert talk.shown == [user("const")]
        for wrong in ("", "a b", "a/b", "x" * 129):
            with pytest.raises(InvalidRequest, match="conversation's id"):
                await talk.turn(None, [user("a")], metadata={"conversation_id": wrong})
        with pytest.raises(InvalidRequest, match="must be a string"):
            await talk.turn(None, [user("a")], metadata={"conversation_id": 7})
        talk.memory = Memory(last=20, by="user")
        await talk.turn("ignored", [user("a")], user="Zoë / 1")
        await talk.turn("other", [user("b")], user="Zoë / 1")
        assert talk.shown == [user("a"), said("to a"), user("b")]


async def test_what_falls_out_is_summed_up(database_url: str) -> None:
    asked: list[Any] = []

    async def run(call: Call) -> Reply:
        asked.append(json.loads(call.request.raw))
        return whole(call, said(f"sum {len(asked)}"))

    async with talking(database_url, run) as talk:
        talk.memory = Memory(last=4, summarise="fast")
        history: list[Any] = []
        for number in range(12):
            await talk.turn("c", [user(f"q{number}")])
            await talk.env.tasks.drain()
            history += [user(f"q{number}"), said(f"to q{number}")]
            told = [one for one in talk.shown if one["role"] == "system"]
            seen = [one["content"] for one in talk.shown if one["role"] == "user"]
            assert len(seen) <= 8
            if number >= 4 and not told:
                assert "q0" in seen, "what is not summed up yet is in sight"
        assert talk.shown[0]["content"].startswith("Summary of the conversation so far:\nsum ")
        assert all(one["model"] == "fast" for one in asked)
        summed = "".join(one["messages"][1]["content"] for one in asked)
        for number in range(6):
            assert summed.count(f'"q{number}"') == 1, "each turn once"
        assert "The summary so far:\nsum 1" in asked[1]["messages"][1]["content"]
        assert await talk.kept("c") == history, "and nothing of it is lost"


async def test_a_summary_of_what_was_edited_away_is_forgotten(database_url: str) -> None:
    async def run(call: Call) -> Reply:
        return whole(call, said("old news"))

    async with talking(database_url, run) as talk:
        talk.memory = Memory(last=2, summarise="fast")
        history: list[Any] = []
        for number in range(6):
            history.append(user(f"q{number}"))
            history.append(said(await talk.turn("c", history)))
            await talk.env.tasks.drain()
        assert "old news" in talk.shown[0]["content"]
        talk.memory = Memory(last=2)
        await talk.turn("c", [*history[:2], user("other")])
        talk.memory = Memory(last=2, summarise="fast")
        await talk.turn("c", [user("on")])
        assert "old news" not in json.dumps(talk.shown)


async def test_a_database_that_is_gone_is_told(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.database.PAUSE", 0.05)
    async with talking(f"sqlite:///{tmp_path / 'none' / 'a.db'}") as talk:
        with pytest.raises(GatewayError) as refused:
            await talk.turn("c", [user("a")])
        assert refused.value.code == "database_unavailable"
        assert await talk.turn(None, [user("a")]) == "to a", "what keeps nothing is served"
        (tmp_path / "none").mkdir()
        await talk.conversations.database.back()
        assert await talk.turn("c", [user("a")]) == "to a"
