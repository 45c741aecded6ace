"""A server that speaks `/v1/runs`, on a real socket, with runs that a test writes."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from gateway.testing import Received, Upstream, Wire

BEGAN = 1_700_000_000.0


class Tale:
    """A run that grows: its document and its events, a tenth of a second apart."""

    def __init__(self, number: int = 1, model: str = "graph:support", input: Any = "How do I return this?") -> None:  # noqa: A002
        self.id = f"run_{number:024x}"
        self.model = model
        self.status = "running"
        self.at = BEGAN + number
        self.events: list[dict[str, Any]] = []
        self.usage: dict[str, int] | None = None
        self.output: Any = None
        self.error: dict[str, str] | None = None
        self.input = input
        self.add("run.started", model=model, input=input)

    def add(self, type: str, **more: Any) -> Self:  # noqa: A002
        event = {"seq": len(self.events) + 1, "at": round(self.at + len(self.events) / 10, 3), "type": type, **more}
        self.events.append(event)
        return self

    def start(self, step: str, kind: str = "model", **more: Any) -> Self:
        return self.add("step.started", step=step, kind=kind, **more)

    def node(self, step: str, kind: str = "model", **more: Any) -> Self:
        return self.start(step, kind, node=True, **more)

    def done(self, step: str, output: Any = None, ms: float = 100, tokens: int = 0) -> Self:
        usage = {"usage": used(tokens)} if tokens else {}
        return self.add("step.completed", step=step, ms=ms, output=output, **usage)

    def failed(self, step: str, message: str = "It broke.", ms: float = 100) -> Self:
        return self.add("step.failed", step=step, ms=ms, error=error(message))

    def edge(self, source: str, target: str, when: str | None = None, step: str = "") -> Self:
        more = {"when": when} if when is not None else {}
        return self.add("edge", **{"from": source.split(","), "to": target.split(",")}, step=step, **more)

    def ends(self, output: Any = "Send it back.", tokens: int = 30) -> Self:
        self.status, self.output, self.usage = "completed", output, used(tokens)
        return self.add("run.completed", ms=self.ms, usage=self.usage, output=output)

    def fails(self, message: str = "Step 'answer' of graph:support: It broke.") -> Self:
        self.status, self.error, self.usage = "failed", error(message), used(30)
        return self.add("run.failed", ms=self.ms, usage=self.usage, error=self.error)

    def cancel(self) -> Self:
        self.status, self.usage = "cancelled", used(10)
        return self.add("run.cancelled", ms=self.ms, usage=self.usage)

    @property
    def ms(self) -> float:
        return len(self.events) * 100.0

    def document(self) -> dict[str, Any]:
        over = self.status != "running"
        return {
            "id": self.id,
            "object": "run",
            "model": self.model,
            "status": self.status,
            "created_at": int(self.at),
            "completed_at": int(self.at) + 2 if over else None,
            "duration_ms": self.ms - 100 if over else None,
            "usage": self.usage or used(0),
            "error": self.error,
            "conversation_id": None,
            "steps": sum(event["type"] == "step.started" for event in self.events),
            "something_new": {"a": 1},
        }


def used(tokens: int) -> dict[str, int]:
    return {"prompt_tokens": tokens - tokens // 3, "completion_tokens": tokens // 3, "total_tokens": tokens}


def error(message: str) -> dict[str, str]:
    return {"message": message, "type": "upstream_error", "code": "broke"}


def support(number: int = 1) -> Tale:
    """A run of the graph of docs/graphs.md, with its loop; complete."""
    tale = Tale(number)
    tale.node("classify", model="fast", input="One word: …").done("classify", "question", 320, 12)
    tale.edge("classify", "answer")
    for version in (1, 2):
        tale.node("answer", "chain", model="chain:polish")
        tale.start("answer/draft", model="fast").done("answer/draft", f"Draft {version}", 400, 20)
        tale.start("answer/final", model="fast").done("answer/final", f"Version {version}", 500, 21)
        tale.done("answer", f"Version {version}", 910, 41).edge("answer", "review")
        tale.node("review", model="fast").done("review", {"score": 2 * version}, 250, 9)
        if version == 1:
            tale.edge("review", "answer", "review.score < 3 and visits.answer < 3")
    return tale.edge("review", "END").ends("Version 2", 112)


class Api:
    """The server's state: `tales`, the `key` that it wants, and after how many events a stream is cut, `cuts`."""

    def __init__(self, *tales: Tale) -> None:
        self.tales = list(tales)
        self.key: str | None = None
        self.cuts: list[int] = []
        self.asked: list[str] = []

    async def __call__(self, request: Received, wire: Wire) -> None:
        self.asked.append(f"{request.method} {request.path}")
        if self.key is not None and request.headers.get("authorization") != f"Bearer {self.key}":
            await _refuse(wire, 401, "Incorrect API key provided.", "invalid_api_key")
            return
        parts = urlsplit(request.path)
        given = {name: values[0] for name, values in parse_qs(parts.query).items()}
        _, version, runs, *rest = parts.path.split("/")
        if (version, runs) != ("v1", "runs"):
            await _refuse(wire, 404, "There is nothing here.", None)
        elif not rest:
            await wire.json(self._page(given))
        else:
            await self._one(unquote(rest[0]), rest[1:], given, wire)

    def _page(self, given: dict[str, str]) -> dict[str, Any]:
        found = [
            tale
            for tale in reversed(self.tales)
            if given.get("status", tale.status) == tale.status and given.get("model", tale.model) == tale.model
        ]
        if "after" in given:
            found = found[[tale.id for tale in found].index(given["after"]) + 1 :]
        limit = int(given.get("limit", 20))
        assert limit <= 100
        data = [tale.document() for tale in found[:limit]]
        ends = (data[0]["id"], data[-1]["id"]) if data else (None, None)
        return {
            "object": "list",
            "data": data,
            "first_id": ends[0],
            "last_id": ends[1],
            "has_more": len(found) > limit,
        }

    async def _one(self, identifier: str, rest: list[str], given: dict[str, str], wire: Wire) -> None:
        tale = next((tale for tale in self.tales if tale.id == identifier), None)
        if tale is None:
            await _refuse(wire, 404, "There is no such run.", "run_not_found")
        elif rest == ["events"]:
            await self._events(tale, int(given.get("after", 0)), wire)
        elif rest == ["cancel"]:
            if tale.status != "running":
                await _refuse(wire, 409, f"The run has ended: it is {tale.status}.", "run_not_running")
                return
            tale.cancel()
            await wire.json(tale.document())
        else:
            more = {"events": tale.events, "input": tale.input, "output": tale.output}
            await wire.json(tale.document() | more)

    async def _events(self, tale: Tale, after: int, wire: Wire) -> None:
        await wire.open()
        cut = self.cuts.pop(0) if self.cuts else None
        sent = after
        while True:
            for event in tale.events[sent:]:
                if cut is not None and sent - after >= cut:
                    wire.reset()
                    return
                await wire.chunk(b"data: " + json.dumps(event, ensure_ascii=False).encode() + b"\n\n")
                sent += 1
            if tale.status != "running":
                break
            await wire.chunk(b": ping\n\n")
            await asyncio.sleep(0.01)
        await wire.chunk(b"data: [DONE]\n\n")
        await wire.end()


async def _refuse(wire: Wire, status: int, message: str, code: str | None) -> None:
    body = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    await wire.json({"error": body}, status=status)


@contextmanager
def served(*tales: Tale) -> Iterator[tuple[Api, str]]:
    """The server, and its URL."""
    api = Api(*tales)
    with Upstream(api) as upstream:
        yield api, upstream.url.removesuffix("/v1")
