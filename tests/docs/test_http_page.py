"""docs/http.md: its chains answer, with a server of this machine in the place of the one that they name."""

import json
import re
from pathlib import Path

import yaml

from gateway import Gateway
from gateway.orchestration.http_outbound import CONNECTIONS
from gateway.orchestration.http_step import TIMEOUT
from gateway.orchestration.http_url import LONGEST
from gateway.orchestration.settings import Http
from tests.upstream.conftest import Peer, Upstream, until

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/http.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
ORDER = b'{"status": "sent", "lines": ["a lamp"]}'


async def test_its_chains_answer() -> None:
    async def orders(peer: Peer) -> None:
        while True:
            head, _ = await peer.request()
            said = ORDER if head.startswith(b"GET") else b"{}"
            length = b"content-length: %d" % len(said)
            await peer.send(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n%b\r\n\r\n%b" % (length, said))

    server = await Upstream(orders).start()
    here = f"http://127.0.0.1:{server.port}"
    text = next(text for kind, text in BLOCKS if kind == "yaml").replace("https://orders.example.com", here)
    config = yaml.safe_load(text.replace("[orders.example.com]", f'[{{host: "{here}", private: true}}]'))
    async with Gateway.load(config, {}) as gateway:
        answer = await gateway.run("chain:desk", messages=[], inputs={"number": "4711"})
        assert answer.text == "Say that a lamp is sent."
        messages = [{"role": "user", "content": "Hello"}]
        answer = await gateway.run("chain:note", messages=messages, inputs={"tags": ["a", "b"]})
        assert answer.json == {}
    (peer,) = server.peers
    (first, _), (_, note) = peer.requests
    shown = next(text for kind, text in BLOCKS if kind == "http")
    assert first.decode().split() == shown.replace("orders.example.com", here.removeprefix("http://")).split()
    assert json.loads(note) == {"text": "Hello", "tags": ["a", "b"]}
    await until(peer.closed.is_set)
    await server.stop()


def test_every_setting_is_explained() -> None:
    assert re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE) == list(Http.__struct_fields__)


def test_every_code_of_the_table_is_one_of_ours() -> None:
    source = "".join(path.read_text() for path in (ROOT / "gateway/orchestration").glob("http_*.py"))
    codes = re.findall(r"^\| \d+ \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert sorted(codes) == sorted(set(re.findall(r'code(?:=| = )"(\w+)"', source)))


def test_its_figures_are_those_of_the_code() -> None:
    http = Http(url="x")
    assert (TIMEOUT, CONNECTIONS, http.max_size, http.follow) == (30, 100, 2**20, 0)
    assert LONGEST == 8192
