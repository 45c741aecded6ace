"""Variables that are kept beside a conversation's messages: read, written, reduced, isolated, deleted."""

import threading
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from openai import APIStatusError

from gateway import Gateway
from gateway.orchestration.kept import Variable
from gateway.orchestration.state import Reducer
from tests.orchestration.remembering import ID, Remembering, remembering
from tests.orchestration.test_memory import leave

SORTED = {
    "type": "sequential",
    "memory": {"last": 4},
    "steps": [
        {"name": "before", "template": "{{ kind | default('none') }}"},
        {"name": "classify", "model": "m", "prompt": "kind of {{ input }}", "save": "kind", "keep": True},
        {"name": "answer", "template": "{{ before }} then {{ kind }}"},
    ],
}
GRAPH: dict[str, Any] = {
    "start": "learn",
    "memory": {"last": 4},
    "state": {
        "facts": {"reduce": "append", "keep": True},
        "turns": {"reduce": "add", "keep": True, "type": "integer"},
        "mood": {"default": "unknown", "keep": True},
    },
    "nodes": {
        "learn": {"template": "{{ input }}", "save": "facts"},
        "count": {"function": "tests.orchestration.test_kept:one", "save": "turns"},
        "feel": {"model": "m", "prompt": "mood {{ input }}", "save": "mood"},
        "answer": {"template": "{{ facts | join(',') }} {{ turns }} {{ mood }}"},
    },
    "edges": [
        {"from": "learn", "to": ["count", "feel"]},
        {"from": ["count", "feel"], "to": "answer"},
        {"from": "answer", "to": "END"},
    ],
    "output": "{{ answer }}",
}


def one() -> int:
    return 1


def test_a_step_s_output_is_there_in_the_next_turn_also_after_a_restart(database_url: str) -> None:
    with remembering(database_url, chains={"c": SORTED}) as talk:
        assert talk.ask("chain:c", "x") == "none then to kind of x"
        assert talk.ask("chain:c", "y", stream=True) == "to kind of x then to kind of y"
    with remembering(database_url, chains={"c": SORTED}) as talk:
        assert talk.ask("chain:c", "z") == "to kind of y then to kind of z"
        assert talk.ask("chain:c", "z", "other") == "none then to kind of z"
        assert talk.ask("chain:c", "z", key="you") == "none then to kind of z"
        assert talk.ask("chain:c", "z", None) == "none then to kind of z"
        assert talk.ask("chain:c", "z", None) == "none then to kind of z", "without a conversation nothing is kept"
        assert talk.variables() == {"kind": "to kind of z"}
        assert talk.get("/c", key="you").json()["variables"] == {"kind": "to kind of z"}


def test_a_graph_goes_on_from_its_state(database_url: str) -> None:
    with remembering(database_url, graphs={"g": GRAPH}) as talk:
        talk.model.says = {"mood b": "glad"}
        assert talk.ask("graph:g", "a") == "a 1 to mood a"
        assert talk.ask("graph:g", "b") == "a,b 2 glad"
    with remembering(database_url, graphs={"g": GRAPH}) as talk:
        assert talk.ask("graph:g", "c") == "a,b,c 3 to mood c"
        assert talk.variables() == {"facts": ["a", "b", "c"], "mood": "to mood c", "turns": 3}


def test_any_json_is_kept(database_url: str) -> None:
    shape = {"name": "string", "vip": "boolean"}
    steps = [
        {"name": "told", "template": "{{ customer.name | default('?') }}"},
        {
            "name": "customer",
            "model": "m",
            "prompt": "who: {{ input }}",
            "response_format": shape,
            "keep": True,
            "on_error": "continue",
        },
        {"name": "answer", "template": "{{ told }}"},
    ]
    with remembering(database_url, chains={"c": {"type": "sequential", "steps": steps, "memory": {}}}) as talk:
        talk.model.says = {"^who: x": '{"name": "Zoë \\u2028", "vip": true}'}
        assert talk.ask("chain:c", "x") == "?"
        assert talk.ask("chain:c", "fail") == "Zoë \u2028", "a step that failed has written nothing"
        assert talk.ask("chain:c", "again fail") == "Zoë \u2028"
        assert talk.variables() == {"customer": {"name": "Zoë \u2028", "vip": True}}


def test_the_last_step_may_be_kept(database_url: str) -> None:
    chain = {
        "type": "sequential",
        "memory": {},
        "steps": [
            {"name": "old", "template": "{{ reply | default('nothing') }}"},
            {"name": "reply", "model": "m", "prompt": "{{ old }} {{ input }}", "keep": True},
        ],
    }
    node = {"model": "m", "prompt": "{{ reply | default('nothing') }} {{ input }}", "save": "reply", "keep": True}
    graph = {"start": "n", "nodes": {"n": node}, "edges": [{"from": "n", "to": "END"}], "memory": {}}
    for name, blocks in (("chain:c", {"chains": {"c": chain}}), ("graph:g", {"graphs": {"g": graph}})):
        with remembering(database_url, **blocks) as talk:
            assert talk.ask(name, "a", name, temperature=0.5) == "to nothing a"
            assert talk.upstream.received[-1].json["temperature"] == 0.5
            assert talk.ask(name, "b", name, stream=True) == "to to nothing a b"
            assert talk.kept(name) == ["a", "to nothing a", "b", "to to nothing a b"]


def test_a_failure_a_client_that_left_and_a_rescue(database_url: str) -> None:
    nodes = {
        "learn": {"template": "{{ input }}", "save": "facts"},
        "answer": {"model": "m"},
        "sorry": {"template": "sorry: {{ facts | join(',') }}"},
    }
    edges = [{"from": "learn", "to": "answer"}, {"from": "answer", "to": "END"}]
    state = {"facts": {"reduce": "append", "keep": True}}
    plain = {"start": "learn", "nodes": nodes, "edges": edges, "state": state, "memory": {"last": 9}}
    plain = plain | {"nodes": {name: node for name, node in nodes.items() if name != "sorry"}}
    saved = {**plain, "nodes": nodes, "on_error": "sorry"}
    with remembering(database_url, graphs={"plain": plain, "saved": saved}) as talk:
        talk.ask("graph:plain", "a")
        for stream in (False, True):
            with pytest.raises(APIStatusError):
                talk.ask("graph:plain", "fail", stream=stream)
            leave(talk, "graph:plain", stream=stream)
        assert (talk.variables(), talk.kept()) == ({"facts": ["a"]}, ["a", "to a"])
        assert talk.ask("graph:saved", "b") == "to b"
        assert talk.ask("graph:saved", "fail", stream=True) == "sorry: a,b,fail"
        assert talk.variables() == {"facts": ["a", "b", "fail"]}, "a run that was rescued has ended well"
        assert talk.kept()[-2:] == ["fail", "sorry: a,b,fail"]


def test_a_run_that_is_cancelled_leaves_the_conversation_whole(database_url: str) -> None:
    """Also one that streams already; and runs know whose turns they were."""
    answering = GRAPH["nodes"] | {"answer": {"model": "m"}}
    graph = {name: part for name, part in GRAPH.items() if name != "output"} | {"nodes": answering}
    headers = {"authorization": "Bearer sk-me", ID: "c"}
    with remembering(database_url, graphs={"g": graph}) as talk:
        talk.ask("graph:g", "a")
        body = {"model": "graph:g", "messages": [{"role": "user", "content": "cut"}], "stream": True}
        url = f"{talk.served.base_url}/chat/completions"
        with httpx.stream("POST", url, json=body, headers=headers, trust_env=False) as answer:
            run = f"{talk.served.base_url}/runs/{answer.headers['x-gateway-run-id']}"
            pieces = answer.iter_text()
            while "begun" not in next(pieces):
                pass
            assert httpx.post(f"{run}/cancel", headers=headers, trust_env=False).status_code == 200
        talk.served.idle()
        found = httpx.get(run, headers=headers, trust_env=False).json()
        assert (found["status"], found["conversation_id"]) == ("cancelled", "c")
        assert talk.variables() == {"facts": ["a"], "turns": 1, "mood": "to mood a"}
        assert talk.kept() == ["a", "to a"]


def test_over_other_dialects_and_behind_names(database_url: str) -> None:
    models = {"desk": {"targets": [{"to": "graph:g"}], "aliases": ["claude-desk"]}}
    headers = {"authorization": "Bearer sk-me", ID: "c"}
    with remembering(database_url, graphs={"g": GRAPH}, models=models) as talk:
        talk.ask("desk", "a", stream=True)
        body = {"model": "claude-desk", "max_tokens": 9, "messages": [{"role": "user", "content": "b"}]}
        for stream in (False, True):
            httpx.post(f"{talk.served.base_url}/messages", json={**body, "stream": stream}, headers=headers)
            talk.served.idle()
            body["messages"] = [{"role": "user", "content": "c"}]
        for stream in (False, True):
            body = {"model": "desk", "prompt": f"d{stream}", "stream": stream}
            httpx.post(f"{talk.served.base_url}/completions", json=body, headers=headers)
            talk.served.idle()
        assert talk.variables() == {
            "facts": ["a", "b", "c", "dFalse", "dTrue"],
            "turns": 5,
            "mood": "to mood dTrue",
        }
        for path, body in (
            ("messages", {"max_tokens": 9, "messages": [{"role": "user", "content": "fail"}]}),
            ("completions", {"prompt": "fail"}),
        ):
            answer = httpx.post(f"{talk.served.base_url}/{path}", json={"model": "desk", **body}, headers=headers)
            assert answer.status_code == 400
        talk.served.idle()
        assert talk.variables()["turns"] == 5


def test_a_run_that_another_one_takes_over_from_has_kept_nothing(database_url: str) -> None:
    """`models:` falls back to another graph in the middle of the first one's run."""
    broken = GRAPH | {
        "nodes": GRAPH["nodes"] | {"answer": {"model": "m", "prompt": "down"}},
    }
    models = {"desk": {"targets": [{"to": "graph:broken"}], "fallback": ["graph:g"]}}
    with remembering(database_url, graphs={"g": GRAPH, "broken": broken}, models=models) as talk:
        assert talk.ask("desk", "a") == "a 1 to mood a"
        assert talk.ask("desk", "b", stream=True) == "a,b 2 to mood b"
        assert talk.variables() == {"facts": ["a", "b"], "turns": 2, "mood": "to mood b"}


def test_they_go_with_the_conversation(database_url: str) -> None:
    with remembering(database_url, graphs={"g": GRAPH}) as talk:
        talk.ask("graph:g", "a")
        talk.ask("graph:g", "a", "d")
        talk.get("/c", method="DELETE")
        assert talk.ask("graph:g", "b") == "b 1 to mood b"
        assert talk.variables("d")["facts"] == ["a"]


def together(talk: Remembering, model: str, *texts: str) -> Callable[[], None]:
    """Turns of one conversation that are all under way at the same time; they end when the result is called."""
    asking = [threading.Thread(target=talk.ask, args=(model, f"wait {text}")) for text in texts]
    for one in asking:
        one.start()
    talk.served.background.until(lambda: talk.model.waiting == len(texts))

    def end() -> None:
        talk.model.go.set()
        for one in asking:
            one.join()
        talk.served.idle()

    return end


def test_what_two_turns_add_at_once_is_there_of_both(database_url: str) -> None:
    with remembering(database_url, graphs={"g": GRAPH}) as talk:
        talk.ask("graph:g", "a")
        end = together(talk, "graph:g", "x", "y", "z")
        end()
        found = talk.variables()
        assert sorted(found["facts"]) == ["a", "wait x", "wait y", "wait z"]
        assert found["facts"][0] == "a"
        assert found["turns"] == 4
        answered = talk.kept()
        assert found["facts"] == answered[::2], "in the order in which the turns ended"
        assert found["mood"] == f"to mood {answered[-2]}", "of what replaces, the newer turn's is there"


def test_what_two_processes_add_is_there_of_both(database_url: str) -> None:
    with (
        remembering(database_url, graphs={"g": GRAPH}) as one,
        remembering(database_url, graphs={"g": GRAPH}) as other,
    ):
        one.ask("graph:g", "a")
        end = together(one, "graph:g", "x")
        assert other.ask("graph:g", "b") == "a,b 2 to mood b"
        end()
        expected = {"facts": ["a", "b", "wait x"], "turns": 3, "mood": "to mood wait x"}
        assert one.variables() == other.variables() == expected
        assert other.ask("graph:g", "c") == "a,b,wait x,c 4 to mood c"


def test_a_conversation_that_is_deleted_meanwhile_is_not_brought_back(database_url: str) -> None:
    with remembering(database_url, graphs={"g": GRAPH}) as talk:
        talk.ask("graph:g", "secret")
        end = together(talk, "graph:g", "x")
        talk.get("/c", method="DELETE")
        end()
        assert talk.variables() == {"facts": ["wait x"], "turns": 1, "mood": "to mood wait x"}


def test_what_an_older_configuration_kept_does_no_harm(database_url: str) -> None:
    def kept(**state: Any) -> dict[str, Any]:
        node = {"function": "tests.orchestration.test_kept:one", "save": "n"}
        return {
            "start": "a",
            "state": {"n": {**state, "keep": True}},
            "nodes": {"a": node},
            "edges": [{"from": "a", "to": "END"}],
            "memory": {},
            "output": "n",
        }

    with remembering(database_url, graphs={"g": kept()}) as talk:
        assert talk.ask("graph:g", "a") == "1"
    with remembering(database_url, graphs={"g": kept(reduce="append")}) as talk:
        assert talk.ask("graph:g", "a") == "[1]"
        assert talk.ask("graph:g", "a") == "[1,1]"
    with remembering(database_url, graphs={"g": kept(reduce="add", type="integer", default=5)}) as talk:
        assert talk.ask("graph:g", "a") == "6"
        assert talk.ask("graph:g", "a") == "7"
        assert talk.variables() == {"n": 7}


@pytest.mark.parametrize(
    ("reducer", "first", "kept", "outputs", "value"),
    [
        (Reducer(), None, None, ["a", "b"], b'"b"'),
        (Reducer(), None, b'"x"', [None], b"null"),
        (Reducer("append"), [], b"[1]", [2, 3], b"[1,2,3]"),
        (Reducer("append", last=2), [], b"[1,2]", [3], b"[2,3]"),
        (Reducer("append"), ["first"], None, [1], b'["first",1]'),
        (Reducer("append"), [], b'"text"', [1], b"[1]"),
        (Reducer("add"), 0, b"41", [1], b"42"),
        (Reducer("add"), 0, b'"text"', [1], b"1"),
        (Reducer("add", "string"), "", b'"a"', ["b", "c"], b'"abc"'),
        (Reducer(), None, b'"x"', ["half a sign: \ud800"], None),
        (Reducer("add"), 0, b"1", ["no number"], None),
        (Reducer("replace", "integer"), None, b'"old"', [3], b"3"),
    ],
)
def test_a_change_goes_on_from_what_is_there_then(
    reducer: Reducer, first: Any, kept: bytes | None, outputs: list[Any], value: bytes | None
) -> None:
    assert Variable("n", reducer, first).change(outputs)(kept) == value


def test_a_database_is_announced_for_graphs_too() -> None:
    gateway = Gateway.load({"providers": {"mock": {}}, "models": {"m": "mock/echo"}, "graphs": {"g": GRAPH}}, {})
    assert "database: none is configured: graphs.g keeps conversations in sqlite:///gateway.db" in gateway.notes
