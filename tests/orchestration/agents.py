"""Scripted models that call tools, in both dialects, and what they were shown."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

from gateway.seam import InvalidRequest
from gateway.testing import Received, Upstream, Wire, completion
from gateway.testing.messages import message, messages_events
from tests.doors import Doors, hello, opened

USAGE = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}


class Called(NamedTuple):
    """A call as the model writes it."""

    name: str
    arguments: Any = {}
    id: str | None = "c"

    @property
    def source(self) -> str:
        return self.arguments if isinstance(self.arguments, str) else json.dumps(self.arguments)


class Said(NamedTuple):
    """One turn of a model."""

    text: str | None = None
    calls: Sequence[Called] = ()
    thought: str | None = None
    finish: str | None = None


class Model:
    """Answers turn by turn, in the dialect in which it is asked: the one that follows what it is shown."""

    def __init__(self, *turns: Said) -> None:
        self.turns = turns
        self.asked: list[Any] = []

    async def __call__(self, request: Received, wire: Wire) -> None:
        """A script of an upstream."""
        self.asked.append(request.json)
        said = self.turns[min(self.turn(request.json["messages"]), len(self.turns) - 1)]
        chat = request.path.endswith("/chat/completions")
        if request.json.get("stream"):
            await wire.stream(_events(said) if chat else messages_events(*_blocks(said), **_stop(said)))
        else:
            await wire.json(_completion(said) if chat else message(*_blocks(said), **_stop(said)))

    def turn(self, messages: Sequence[Mapping[str, Any]]) -> int:
        """How many turns there were since a user spoke."""
        count = 0
        for one in reversed(messages):
            if one["role"] == "user" and not _is_results(one):
                break
            count += one["role"] == "assistant"
        return count


def _is_results(one: Mapping[str, Any]) -> bool:
    content = one["content"]
    return isinstance(content, list) and any(piece["type"] == "tool_result" for piece in content)


def _message(said: Said) -> dict[str, Any]:
    calls = [
        {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.source}}
        for call in said.calls
    ]
    made: dict[str, Any] = {"role": "assistant", "content": said.text, "refusal": None, "annotations": []}
    if said.thought is not None:
        made["reasoning_content"] = said.thought
    return made | ({"tool_calls": calls} if calls else {})


def _finish(said: Said) -> str:
    return said.finish or ("tool_calls" if said.calls else "stop")


def _completion(said: Said) -> dict[str, Any]:
    choice = {"index": 0, "message": _message(said), "logprobs": None, "finish_reason": _finish(said)}
    return completion() | {"id": f"chatcmpl-{id(said)}", "choices": [choice]}


def _events(said: Said) -> list[bytes]:
    """A stream as OpenAI sends it: the text word by word, each call opened and then its arguments in two pieces."""
    base = {"id": f"chatcmpl-{id(said)}", "object": "chat.completion.chunk", "created": 1_700_000_000, "model": "up"}

    def event(delta: Mapping[str, Any] | None, finish: str | None = None, **more: Any) -> bytes:
        choices = [] if delta is None else [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]
        return b"data: " + json.dumps(base | {"choices": choices} | more).encode() + b"\n\n"

    events = [event({"role": "assistant", "content": ""})]
    if said.thought is not None:
        events.append(event({"reasoning_content": said.thought}))
    events += [event({"content": piece}) for piece in _pieces(said.text or "")]
    for index, call in enumerate(said.calls):
        half = len(call.source) // 2
        opening = {"index": index, "id": call.id, "type": "function"}
        events.append(event({"tool_calls": [opening | {"function": {"name": call.name, "arguments": ""}}]}))
        for part in (call.source[:half], call.source[half:]):
            events.append(event({"tool_calls": [{"index": index, "function": {"arguments": part}}]}))
    return [*events, event({}, _finish(said)), event(None, usage=USAGE), b"data: [DONE]\n\n"]


def _pieces(text: str) -> list[str]:
    first, space, rest = text.partition(" ")
    return [piece for piece in (first, space, rest) if piece]


def _blocks(said: Said) -> list[Any]:
    blocks: list[Any] = []
    if said.thought is not None:
        blocks.append({"type": "thinking", "thinking": said.thought, "signature": f"signed {said.thought}"})
    if said.text:
        blocks.append(_pieces(said.text))
    return blocks + [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": json.loads(call.source)} for call in said.calls
    ]


def _stop(said: Said) -> dict[str, Any]:
    return {"stop_reason": "tool_use" if said.calls else "end_turn"}


def transcript(body: Mapping[str, Any]) -> list[Any]:
    """What a model was shown, whichever dialect it speaks: who said what, called what, and what came of it."""
    shown: list[Any] = []
    for one in body["messages"]:
        if one["role"] == "tool":
            shown.append(("result", one["tool_call_id"], one["content"]))
            continue
        content = one["content"]
        pieces = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
        for piece in pieces:
            match piece["type"]:
                case "text":
                    shown.append((one["role"], piece["text"]))
                case "thinking":
                    shown.append(("thought", piece["thinking"]))
                case "tool_use":
                    shown.append(("call", piece["id"], piece["name"], piece["input"]))
                case "tool_result":
                    shown.append(("result", piece["tool_use_id"], piece["content"]))
        for call in one.get("tool_calls") or ():
            function = call["function"]
            shown.append(("call", call["id"], function["name"], json.loads(function["arguments"])))
    return shown


class Agents(NamedTuple):
    """A served gateway whose models `m` and `claude` are scripted in their own dialects."""

    doors: Doors
    claude: Upstream

    def plays(self, *turns: Said) -> tuple[Model, Model]:
        """Let both models say this."""
        chat, messages = Model(*turns), Model(*turns)
        self.doors.upstream.script, self.claude.script = chat, messages
        return chat, messages

    def quiet(self) -> None:
        self.doors.quiet()
        self.claude.background.until(lambda: self.claude.open == 0)


@contextmanager
def agents(config: Mapping[str, Any]) -> Iterator[Agents]:
    """Serve a configuration beside these models; nothing may be left when the block is."""
    with Upstream(hello) as claude:
        provider = {"type": "anthropic", "api_key": "sk-claude", "base_url": claude.url}
        providers = {"claude": provider, **config.get("providers", {})}
        models = {"m": "up/m", "claude": "claude/claude-haiku-4-5", **config.get("models", {})}
        with opened({**config, "providers": providers, "models": models}) as doors:
            found = Agents(doors, claude)
            yield found
            found.quiet()


class Shop:
    """What the tools below have done; `cancelled` counts those that were not let to their end."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.hanging = 0
        self.cancelled = 0
        self.waiting: list[asyncio.Future[None]] = []


SHOP = Shop()


def find(number: str, limit: int = 3) -> dict[str, Any]:
    """Finds an order by its number."""
    SHOP.done.append(f"find {number} {limit}")
    return {"number": number, "state": "sent"}


async def meet(name: str) -> str:
    """Waits until another one is here at the same time, so that one alone would never come back."""
    SHOP.waiting.append(asyncio.get_running_loop().create_future())
    if len(SHOP.waiting) == 2:
        for future in SHOP.waiting:
            future.set_result(None)
    await SHOP.waiting[-1] if len(SHOP.waiting) == 2 else await SHOP.waiting[0]
    return f"met {name}"


async def hang() -> str:
    """Never comes back."""
    SHOP.hanging += 1
    try:
        await asyncio.get_running_loop().create_future()
    except asyncio.CancelledError:
        SHOP.cancelled += 1
        raise
    return "never"


def fail() -> str:
    """Fails."""
    raise RuntimeError("the password is sesame")


def refuse(number: str) -> str:
    """Says what is wrong."""
    raise InvalidRequest(f"There is no order {number}.")


def flood() -> str:
    """Five megabytes."""
    return "x" * 5_000_000
