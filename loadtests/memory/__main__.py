"""CPU of turns in one process: with a conversation that is kept, less the same without one."""

import argparse
import asyncio
import json
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import uvloop
from prometheus_client import CollectorRegistry

from gateway.config.database import DatabaseSettings
from gateway.seam import Batch, Call, Env, Given, Inbound, Reply, Request, owned
from gateway.stores.conversations import Conversations
from gateway.stores.database import Database
from gateway.stores.identity import Memory
from gateway.wire.chat import CHAT_ANSWER
from gateway.wire.verbatim import open_array, open_object

TEXT = "The quick brown fox jumps over the lazy dog. " * 4


async def talk(env: Env, kept: Conversations, name: str | None, turns: int, *, resends: bool) -> None:
    """One conversation: a client that sends everything again, or only what is new."""
    history: list[Any] = []
    for number in range(turns):
        question = {"role": "user", "content": f"{name} {number} {TEXT}"}
        history = [*history, question] if resends else [question]
        body = json.dumps({"model": "chain:a", "messages": history}).encode()
        call = Call(Request("chat", body, model="chain:a"), env.tasks)
        if name is not None:
            call.put(Inbound([(b"x-gateway-conversation-id", name.encode())]))
        answer = {"role": "assistant", "content": f"{number} {TEXT}"}
        raw = json.dumps({"choices": [{"index": 0, "message": answer, "finish_reason": "stop"}]}).encode()

        async def chain(call: Call, raw: bytes = raw) -> Reply:
            members = open_object(call.request.raw)
            turn = await kept.open(call, open_array(members["messages"]), members, Memory(last=20))
            return turn.keep(Reply(call, Given([Batch(raw, CHAT_ANSWER)])))

        await (await owned(chain, call)).whole()
        history = [*history, answer]


async def measure(url: str, conversations: int, turns: int, at_once: int, *, resends: bool) -> float:
    """Microseconds of CPU that a turn costs."""
    http: Any = None
    env = Env(http=http, metrics=CollectorRegistry())
    database = Database(DatabaseSettings(url=url))
    await database.start(env)
    kept = Conversations(database)
    await kept.start(env)
    try:
        await talk(env, kept, "warm", 3, resends=resends)
        await env.tasks.drain()
        costs = []
        for named in (False, True):
            names = iter(range(conversations))

            async def client(named: bool = named, names: Any = names) -> None:
                for number in names:
                    await talk(env, kept, f"c{resends}{number}" if named else None, turns, resends=resends)

            began = time.process_time()
            await asyncio.gather(*(client() for _ in range(at_once)))
            await env.tasks.drain()
            costs.append((time.process_time() - began) / (conversations * turns) * 1e6)
    finally:
        await database.aclose()
    return costs[1] - costs[0]


def main() -> None:
    """Print what turns cost."""
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--database", help="a URL; else a file of SQLite's that is deleted afterwards")
    url = arguments.parse_args().database
    with tempfile.TemporaryDirectory() as folder:
        url = url or f"sqlite:///{Path(folder) / 'gateway.db'}"
        for at_once in (1, 10, 50):
            for resends in (True, False):
                cost = uvloop.run(measure(url, max(20, at_once * 2), 10, at_once, resends=resends))
                kind = "sends everything again" if resends else "sends what is new"
                print(f"{at_once:3} at once, a client that {kind}: {cost:6.0f} µs of CPU a turn")
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / (1024 if sys.platform == "linux" else 1024**2)
    print(f"resident at most: {peak:.0f} MB")


if __name__ == "__main__":
    main()
