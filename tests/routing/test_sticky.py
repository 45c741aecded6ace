from collections import Counter

import pytest

from gateway.routing.sticky import favourite, luck, session_of
from gateway.seam import Inbound
from gateway.testing import chat_call
from tests.routing.places import routes

SESSIONS = [f"session-{number}".encode() for number in range(2000)]


def test_the_header_names_the_session_else_the_cache_key() -> None:
    call = chat_call(prompt_cache_key="körper")
    assert session_of(call) == "körper".encode()
    call.put(Inbound([(b"x-gateway-session", b"header")]))
    assert session_of(call) == b"header"


@pytest.mark.parametrize("key", [None, "", 7, ["x"]])
def test_what_is_no_name_names_none(key: object) -> None:
    call = chat_call(prompt_cache_key=key)
    call.put(Inbound([(b"x-gateway-session", b"")]))
    assert session_of(call) is None


def test_the_words_inside_a_text_name_no_session() -> None:
    assert session_of(chat_call('say "prompt_cache_key"')) is None


def test_a_body_that_does_not_decode_names_none() -> None:
    assert session_of(chat_call(prompt_cache_key="\ud83d")) is None


def test_a_session_keeps_its_target() -> None:
    among = routes(5)
    for session in SESSIONS[:50]:
        assert favourite(session, among) is favourite(session, list(reversed(among)))


def test_a_lost_target_moves_its_own_sessions_only() -> None:
    among = routes(5)
    lost, rest = among[2], [route for route in among if route is not among[2]]
    moved = Counter()
    for session in SESSIONS:
        before, after = favourite(session, among), favourite(session, rest)
        if before is lost:
            moved[after.target.provider] += 1
        else:
            assert after is before
    assert set(moved) == {"a", "b", "d", "e"}  # spread over all that are left


def test_sessions_are_spread_by_weight() -> None:
    found = Counter(favourite(session, routes(3, [1, 2, 7])).target.provider for session in SESSIONS)
    assert found["a"] == pytest.approx(200, abs=50)
    assert found["b"] == pytest.approx(400, abs=70)
    assert found["c"] == pytest.approx(1400, abs=80)


def test_luck_is_spread_and_stays() -> None:
    numbers = [luck(session) for session in SESSIONS]
    assert numbers == [luck(session) for session in SESSIONS]
    assert all(0 < number < 1 for number in numbers)
    assert sum(number < 0.1 for number in numbers) == pytest.approx(200, abs=50)
