"""A step whose model calls tools until it is done: turn by turn, within bounds.

An answer with calls → the tools, at the same time → their results, in the order of the calls → the model again. What
goes wrong with a call is its result, so that the model can do better; what goes wrong with the model is the step's
failure. See docs/tools.md.
"""

from collections.abc import AsyncGenerator, Mapping
from functools import partial
from typing import Any

import msgspec
from msgspec import Raw

from gateway.orchestration.group import Group
from gateway.orchestration.model import ModelCall
from gateway.orchestration.run import Run
from gateway.orchestration.step import Tries
from gateway.orchestration.tool import Tool, cut, failed
from gateway.orchestration.tool_stream import Joined
from gateway.orchestration.tool_turn import ToolCall, Turn, answered, result
from gateway.orchestration.work import Names, read
from gateway.seam import Batch, Chunk, GatewayError, Given, InvalidRequest, Reply
from gateway.seam.reply import fold
from gateway.wire.verbatim import INVALID, encode, open_array

CONCURRENT = 8
"""How many calls of one turn run at one time."""
MOST_CALLS = 64
"""How many calls of one turn are done."""
MOST_BYTES = 8 * 1024 * 1024
"""How much the model is shown of results in all turns of a loop together."""
_OFFERS = ("tools", "tool_choice", "parallel_tool_calls")


class _Named(msgspec.Struct, gc=False):
    name: str | None = None


class _Offered(msgspec.Struct, gc=False):
    """A tool of a request: what names it."""

    function: _Named | None = None
    custom: _Named | None = None


class _Format(msgspec.Struct, gc=False):
    type: str | None = None


_offered = msgspec.json.Decoder(_Offered).decode
_format = msgspec.json.Decoder(_Format | None).decode


class ToolLoop:
    """Calls of a model that has `tools`, by name; the model is asked `max_turns` times at most.

    `must_answer`: the last turn has no tools; else a model that is not done by then is a failure. `tries` are those of
    each turn, as tools are not to be called again because the model failed after them.
    """

    def __init__(
        self, asking: ModelCall, tools: Mapping[str, Tool], *, max_turns: int, must_answer: bool, tries: Tries
    ) -> None:
        self._asking = asking
        self.tools = tools
        self.max_turns = max_turns
        self.must_answer = must_answer
        self._tries = tries

    async def output(self, run: Run, names: Names) -> Any:
        """The last turn's text, or what it holds as JSON. Raises `GatewayError`."""
        talk = Talk(self, run, self._asking.body(run, names, final=False))
        while True:
            talk.begin_turn()
            turn, output = await self._tries.of(partial(self._turn, talk))
            if not turn.ours:
                return output
            await talk.call(turn)

    async def _turn(self, talk: "Talk") -> tuple[Turn, Any]:
        answer = await read(talk.run, await self._asking.ask(talk.run, talk.body, final=False))
        turn = talk.read(answer)
        return turn, None if turn.ours else self._asking.opened(answer)

    async def answer(self, run: Run, names: Names) -> Reply:
        """What the model says in all turns, as one answer, with the calls of the client's own tools at its end.

        A stream is returned when there is something to see of it. Raises `GatewayError`.
        """
        talk = Talk(self, run, self._asking.body(run, names, final=True))
        said = self._said(talk)
        begun: list[Chunk] = []
        async for batch in said:
            begun += batch.chunks
            if run.stream and any(chunk.has_content for chunk in batch.chunks):
                break
        if not run.stream:
            begun = [fold([Batch.of(begun)], "chat")]
        return run.made(Given((Batch.of(begun),), said), talk.reply)

    async def _said(self, talk: "Talk") -> AsyncGenerator[Batch, None]:
        """The events of all turns, as they come."""
        run = talk.run
        joined = Joined(held=talk.shaped)
        while True:
            talk.begin_turn()
            reply = await self._tries.of(partial(self._asking.ask, run, talk.body, final=True))
            talk.reply = reply
            run.reads(reply)
            batches: list[Batch] = []
            try:
                async for batch in reply:
                    batches.append(batch)
                    if seen := joined.feed(batch):
                        yield Batch.of(seen)
            finally:
                run.has_read(reply)
                await reply.aclose()
            turn = talk.read(fold(batches, "chat"))
            if not turn.ours:
                break
            await talk.call(turn)
            joined.next_turn(turn.message)
        yield Batch.of(joined.end(turn.theirs, run.usage()[0]))


class Talk:
    """One loop under way: `body` is what the model is asked next."""

    def __init__(self, loop: ToolLoop, run: Run, body: dict[str, Any]) -> None:
        """`body` is what it is asked first, without the loop's tools. Raises `InvalidRequest`."""
        self.run = run
        self.body = body
        self.reply: Reply | None = None
        """The answer of the turn that was asked last."""
        self._loop = loop
        self._turns = 0
        self._left = MOST_BYTES
        self._messages: list[Any] = [*body["messages"]]
        self._used = answered(self._messages)
        self._offered = self._clients_tools()
        self._clients = {name for tool in self._offered if (name := _name(tool)) is not None}
        for name in self._clients.intersection(loop.tools):
            raise InvalidRequest(f"{run.origin} has a tool called {name!r} itself; rename yours.", param="tools")
        if bytes(encode(body.get("n"))) not in (b"null", b"1"):
            raise InvalidRequest(f"{run.origin} calls tools, and gives one answer: 'n' must be 1.", param="n")
        body["messages"] = self._messages
        body["tools"] = [*(tool.definition for tool in loop.tools.values()), *self._offered]

    @property
    def shaped(self) -> bool:
        """Whether the answer must be JSON, to which other turns' texts would not belong."""
        try:
            wanted = _format(encode(self.body.get("response_format")))
        except INVALID:  # the provider says what is wrong with it
            return False
        return wanted is not None and wanted.type != "text"

    def begin_turn(self) -> None:
        """The model is about to be asked. What forces it to call a tool does so once: it would never come to an end."""
        self._turns += 1
        if self._turns == 2 and encode(self.body.get("tool_choice")) not in (b'"auto"', b'"none"'):
            self.body.pop("tool_choice", None)
        if self._is_last and self._loop.must_answer:
            if self._offered:
                self.body["tools"] = self._offered
            else:
                for name in _OFFERS:
                    self.body.pop(name, None)

    def read(self, answer: Chunk) -> Turn:
        """What a turn's whole answer says. Raises `GatewayError` with the code `max_turns`, and `UpstreamError`.

        Where it calls tools of the client the loop is at its end, and its other calls are not done: the client could
        not say what they brought when it comes back.
        """
        turn = Turn.of(answer, self._loop.tools, self._clients, self._used)
        if turn.theirs:
            return turn._replace(ours=[])
        if turn.ours and self._is_last:
            if self._loop.must_answer and any(part.kind == "text" for part in answer.parts()):
                return turn._replace(ours=[])
            told = f"The model asked for tools in {self._turns} turns, its max_turns, without coming to an end."
            raise GatewayError(told, code="max_turns", retryable=False)
        return turn

    async def call(self, turn: Turn) -> None:
        """Do what a turn calls, and let the model see what that brings."""
        results: list[str] = [""] * len(turn.ours)
        async with Group(self.run.call.tasks, CONCURRENT) as group:
            for place, call in enumerate(turn.ours):
                if place < MOST_CALLS:
                    group.add(place, partial(self._result, call))
                else:
                    results[place] = failed(f"The tool was not called: {MOST_CALLS} calls in one turn are enough.")
            async for done in group:
                results[done.key] = done.value()
        self._messages.append(turn.sent())
        for call, text in zip(turn.ours, results, strict=True):
            shown = cut(text, self._left)
            self._left = max(0, self._left - len(shown.encode()))
            self._messages.append(result(call, shown))

    async def _result(self, call: ToolCall) -> str:
        tool = self._loop.tools.get(call.name)
        if tool is None:
            return failed(f"There is no tool called {call.name!r:.100}. There are: {', '.join(self._loop.tools)}.")
        return await tool.result(self.run, call.arguments)

    @property
    def _is_last(self) -> bool:
        return self._turns >= self._loop.max_turns

    def _clients_tools(self) -> list[Any]:
        """The tools that the client has brought; none where it wants none of them to be called."""
        given = self.body.get("tools")
        if encode(self.body.get("tool_choice")) == b'"none"' and isinstance(self.body.get("tool_choice"), Raw):
            del self.body["tool_choice"]
            return []
        try:
            return [] if given is None else open_array(encode(given))
        except INVALID as error:
            raise InvalidRequest("'tools' must be an array.", param="tools") from error


def _name(tool: Raw) -> str | None:
    try:
        offered = _offered(tool)
    except INVALID:  # the provider says what is wrong with it
        return None
    named = offered.function or offered.custom
    return None if named is None else named.name
