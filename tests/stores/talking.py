"""A chain with memory as an engine has it, in few lines: for tests of what is kept."""

import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import msgspec

from gateway.config.database import DatabaseSettings
from gateway.seam import Call, Chunk, Env, Inbound, Reply, Request, owned
from gateway.stores.archive import Item
from gateway.stores.conversations import Conversations
from gateway.stores.database import Database
from gateway.stores.identity import Memory, Named
from gateway.testing import answer
from gateway.wire.chat import CHAT_ANSWER
from gateway.wire.verbatim import open_array, open_object
from tests.stores.databases import env

Json = dict[str, Any]


def user(text: str) -> Json:
    return {"role": "user", "content": text}


def said(text: str) -> Json:
    return {"role": "assistant", "content": text}


class Key:
    def __init__(self, name: str) -> None:
        self.name = name

    def may_use(self, model: str) -> bool:
        return True


class Talk:
    """A process with a database. `model` gives the answer to what it is shown; `shown` is what it was shown last."""

    def __init__(self, around: Env, conversations: Conversations) -> None:
        self.env = around
        self.conversations = conversations
        self.memory = Memory(last=20)
        self.shown: list[Any] = []
        self.model: Callable[[list[Any]], str] = lambda shown: f"to {shown[-1].get('content')}"

    async def turn(
        self,
        conversation: str | None,
        messages: Sequence[Any],
        *,
        key: str | None = "me",
        stream: bool = False,
        variables: Mapping[str, Any] = {},
        **members: Any,
    ) -> str:
        """One request; the text of its answer."""
        body = msgspec.json.encode({"model": "chain:tutor", "messages": list(messages), **members})
        call = Call(
            Request("chat", body, model="chain:tutor", stream=stream),
            self.env.tasks,
            id="req_test",
            caller=None if key is None else Key(key),
        )
        if conversation is not None:
            call.put(Inbound([(b"x-gateway-conversation-id", conversation.encode())]))

        async def chain(call: Call) -> Reply:
            members = open_object(call.request.raw)
            sent = open_array(members["messages"])
            turn = await self.conversations.open(call, sent, members, self.memory)
            for name, value in variables.items():
                turn.remember(name, value)
            self.shown = [_plain(one) for one in msgspec.json.decode(msgspec.json.encode(turn.messages))]
            return turn.keep(self.answered(call, self.model(self.shown)))

        reply = await owned(chain, call)
        whole = await reply.whole()
        return "".join(part.text for part in whole.parts() if part.kind == "text")

    def answered(self, call: Call, text: str) -> Reply:
        return answer(call, text)

    async def rows(self, conversation: str, *, key: str = "me", replaced: bool = False) -> list[Item]:
        """What is kept of a conversation."""
        archive = self.conversations.archive
        head = await archive.head(Named(key, conversation))
        return [] if head is None else await archive.items(head, None, 10_000, "asc", replaced=replaced)

    async def kept(self, conversation: str, *, key: str = "me", replaced: bool = False) -> list[Any]:
        """The same as JSON."""
        rows = await self.rows(conversation, key=key, replaced=replaced)
        return [_plain(msgspec.json.decode(row.body)) for row in rows]


@asynccontextmanager
async def talking(url: str, run: Callable[[Call], Any] | None = None, **settings: Any) -> AsyncIterator[Talk]:
    around = env()
    database = Database(DatabaseSettings(url=url, **settings))
    conversations = Conversations(database)
    if run is not None:
        around.run = run
    try:
        await database.start(around)
        await conversations.start(around)
        yield Talk(around, conversations)
    finally:
        await around.tasks.drain(10)
        await database.aclose()
        await around.tasks.drain(5)
        around.threads.close()


def whole(call: Call, message: Json) -> Reply:
    """An answer of this message."""
    body = {
        "id": "a",
        "object": "chat.completion",
        "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
    }
    return Reply.of(call, Chunk(json.dumps(body).encode(), CHAT_ANSWER))


def _plain(message: Json) -> Json:
    """Without the refusal that is none, which the harness's answers have."""
    return {name: value for name, value in message.items() if name != "refusal"}
