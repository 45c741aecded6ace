import pytest

from gateway.config import schema
from gateway.middleware.auth import Auth
from gateway.seam import Call, Inbound, ModelNotFound, Reply, Unauthorized
from gateway.testing import answer, ask, chat_call

SETTINGS = schema.Auth(keys=[schema.KeyEntry(name="a", key="sk-a", models=("mock/echo",))])


def inbound(call: Call, secret: bytes = b"sk-a") -> Call:
    call.put(Inbound([(b"authorization", b"Bearer " + secret)]))
    return call


async def test_who_calls_is_known_further_in() -> None:
    names = []

    async def inner(call: Call) -> Reply:
        assert call.caller is not None
        names.append(call.caller.name)
        return answer(call, "Hello.")

    await ask([Auth(SETTINGS)], inbound(chat_call()), inner)
    assert names == ["a"]


async def test_a_name_that_is_not_allowed_does_not_exist() -> None:
    call = inbound(chat_call(model="mock/lorem"))
    with pytest.raises(ModelNotFound) as caught:
        await ask([Auth(SETTINGS)], call)
    assert caught.value.name == "mock/lorem"
    assert call.caller is not None  # so that near names are this key's


async def test_without_a_key_nobody_goes_on() -> None:
    for call in (chat_call(), inbound(chat_call(), b"sk-b")):
        with pytest.raises(Unauthorized):
            await ask([Auth(SETTINGS)], call)
        assert call.caller is None
