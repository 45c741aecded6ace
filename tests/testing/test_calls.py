from collections.abc import Callable

import pytest

from gateway.seam import Call, Handler, Reply
from gateway.testing import answer, answering, ask, chat_call, messages_call


@pytest.mark.parametrize("called", [chat_call, messages_call])
@pytest.mark.parametrize("stream", [False, True])
async def test_a_middleware_is_asked_and_its_answer_folded(called: Callable[..., Call], stream: bool) -> None:
    seen = []

    class Watcher:
        async def __call__(self, call: Call, call_next: Handler) -> Reply:
            seen.append(call.request.model)
            return await call_next(call)

    chunk = await ask([Watcher()], called("Hi", stream=stream, model="m", temperature=0), answering("Hel", "lo."))
    assert chunk.parts()[0].text == "Hello."
    assert chunk.usage is not None
    assert seen == ["m"]


@pytest.mark.parametrize("called", [chat_call, messages_call])
def test_a_call_has_what_was_said(called: Callable[..., Call]) -> None:
    request = called("Hi", model="m", temperature=0).request
    assert request.body["temperature"] == 0
    assert [text.text for text in request.texts()] == ["Hi"]
    assert not request.stream


async def test_an_answer_comes_in_the_form_that_is_wanted() -> None:
    streamed = answer(chat_call(stream=True), "a", "b")
    assert len([batch async for batch in streamed]) == 6
    streamed = answer(messages_call(stream=True), "a", "b")
    assert len([batch async for batch in streamed]) == 8
    for called in (chat_call, messages_call):
        whole = [batch async for batch in answer(called(), "a", "b")]
        assert [batch.whole for batch in whole] == [True]
