"""Chains and graphs with memory, served, asked by the SDKs: what their models see, and what is kept."""

from typing import Any

import httpx
import pytest
from openai import APIStatusError

from gateway import Gateway
from tests.orchestration.remembering import ID, Remembering, remembering

TUTOR = {"type": "conversational", "model": "m", "system": "You teach.", "memory": {"last": 2}}
PLAIN = {"model": "m"}
KINDS: dict[str, Any] = {
    "chain:simple": {"type": "simple", "model": "m", "memory": {"last": 2}},
    "chain:conversational": {"type": "conversational", "model": "m", "memory": {"last": 2}},
    "chain:sequential": {
        "type": "sequential",
        "steps": [{"name": "first", "model": "m", "prompt": "think"}, {"name": "then", "model": "m"}],
        "memory": {"last": 2},
    },
    "chain:parallel": {
        "type": "parallel",
        "branches": {"a": PLAIN, "b": {"model": "m", "prompt": "other"}},
        "combine": {"model": "m"},
        "memory": {"last": 2},
    },
    "chain:race": {
        "type": "parallel",
        "branches": {"a": PLAIN},
        "combine": {"first_good": {}},
        "memory": {"last": 2},
    },
    "chain:conditional": {
        "type": "conditional",
        "branches": [{"when": "messages | length > 50", "template": "much"}, {"otherwise": True, "model": "m"}],
        "memory": {"last": 2},
    },
    "graph:live": {
        "start": "n",
        "nodes": {"n": PLAIN},
        "edges": [{"from": "n", "to": "END"}],
        "memory": {"last": 2},
    },
    "graph:told": {
        "start": "n",
        "nodes": {"n": PLAIN},
        "edges": [{"from": "n", "to": "END"}],
        "output": "{{ n }}",
        "memory": {"last": 2},
    },
    "graph:rescued": {
        "start": "n",
        "nodes": {"n": {"model": "m", "prompt": "fail"}, "sorry": PLAIN},
        "edges": [{"from": "n", "to": "END"}],
        "on_error": "sorry",
        "memory": {"last": 2},
    },
}


def workflows(*names: str) -> dict[str, Any]:
    blocks: dict[str, Any] = {"chains": {}, "graphs": {}}
    for name in names or KINDS:
        kind, _, rest = name.partition(":")
        blocks[f"{kind}s"][rest] = KINDS[name]
    return blocks


def test_a_chain_remembers_through_a_restart(database_url: str) -> None:
    with remembering(database_url, chains={"tutor": TUTOR}) as talk:
        assert talk.ask("chain:tutor", "a") == "to a"
        assert talk.ask("chain:tutor", "b", stream=True) == "to b"
        assert talk.shown() == ["You teach.", "a", "to a", "b"]
    with remembering(database_url, chains={"tutor": TUTOR}) as talk:
        talk.ask("chain:tutor", "c")
        assert talk.shown() == ["You teach.", "b", "to b", "c"]
        talk.ask("chain:tutor", "x", key="you")
        assert talk.shown() == ["You teach.", "x"], "another key's conversation of that name is another"
        talk.ask("chain:tutor", "y", None)
        assert talk.shown() == ["You teach.", "y"]
        with pytest.raises(APIStatusError):
            talk.ask("chain:tutor", "fail")
        assert talk.kept() == ["a", "to a", "b", "to b", "c", "to c"]


def test_every_kind_remembers(database_url: str) -> None:
    with remembering(database_url, **workflows()) as talk:
        for name in KINDS:
            answers = [talk.ask(name, text, name, stream=text == "b") for text in ("a", "b", "c")]
            assert answers == ["to a", "to b", "to c"], name
            assert talk.shown() == ["b", "to b", "c"], name
            assert talk.kept(name) == ["a", "to a", "b", "to b", "c", "to c"], name


def test_templates_see_the_window(database_url: str) -> None:
    prompt = "{{ messages | map(attribute='content') | join('|') }} / {{ input }}"
    chain = {"type": "simple", "template": prompt, "memory": {"last": 2}}
    with remembering(database_url, chains={"c": chain}) as talk:
        assert talk.ask("chain:c", "a") == "a / a"
        assert talk.ask("chain:c", "b") == "a|a / a|b / b"
        assert talk.ask("chain:c", "c") == "b|a|a / a|b / b|c / c"
        whole = [{"role": "user", "content": text} for text in ("x", "y")]
        assert talk.ask("chain:c", whole, None) == "x|y / y", "without a conversation they see what was sent"


def test_a_graph_s_input_is_what_the_user_said_last(database_url: str) -> None:
    """Also where the newest message is a tool's result: its question is the conversation's."""
    chain = {"type": "simple", "template": "{{ input }}", "memory": {}}
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    with remembering(database_url, chains={"c": chain}) as talk:
        talk.ask("chain:c", "a")
        result = [
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "t", "content": "42"},
        ]
        assert talk.ask("chain:c", [{"role": "user", "content": "q"}, *result]) == "q"


def test_the_id_in_the_body_stays_here(database_url: str) -> None:
    with remembering(database_url, chains={"tutor": TUTOR}, graphs=workflows("graph:told")["graphs"]) as talk:
        for name, front in (("chain:tutor", ["You teach."]), ("graph:told", [])):
            named = {"conversation_id": name}
            talk.ask(name, "a", None, metadata=named)
            assert "metadata" not in talk.upstream.received[-1].json
            talk.ask(name, "b", None, metadata={**named, "own": "1"})
            assert talk.upstream.received[-1].json.get("metadata") in ({"own": "1"}, None)
            assert talk.shown() == [*front, "a", "to a", "b"]


def test_other_dialects_have_conversations_too(database_url: str) -> None:
    with remembering(database_url, **workflows("graph:live", "graph:told")) as talk:
        for name in ("graph:live", "graph:told"):
            headers = {"x-api-key": "sk-me", ID: name, "anthropic-version": "2023-06-01"}
            talk.ask(name, "a", name)
            body = {"model": name, "max_tokens": 99, "messages": [{"role": "user", "content": "b"}]}
            answer = httpx.post(f"{talk.served.base_url}/messages", json=body, headers=headers)
            assert answer.json()["content"][0]["text"] == "to b"
            talk.served.idle()
            with talk.client(headers={ID: name}) as client:
                said = client.completions.create(model=name, prompt="c")
            assert said.choices[0].text == "to c"
            assert talk.shown() == ["b", "to b", "c"]
            talk.served.idle()
            assert talk.kept(name) == ["a", "to a", "b", "to b", "c", "to c"]


def test_users_are_known_over_both_dialects(database_url: str) -> None:
    chain = {"type": "simple", "model": "m", "memory": {"last": 2, "by": "user"}}
    with remembering(database_url, chains={"c": chain}) as talk:
        talk.ask("chain:c", "a", None, user="ada")
        body = {
            "model": "chain:c",
            "max_tokens": 9,
            "messages": [{"role": "user", "content": "b"}],
            "metadata": {"user_id": "ada"},
        }
        httpx.post(f"{talk.served.base_url}/messages", json=body, headers={"x-api-key": "sk-me"}).raise_for_status()
        assert talk.shown() == ["a", "to a", "b"]
        talk.ask("chain:c", "c", None, user="bob")
        assert talk.shown() == ["c"]


def test_a_name_of_a_model_leads_to_the_conversation(database_url: str) -> None:
    models = {
        "desk": {"targets": [{"to": "chain:simple"}], "aliases": ["claude-desk"]},
        "short": "graph:told",
    }
    blocks = workflows("chain:simple", "graph:told")
    with remembering(database_url, models=models, **blocks) as talk:
        for number, name in enumerate(("desk", "claude-desk", "chain:simple", "short")):
            assert talk.ask(name, f"{number}", stream=number % 2 == 1) == f"to {number}"
        assert talk.shown() == ["2", "to 2", "3"]
        assert len(talk.kept()) == 8


def test_a_run_that_is_done_again_keeps_one_turn(database_url: str) -> None:
    """`models:` retries and falls back; what failed has left nothing."""
    nodes = {"n": {"model": "m", "prompt": "down"}}
    broken = {"start": "n", "nodes": nodes, "edges": [{"from": "n", "to": "END"}], "memory": {"last": 2}}
    models = {
        "desk": {
            "targets": [{"to": "graph:broken"}],
            "retry": {"attempts": 3},
            "fallback": {"any": ["chain:simple"]},
        }
    }
    blocks = workflows("chain:simple")
    blocks["graphs"]["broken"] = broken
    with remembering(database_url, models=models, **blocks) as talk:
        assert talk.ask("desk", "a") == "to a"
        assert talk.ask("desk", "b", stream=True) == "to b"
        assert talk.kept() == ["a", "to a", "b", "to b"]


# ---- chains within


NESTED: dict[str, Any] = {
    "chains": {
        "tutor": TUTOR,
        "critic": {"type": "conversational", "model": "m", "system": "You judge.", "memory": {"last": 5}},
        "both": {
            "type": "sequential",
            "steps": [
                {"name": "taught", "chain": "tutor"},
                {"name": "judged", "chain": "critic", "input": "{{ taught }}"},
            ],
        },
        "led": {
            "type": "sequential",
            "memory": {"last": 5},
            "steps": [
                {"name": "taught", "chain": "tutor", "input": "{{ input }}!"},
                {"name": "answer", "template": "{{ taught }}?"},
            ],
        },
    },
    "graphs": {
        "named": {
            "start": "n",
            "nodes": {"n": {"model": "teacher"}},
            "edges": [{"from": "n", "to": "END"}],
            "memory": {"last": 5},
        }
    },
    "models": {"teacher": "chain:tutor"},
}


@pytest.mark.parametrize("by", ["header", "body"])
def test_chains_within_remember_each_for_itself(database_url: str, by: str) -> None:
    more: dict[str, Any] = {"name": "c"} if by == "header" else {"name": None, "metadata": {"conversation_id": "c"}}
    with remembering(database_url, **NESTED) as talk:
        assert talk.ask("chain:both", "a", **more) == "to to a"
        assert talk.ask("chain:both", "b", **more) == "to to b"
        assert talk.shown(2) == ["You teach.", "a", "to a", "b"]
        assert talk.shown() == ["You judge.", "to a", "to to a", "to b"], "no message of the other's is among them"
        assert talk.kept() == [], "the chain that was asked for keeps nothing by itself"
        assert [one["id"] for one in talk.get("").json()["data"]] == ["c"], "what is within is not listed"
        assert talk.ask("chain:tutor", "x") == "to x"
        assert talk.shown() == ["You teach.", "x"], "asked for by the client, the conversation is its own"


def test_a_chain_with_memory_within_another_one(database_url: str) -> None:
    with remembering(database_url, **NESTED) as talk:
        assert talk.ask("chain:led", "a") == "to a!?"
        assert talk.ask("chain:led", "b", stream=True) == "to b!?"
        assert talk.shown() == ["You teach.", "a!", "to a!", "b!"]
        assert talk.kept() == ["a", "to a!?", "b", "to b!?"]


def test_what_is_within_is_read_and_deleted_by_its_chain(database_url: str) -> None:
    with remembering(database_url, **NESTED) as talk:
        talk.ask("chain:both", "a")
        assert talk.get("/c").json()["within"] == ["chain:critic", "chain:tutor"]
        assert talk.kept(within="chain:tutor") == ["a", "to a"]
        assert talk.kept(within="chain:critic") == ["to a", "to to a"]
        found = talk.get("/c?within=chain:tutor").json()
        assert (found["id"], "within" in found) == ("c", False)
        for path, key in (("/c?within=chain:led", "me"), ("/c?within=", "me"), ("/c?within=chain:tutor", "you")):
            assert talk.get(path, key).status_code == 404
        assert talk.get("/c?within=chain:tutor", method="DELETE").json()["deleted"]
        assert talk.get("/c").json()["within"] == ["chain:critic"]
        talk.ask("chain:both", "b")
        assert talk.shown(2) == ["You teach.", "b"]
        assert talk.kept(within="chain:critic") == ["to a", "to to a", "to b", "to to b"]


def test_chains_within_that_run_at_the_same_time(database_url: str) -> None:
    branches = {"a": {"chain": "tutor"}, "b": {"chain": "critic"}}
    both = {"type": "parallel", "branches": branches, "combine": {"template": "{{ a }} {{ b }}"}, "memory": {"last": 5}}
    with remembering(database_url, chains={**NESTED["chains"], "all": both}) as talk:
        for text in ("a", "b", "c"):
            assert talk.ask("chain:all", text) == f"to {text} to {text}"
        assert talk.kept() == ["a", "to a to a", "b", "to b to b", "c", "to c to c"]
        seen = sorted([*talk.shown(2), "/", *talk.shown()])
        assert "to b to b" in seen, "chains that get the caller's messages see the conversation that the caller sees"


def test_users_are_known_to_a_chain_wherever_it_runs(database_url: str) -> None:
    chains = {
        "tutor": TUTOR | {"memory": {"last": 2, "by": "user"}},
        "outer": {
            "type": "sequential",
            "steps": [{"name": "a", "chain": "tutor"}, {"name": "b", "template": "{{ a }}!"}],
        },
    }
    with remembering(database_url, chains=chains) as talk:
        assert talk.ask("chain:tutor", "a", None, user="ada") == "to a"
        assert talk.ask("chain:outer", "b", None, user="ada") == "to b!"
        assert talk.shown() == ["You teach.", "a", "to a", "b"]
        talk.ask("chain:outer", "c", None, user="bob")
        assert talk.shown() == ["You teach.", "c"]


async def test_without_http(tmp_path: Any) -> None:
    config = {
        "providers": {"mock": {}},
        "database": f"sqlite:///{tmp_path / 'a.db'}",
        "chains": {"c": {"type": "simple", "template": "{{ messages | length }}", "memory": {}}},
    }
    async with Gateway.load(config, {}) as gateway:
        named = {"conversation_id": "c"}
        messages = [{"role": "user", "content": "a"}]
        said = [(await gateway.run("chain:c", messages=messages, metadata=named)).text for _ in range(3)]
        assert said == ["1", "3", "5"]


def test_a_chain_behind_a_name_within_a_graph(database_url: str) -> None:
    with remembering(database_url, **NESTED) as talk:
        for text in ("a", "b", "c"):
            assert talk.ask("graph:named", text) == f"to {text}"
        assert talk.shown() == ["You teach.", "b", "to b", "c"]
        assert talk.kept() == ["a", "to a", "b", "to b", "c", "to c"]


def test_what_a_chain_within_has_said_stays_where_the_run_around_it_fails(database_url: str) -> None:
    steps = [{"name": "taught", "chain": "tutor"}, {"name": "then", "model": "m", "prompt": "{{ inputs.then }}"}]
    chains = {"tutor": TUTOR, "led": {"type": "sequential", "memory": {"last": 5}, "steps": steps}}
    with remembering(database_url, chains=chains) as talk:
        talk.ask("chain:led", "a", extra_body={"inputs": {"then": "fine"}})
        with pytest.raises(APIStatusError):
            talk.ask("chain:led", "b", extra_body={"inputs": {"then": "fail"}})
        assert talk.kept() == ["a", "to fine"]
        talk.ask("chain:led", "c", extra_body={"inputs": {"then": "fine"}})
        assert talk.shown(2) == ["You teach.", "a", "to fine", "c"], "it sees the conversation as the caller does"
        assert talk.kept() == ["a", "to fine", "c", "to fine"]


def test_what_is_within_goes_with_the_conversation(database_url: str) -> None:
    with remembering(database_url, **NESTED) as talk:
        for name in ("c", "C", "c2"):
            talk.ask("chain:both", "a", name)
        talk.ask("chain:both", "a", "c", key="you")
        assert talk.get("/c", method="DELETE").json()["deleted"]
        assert talk.get("/c").status_code == 404
        talk.ask("chain:both", "b", "c")
        assert talk.shown() == ["You judge.", "to b"]
        for name, key in (("C", "me"), ("c2", "me"), ("c", "you")):
            talk.ask("chain:both", "b", name, key=key)
            assert talk.shown() == ["You judge.", "to a", "to to a", "to b"]
        for name in ("c/chain:tutor", "c%2Fchain:tutor"):
            assert talk.get(f"/{name}").status_code == 404, "no client can name one by itself"
        with pytest.raises(APIStatusError) as refused:
            talk.ask("chain:tutor", "b", "c/chain:tutor")
        assert (refused.value.status_code, refused.value.code) == (400, "invalid_conversation_id")


def test_a_bad_id_is_refused_by_what_remembers_alone(database_url: str) -> None:
    with remembering(database_url, chains={"plain": {"type": "simple", "model": "m"}, "tutor": TUTOR}) as talk:
        assert talk.ask("chain:plain", "a", "not an id") == "to a"
        with pytest.raises(APIStatusError) as refused:
            talk.ask("chain:tutor", "a", "not an id")
        assert (refused.value.status_code, refused.value.code) == (400, "invalid_conversation_id")


# ---- summaries


def test_a_prompt_of_one_s_own_sums_up(database_url: str) -> None:
    prompt = "Sum up: {{ summary | default('nothing', true) }} + {% for m in messages %}[{{ m.content }}]{% endfor %}"
    memory = {"last": 1, "summarise": {"model": "m", "prompt": prompt}}
    graph = KINDS["graph:told"] | {"memory": memory}
    with remembering(database_url, graphs={"g": graph}) as talk:
        talk.model.says = {"^Sum up": "all of it"}
        for text in ("a", "b", "c", "d"):
            talk.ask("graph:g", text)
        asked = [one.json["messages"][0]["content"] for one in talk.upstream.received]
        summed = [text for text in asked if text.startswith("Sum up")]
        assert summed[:2] == ["Sum up: nothing + [a][to a]", "Sum up: all of it + [b][to b]"]
        talk.ask("graph:g", "e")
        shown = next(one.json["messages"] for one in reversed(talk.upstream.received) if len(one.json["messages"]) > 1)
        assert shown[0]["content"] == "Summary of the conversation so far:\nall of it"
        assert talk.kept()[:2] == ["a", "to a"]


# ---- failures


def test_without_a_database_only_what_keeps_something_is_refused(tmp_path: Any) -> None:
    url = f"sqlite:///{tmp_path / 'none' / 'a.db'}"
    with remembering(url, chains={"tutor": TUTOR}, graphs=workflows("graph:told")["graphs"]) as talk:
        for name in ("chain:tutor", "graph:told"):
            assert talk.ask(name, "a", None) == "to a"
            with pytest.raises(APIStatusError) as refused:
                talk.ask(name, "a")
            assert (refused.value.status_code, refused.value.code) == (503, "database_unavailable")
        assert httpx.get(f"{talk.served.url}/health/ready").status_code == 200


def test_a_turn_that_fails_or_is_left_keeps_nothing(database_url: str) -> None:
    blocks = workflows("graph:live", "graph:told", "chain:sequential")
    with remembering(database_url, **blocks) as talk:
        for name in ("graph:live", "graph:told", "chain:sequential"):
            talk.ask(name, "a", name)
            for stream in (False, True):
                with pytest.raises(APIStatusError):
                    talk.ask(name, "fail", name, stream=stream)
                leave(talk, name, stream=stream)
            talk.ask(name, "b", name)
            assert talk.shown() == ["a", "to a", "b"]
            assert talk.kept(name) == ["a", "to a", "b", "to b"]


def leave(talk: Remembering, name: str, *, stream: bool) -> None:
    """Ask, and hang up before there is an answer; of a stream also after its first word."""
    body = {"model": name, "messages": [{"role": "user", "content": "wait"}], "stream": stream}
    headers = {"authorization": "Bearer sk-me", ID: name}
    url = f"{talk.served.base_url}/chat/completions"
    with pytest.raises(httpx.ReadTimeout):
        httpx.post(url, json=body, headers=headers, timeout=0.3)
    if stream:
        body["messages"] = [{"role": "user", "content": "cut"}]
        with httpx.stream("POST", url, json=body, headers=headers) as answer:
            assert any("begun" in text for text in answer.iter_text())
    talk.served.idle()
