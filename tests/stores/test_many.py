"""Many conversations at once: nothing is lost and nothing crosses over, through restarts and outages."""

import asyncio
import signal
import subprocess
import sys
from typing import Any

import pytest

from gateway.stores.database import DatabaseUnavailable
from gateway.stores.identity import Memory
from tests.postgres import PostgresServer
from tests.stores.talking import Talk, said, talking, user

AT_ONCE = 50
CONVERSATIONS, TURNS = 500, 10


class Clients:
    """Conversations of two keys that have the same names; every other client sends only what is new."""

    def __init__(self, count: int) -> None:
        self.histories: dict[tuple[str, str], list[Any]] = {
            (key, f"c{number}"): [] for number in range(count // 2) for key in ("me", "you")
        }

    async def take(self, talk: Talk, turns: int) -> None:
        """Each conversation's next turns, some conversations at a time."""
        waiting = iter(self.histories.items())

        async def client() -> None:
            for (key, name), history in waiting:
                for _ in range(turns):
                    await self.turn(talk, key, name, history)

        await asyncio.gather(*(client() for _ in range(AT_ONCE)))

    async def turn(self, talk: Talk, key: str, name: str, history: list[Any]) -> None:
        question = user(f"{key} {name} {len(history)}")
        sent = [question] if int(name[1:]) % 2 else [*history, question]
        answer = await talk.turn(name, sent, key=key)
        history += [question, said(answer)]

    async def check(self, talk: Talk) -> None:
        for (key, name), history in self.histories.items():
            assert await talk.kept(name, key=key, replaced=True) == history


async def test_a_restart_in_the_middle(database_url: str) -> None:
    clients = Clients(CONVERSATIONS)
    async with talking(database_url) as talk:
        await clients.take(talk, TURNS // 2)
    async with talking(database_url) as talk:
        await clients.take(talk, TURNS - TURNS // 2)
        await clients.check(talk)


WORKER = """
import asyncio, sys
from tests.stores.talking import said, talking, user

async def main():
    async with talking(sys.argv[1]) as talk:
        async def client(number):
            history = []
            while True:
                question = user(f"c{number} {len(history)}")
                answer = await talk.turn(f"c{number}", [*history, question])
                history += [question, said(answer)]
                print(number, flush=True)
        await asyncio.gather(*(client(number) for number in range(20)))

asyncio.run(main())
"""


def killed(url: str) -> dict[int, int]:
    """How many turns of each conversation a process had answered when it was killed."""
    answered = dict.fromkeys(range(20), 0)
    with subprocess.Popen([sys.executable, "-c", WORKER, url], stdout=subprocess.PIPE, text=True) as worker:
        assert worker.stdout is not None
        for line in worker.stdout:
            answered[int(line)] += 1
            if sum(answered.values()) == 1000:
                worker.send_signal(signal.SIGKILL)
    return answered


@pytest.mark.slow
async def test_a_process_that_is_killed_leaves_whole_turns(database_url: str) -> None:
    answered = await asyncio.to_thread(killed, database_url)
    async with talking(database_url) as talk:
        talk.memory = Memory(last=10_000)
        for number, turns in answered.items():
            history = []
            for at in range(turns):
                question = user(f"c{number} {at * 2}")
                history += [question, said(f"to {question['content']}")]
            kept = await talk.kept(f"c{number}")
            # The answer's last byte does not wait for the write: the newest turn may be missing, or not told of yet.
            assert len(kept) % 2 == 0
            assert abs(len(kept) - len(history)) <= 2
            shared = min(len(kept), len(history))
            assert kept[:shared] == history[:shared]
            await talk.turn(f"c{number}", [*history, user("on")])
            await talk.env.tasks.drain()
            assert (await talk.kept(f"c{number}"))[: len(history)] == history, "a client that sends all again heals it"


async def test_a_database_that_is_gone_and_back_under_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gateway.stores.database.PAUSE", 0.1)
    server = PostgresServer()
    server.start()
    try:
        url = await server.database()
        async with talking(url, timeout=0.5) as talk:
            database = talk.conversations.database
            clients, over = Clients(40), asyncio.Event()
            answered = refused = 0
            slowest = 0.0

            async def client(key: str, name: str, history: list[Any]) -> None:
                nonlocal answered, refused, slowest
                clock = asyncio.get_running_loop().time
                while not over.is_set():
                    began = clock()
                    try:
                        await clients.turn(talk, key, name, history)
                        answered += 1
                    except DatabaseUnavailable:
                        refused += 1
                        await asyncio.sleep(0.02)
                    slowest = max(slowest, clock() - began)

            async def until(true: Any) -> None:
                async with asyncio.timeout(30):
                    while not true():  # noqa: ASYNC110 (what is waited for tells nobody)
                        await asyncio.sleep(0.01)

            async def more() -> None:
                goal = answered + 200
                await until(lambda: answered >= goal)

            loading = [
                talk.env.tasks.spawn(client(key, name, history)) for (key, name), history in clients.histories.items()
            ]
            await more()
            server.freeze()
            await until(lambda: database.error and refused > 40)
            server.thaw()
            await until(lambda: not database.error)
            await more()
            server.kill()
            await until(lambda: database.error)
            goal = refused + 40
            await until(lambda: refused > goal)
            server.start()
            await until(lambda: not database.error)
            await more()
            over.set()
            await asyncio.gather(*loading)
            await talk.env.tasks.drain()
            assert slowest < 4, "a deadline for what has ended, one for what is read, and a busy machine"
            await clients.check(talk)
    finally:
        server.close()
