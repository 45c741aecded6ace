import asyncio
import json
import time

import pytest

from loadtests.bench import wrk
from loadtests.bench.asks import CALL, Ask
from loadtests.bench.crowd import gather, stats
from loadtests.bench.link import Link, Lost
from loadtests.bench.load import Loop
from loadtests.bench.measures.latency import net
from loadtests.bench.measures.paced import Slot, Watch
from loadtests.bench.subject import Unfit

OUTPUT = """Running 2s test @ http://127.0.0.1:19321/v1/chat/completions
  1 threads and 32 connections
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency   430.12us  101.00us   3.41ms   90.00%
  147871 requests in 2.00s, 105.20MB read
  Non-2xx or 3xx responses: 3
Requests/sec:  73912.44
Transfer/sec:     52.58MB
{"us":2000629,"requests":147871,"bytes":110310240,"connect":1,"read":2,"write":0,"status":3,"timeout":4,"p50":421,"p99":902}
"""


def test_no_two_requests_are_alike_and_each_is_well_formed():
    ask = Ask("bench", 1, stream=True, headers={"authorization": "Bearer x"})
    request = ask.requests()
    (first, one), (second, two) = request(), request()
    assert second == first + 1
    assert one != two
    head, _, body = one.partition(b"\r\n\r\n")
    assert f"content-length: {len(body)}".encode() in head
    assert b"authorization: Bearer x" in head
    document = json.loads(body)
    assert document["stream"] is True
    assert f"{CALL.decode()}{first:014d}" in document["messages"][1]["content"]


def test_users_take_turns():
    request = Ask("bench", 1, talkers=3).requests()
    bodies = [json.loads(text.partition(b"\r\n\r\n")[2]) for _, text in (request() for _ in range(7))]
    users = [body["user"] for body in bodies]
    assert len(set(users)) == 3
    assert users == users[:3] * 2 + users[:1]
    assert len({body["messages"][1]["content"] for body in bodies}) == 1


async def test_the_loop_counts_what_the_upstream_counts(port, ask):
    tally = await Loop(ask("bench"), connections=4).run(0.2)
    assert tally.errors == 0
    assert tally.requests == (await stats(port))["calls"] > 10
    assert 0 < tally.p50 <= tally.p99 < 0.2


async def test_the_loop_can_count_net_times(ask):
    tally = await Loop(ask("slow60"), connections=2, net=net).run(0.1)
    assert tally.requests >= 2
    assert 0 <= tally.p50 < 0.03


async def test_the_loop_counts_errors_of_those_who_are_not_there(unused_tcp_port):
    tally = await Loop(Ask("bench", unused_tcp_port), connections=1).run(0.03)
    assert tally.requests == 0
    assert tally.errors >= 1


async def test_statuses_other_than_200_are_errors(port):
    tally = await Loop(Ask("bench", port, path="/nowhere"), connections=1).run(0.02)
    assert (tally.requests, tally.errors > 0) == (0, True)


async def test_a_cut_answer_is_lost():
    async def cut(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\nhalf")
        writer.close()

    server = await asyncio.start_server(cut, "127.0.0.1", 0)
    link = await Link.to("127.0.0.1", server.sockets[0].getsockname()[1])
    with pytest.raises(Lost):
        await link.ask(b"GET / HTTP/1.1\r\n\r\n")
    server.close()


async def test_what_leads_is_not_timed(ask):
    loop = Loop(ask("bench"), connections=2, lead=0.05)
    tally = await loop.run(0.05)
    assert loop.led > 0
    assert tally.requests == len(loop.times) > 0
    assert 0.04 < tally.seconds < 5


async def test_paced_streams_are_counted_by_token(ask):
    watch = Watch(open=True)
    slot = Slot(ask("paced-5", stream=True), watch)
    await slot.run(0, time.perf_counter() + 0.05)
    assert watch.errors == 0
    assert len(watch.firsts) == 1
    assert len(watch.gaps) == watch.tokens - 1
    assert 1 <= watch.tokens <= 3


async def test_a_crowd_that_cannot_gather_says_so(ask):
    with pytest.raises(Unfit, match="not all open"):
        await gather(ask("bench", stream=False), 2, tokens=1)


def test_wrk_is_read_to_the_microsecond():
    report = wrk.parse(OUTPUT)
    assert report == wrk.Report(seconds=2.000629, requests=147871, refused=3, failed=7, p50=0.000421, p99=0.000902)


def test_output_without_a_report_is_an_error():
    with pytest.raises(ValueError, match="no report"):
        wrk.parse("Running 2s test\n")


def test_the_script_quotes_what_lua_would_misread():
    assert wrk._quoted(b'a"\r\n\\') == '"a\\034\\013\\010\\092"'


@pytest.mark.skipif(not wrk.present(), reason="wrk is not installed")
async def test_wrk_counts_what_the_upstream_counts(port, ask):
    report = await asyncio.to_thread(wrk.run, ask("bench"), 2, 1)
    assert (report.refused, report.failed) == (0, 0)
    # What is under way when wrk stops was counted by the upstream alone.
    assert report.requests <= (await stats(port))["calls"] <= report.requests + 2
