"""Calls and answers without a server, for a middleware's own tests."""

import json
import logging
from collections.abc import Mapping, Sequence
from typing import Any

from gateway.seam import Batch, Call, Chunk, Given, Handler, Middleware, Reply, Request, Tasks, owned, ring
from gateway.testing.messages import message, messages_events
from gateway.testing.upstream import completion, events
from gateway.wire.chat import CHAT_ANSWER, CHAT_EVENT
from gateway.wire.messages import MESSAGES_ANSWER, MESSAGES_EVENT


def chat_call(text: str = "Hello?", *, stream: bool = False, model: str = "mock/echo", **fields: Any) -> Call:
    """A chat call with one user message; `fields` are further members of its body."""
    body: Mapping[str, Any] = {
        "model": model,
        "messages": [{"role": "user", "content": text}],
        "stream": stream,
        **fields,
    }
    request = Request("chat", json.dumps(body).encode(), model=model, stream=stream)
    return Call(request, Tasks(logging.getLogger("gateway")), id="req_test")


def messages_call(text: str = "Hello?", *, stream: bool = False, model: str = "mock/echo", **fields: Any) -> Call:
    """The same call in Anthropic's dialect."""
    call = chat_call(text, stream=stream, model=model, max_tokens=1024, **fields)
    call.request.surface = "messages"
    return call


def answer(call: Call, *texts: str) -> Reply:
    """An answer of these texts in the call's dialect: one event each where it wants a stream, else whole."""
    if call.request.surface == "messages":
        if call.request.stream:
            return Reply(call, Given([Batch(event, MESSAGES_EVENT) for event in messages_events(texts)]))
        return Reply.of(call, Chunk(json.dumps(message(texts)).encode(), MESSAGES_ANSWER))
    if call.request.stream:
        return Reply(call, Given([Batch(event, CHAT_EVENT) for event in events(*texts)]))
    return Reply.of(call, Chunk(json.dumps(completion("".join(texts))).encode(), CHAT_ANSWER))


def answering(*texts: str) -> Handler:
    """A handler that gives these texts for an answer."""

    async def handler(call: Call) -> Reply:
        return answer(call, *texts)

    return handler


async def ask(middlewares: Sequence[Middleware], call: Call, inner: Handler | None = None) -> Chunk:
    """Send a call through middlewares, and return the whole answer, folded where it was streamed."""
    reply = await owned(ring(middlewares, inner or answering("Hello.")), call)
    return await reply.whole()
