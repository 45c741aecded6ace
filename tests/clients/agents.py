"""One scripted model behind two dialects, and one agent's loop in front of two: what passes must be the same."""

import json
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

from anthropic import Anthropic
from openai import OpenAI

from gateway.testing import Received, Wire, completion, message, messages_events


class Use(NamedTuple):
    """A tool that the model wants called."""

    id: str
    name: str
    arguments: dict[str, Any]


class Turn(NamedTuple):
    """What the model says in one turn."""

    text: str
    uses: tuple[Use, ...] = ()


TURNS = (
    Turn("Let me add.", (Use("call_1", "add", {"a": 1, "b": 2}), Use("call_2", "add", {"a": -1.5, "b": 10**15}))),
    Turn("", (Use("call_3", "tell", {"text": 'é "quoted"\n\u2028', "list": [{"deep": [None, True]}], "empty": {}}),)),
    Turn("Done: 3 — 日本."),
)
TOOLS = {"add": {"a": {"type": "number"}, "b": {"type": "number"}}, "tell": {"text": {"type": "string"}}}


def called(use: Use) -> str:
    """What a tool gives."""
    return f"{use.name} gave {json.dumps(use.arguments, sort_keys=True)}"


# ---- the model


class Model:
    """Answers turn by turn; `results` are the tools' results that it was given, by their ids."""

    def __init__(self) -> None:
        self.results: dict[str, str] = {}

    async def chat(self, request: Received, wire: Wire) -> None:
        """As OpenAI's servers do."""
        body = request.json
        assert [tool["function"]["name"] for tool in body["tools"]] == list(TOOLS)
        told = [message for message in body["messages"] if message["role"] == "tool"]
        self.results = {message["tool_call_id"]: _text(message["content"]) for message in told}
        turn = self._turn()
        calls = [
            {"id": use.id, "type": "function", "function": {"name": use.name, "arguments": json.dumps(use.arguments)}}
            for use in turn.uses
        ]
        finish = "tool_calls" if calls else "stop"
        said: dict[str, Any] = {"role": "assistant", "content": turn.text or None, "refusal": None}
        if not body.get("stream"):
            if calls:
                said["tool_calls"] = calls
            choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": finish}
            await wire.json(completion(choices=[choice]))
            return
        deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
        deltas += [{"content": letter} for letter in turn.text]
        for index, call in enumerate(calls):
            function = call["function"]
            deltas.append({"tool_calls": [{**call, "index": index, "function": {**function, "arguments": ""}}]})
            for piece in _pieces(function["arguments"]):
                deltas.append({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
        chunks = [{"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
        chunks.append({"choices": [{"index": 0, "delta": {}, "finish_reason": finish}]})
        chunks.append({"choices": [], "usage": {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}})
        head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
        await wire.stream([*(b"data: %s\n\n" % json.dumps(head | it).encode() for it in chunks), b"data: [DONE]\n\n"])

    async def messages(self, request: Received, wire: Wire) -> None:
        """As Anthropic's do."""
        body = request.json
        assert [tool["name"] for tool in body["tools"]] == list(TOOLS)
        blocks = [block for item in body["messages"] if isinstance(item["content"], list) for block in item["content"]]
        told = [block for block in blocks if block["type"] == "tool_result"]
        self.results = {block["tool_use_id"]: _text(block["content"]) for block in told}
        turn = self._turn()
        uses = [{"type": "tool_use", "id": use.id, "name": use.name, "input": use.arguments} for use in turn.uses]
        said = [turn.text] if turn.text else []
        reason = "tool_use" if uses else "end_turn"
        if body.get("stream"):
            await wire.stream(messages_events(*said, *uses, stop_reason=reason))
        else:
            await wire.json(message(*said, *uses, stop_reason=reason))

    def _turn(self) -> Turn:
        """The turn that these results lead to."""
        for number, turn in enumerate(TURNS):
            if any(use.id not in self.results for use in turn.uses) or not turn.uses:
                assert len(self.results) == sum(len(before.uses) for before in TURNS[:number])
                return turn
        raise AssertionError("nothing is left to say")


def _text(content: str | list[dict[str, Any]]) -> str:
    return content if isinstance(content, str) else "".join(block["text"] for block in content)


def _pieces(text: str) -> Sequence[str]:
    return [text[at : at + 5] for at in range(0, len(text), 5)]


# ---- the agent

Transcript = list[tuple[str, list[tuple[str, dict[str, Any]]], str]]
Tool = Callable[[Use], str]


def openai_agent(client: OpenAI, model: str, *, stream: bool) -> Transcript:
    """Ask until no tool is wanted; what each turn said, which tools it wanted, and why it stopped."""
    tools: Any = [
        {"type": "function", "function": {"name": name, "parameters": {"type": "object", "properties": fields}}}
        for name, fields in TOOLS.items()
    ]
    messages: list[Any] = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Add."}]
    transcript: Transcript = []
    while True:
        ask: dict[str, Any] = {"model": model, "messages": messages, "tools": tools}
        if stream:
            with client.chat.completions.stream(**ask) as events:
                choice = events.get_final_completion().choices[0]
        else:
            choice = client.chat.completions.create(**ask).choices[0]
        said = choice.message
        uses = [Use(call.id, call.function.name, json.loads(call.function.arguments)) for call in said.tool_calls or ()]
        transcript.append((said.content or "", [use[1:] for use in uses], choice.finish_reason))
        if not uses:
            return transcript
        messages.append(said.to_dict())
        messages += [{"role": "tool", "tool_call_id": use.id, "content": called(use)} for use in uses]


def anthropic_agent(client: Anthropic, model: str, *, stream: bool) -> Transcript:
    """The same, in Anthropic's dialect; stop reasons in OpenAI's words."""
    tools: Any = [
        {"name": name, "input_schema": {"type": "object", "properties": fields}} for name, fields in TOOLS.items()
    ]
    messages: list[Any] = [{"role": "user", "content": "Add."}]
    transcript: Transcript = []
    while True:
        ask: dict[str, Any] = {"model": model, "max_tokens": 100, "system": "Be brief.", "tools": tools}
        if stream:
            with client.messages.stream(messages=messages, **ask) as events:
                said = events.get_final_message()
        else:
            said = client.messages.create(messages=messages, **ask)
        uses = [Use(block.id, block.name, dict(block.input)) for block in said.content if block.type == "tool_use"]
        text = "".join(block.text for block in said.content if block.type == "text")
        reason = {"end_turn": "stop", "tool_use": "tool_calls"}[said.stop_reason or ""]
        transcript.append((text, [use[1:] for use in uses], reason))
        if not uses:
            return transcript
        messages.append({"role": "assistant", "content": [block.to_dict() for block in said.content]})
        results = [{"type": "tool_result", "tool_use_id": use.id, "content": called(use)} for use in uses]
        messages.append({"role": "user", "content": results})


EXPECTED: Transcript = [
    (turn.text, [use[1:] for use in turn.uses], "tool_calls" if turn.uses else "stop") for turn in TURNS
]
RESULTS = {use.id: called(use) for turn in TURNS for use in turn.uses}
