"""A run's events come each once, however often the connection is lost."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.commands.runs.client import Client, Lost, NotFound, Unreached
from gateway.commands.runs.following import followed, newest, next_run
from gateway.commands.runs.place import Place
from gateway.testing import Received, Upstream, Wire
from tests.commands.runs.api import Tale, served, support
from tests.servers import free_port


def quick(seconds: float) -> None:
    """No wait."""


def test_lost_again_and_again() -> None:
    with served(support()) as (api, url), Client(Place(url, None)) as client:
        api.cuts = [1, 5, 0, 0, 7, 3]
        said: list[bool] = []
        found = [event.seq for event in followed(client, api.tales[0].id, said.append, quick)]
        assert found == list(range(1, 26))
        assert api.asked == [f"GET /v1/runs/{api.tales[0].id}/events?after={seq}" for seq in (0, 1, 6, 6, 6, 13, 16)]
        assert said == [True, False, True, False, True, False, True, False]


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(cuts=st.lists(st.integers(0, 9), max_size=8))
def test_wherever_it_is_cut(cuts: list[int]) -> None:
    with served(support()) as (api, url), Client(Place(url, None)) as client:
        api.cuts = [1, *cuts]
        found = [event.seq for event in followed(client, api.tales[0].id, lambda _: None, quick)]
        assert found == list(range(1, 26))


async def _again(request: Received, wire: Wire) -> None:
    """A server that knows nothing of `after`."""
    await wire.stream([b'data: {"seq":%d,"at":1,"type":"x"}\n\n' % seq for seq in (1, 2, 2, 3)])


def test_what_comes_again_is_left_out() -> None:
    with Upstream(_again) as upstream, Client(Place(upstream.url.removesuffix("/v1"), None)) as client:
        events = followed(client, "run_1", lambda _: None, quick, patience=1)
        assert [next(events).seq for _ in range(3)] == [1, 2, 3]
        with pytest.raises(Lost):
            next(events)


def test_a_gateway_that_stays_away() -> None:
    waits: list[float] = []
    with Client(Place(f"http://127.0.0.1:{free_port()}", None)) as client, pytest.raises(Unreached):
        list(followed(client, "run_1", lambda _: None, quick))
    with served(Tale()) as (api, url), Client(Place(url, None)) as client:
        api.cuts = [1]
        events = followed(client, api.tales[0].id, lambda _: None, waits.append, patience=10)
        assert next(events).seq == 1
        api.cuts += [0] * 100
        api.tales[0].node("a")
        with pytest.raises(Lost):
            list(events)
    assert waits[:5] == [0.2, 0.4, 0.8, 1.6, 2.0]
    assert 10 <= sum(waits) < 12.1


def test_a_gateway_that_forgot_the_run() -> None:
    with served(support()) as (api, url), Client(Place(url, None)) as client:
        api.cuts = [4]
        events = followed(client, api.tales[0].id, lambda _: None, quick)
        assert [next(events).seq for _ in range(4)] == [1, 2, 3, 4]
        api.tales.clear()
        with pytest.raises(NotFound, match="kept no longer"):
            next(events)


class _Waiting:
    """Does something at each wait."""

    def __init__(self, *acts) -> None:
        self.acts = list(acts)

    def __call__(self, seconds: float) -> None:
        self.acts.pop(0)()


def test_the_next_run() -> None:
    def begins(tale: Tale):
        return lambda: api.tales.append(tale)

    def known(model: str | None) -> str | None:
        run = newest(client, model)
        return run.id if run is not None else None

    with served() as (api, url), Client(Place(url, None)) as client:
        assert next_run(client, None, known(None), _Waiting(begins(support(1)))).id == api.tales[0].id
        other, short, running = Tale(2, "chain:x"), support(3), Tale(4)
        wait = _Waiting(lambda: None, begins(other), begins(short))
        assert next_run(client, "graph:support", known("graph:support"), wait).id == short.id
        assert next_run(client, None, known(None), wait).id == other.id
        wait = _Waiting(begins(running))
        assert next_run(client, "graph:support", known("graph:support"), wait).id == running.id


def test_an_error_that_ends_the_stream_is_tried_again() -> None:
    async def script(request: Received, wire: Wire) -> None:
        if request.path.endswith("after=0"):
            await wire.stream([_ONE, b'data: {"error":{"message":"The database is away.","type":"x"}}\n\n'])
        else:
            await wire.stream([b'id: 2\ndata: {"seq":2,"at":1,"type":"y"}\n\n', b": ping\n\n", b"data: [DONE]\n\n"])

    with Upstream(script) as upstream, Client(Place(upstream.url.removesuffix("/v1"), None)) as client:
        said: list[bool] = []
        assert [event.type for event in followed(client, "run_1", said.append, quick)] == ["x", "y"]
        assert said == [True, False]


_ONE = b'id: 1\ndata: {"seq":1,"at":1,"type":"x"}\n\n'
