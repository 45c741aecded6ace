import pytest


@pytest.mark.parametrize("alternatives", [0, 1, 5, 20])
async def test_logprobs(client, user, alternatives):
    wanted = {"logprobs": True, "top_logprobs": alternatives}
    answer = await client.whole(messages=user("Hé the"), **wanted)
    first, second = answer["choices"][0]["logprobs"]["content"]
    assert (first["token"], first["bytes"]) == ("Hé", [72, 195, 169])
    assert second["token"] == " the"
    assert len(second["top_logprobs"]) == alternatives
    assert len({entry["token"] for entry in second["top_logprobs"]}) == alternatives
    assert sorted(second["top_logprobs"], key=lambda entry: -entry["logprob"]) == second["top_logprobs"]
    events = await client.events(messages=user("Hé the"), **wanted)
    assert events[1]["choices"][0]["logprobs"] == {"content": [first], "refusal": None}
    assert events[0]["choices"][0]["logprobs"] is None
