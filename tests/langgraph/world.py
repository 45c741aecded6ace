"""The scripted world of chains and graphs, with one graph for a node of one's own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from tests.orchestration.scripted import World, world


@asynccontextmanager
async def node(name: str, args: dict[str, Any] | None = None, **blocks: Any) -> AsyncIterator[World]:
    """A gateway whose `graph:g` is the node of that name in `graphs.py`."""
    async with world(graphs={"g": graph(name, args)}, **blocks) as made:
        yield made


def graph(name: str, args: dict[str, Any] | None = None) -> dict[str, Any]:
    step: dict[str, Any] = {"function": f"tests.langgraph.graphs:{name}"}
    if args is not None:
        step["args"] = args
    return {"start": "n", "nodes": {"n": step}, "edges": [{"from": "n", "to": "END"}]}
