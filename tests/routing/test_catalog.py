import logging

import pytest

from gateway.accounts.keys import Key
from gateway.routing.catalog import Catalog, Listing
from gateway.seam import Call, Handler, ModelNotFound, Request, Tasks
from gateway.testing import answering


def call(model: str) -> Call:
    return Call(Request("chat", b'{"messages":[]}', model=model), Tasks(logging.getLogger("test")))


def catalog(made: list[str], names: tuple[str, ...] = ("one", "two")) -> Catalog:
    def make(model: str) -> Handler:
        made.append(model)
        return answering(model)

    return Catalog({"one": answering("one")}, {"p": make}, [Listing(name, "o") for name in names])


async def said(catalog: Catalog, model: str) -> str:
    chunk = await (await catalog(call(model))).whole()
    return chunk.parts()[0].text


async def test_names_of_the_file_go_first_then_providers() -> None:
    made: list[str] = []
    found = catalog(made)
    assert await said(found, "one") == "one"
    assert await said(found, "p/a/b:c") == "a/b:c"
    assert made == ["a/b:c"]


@pytest.mark.parametrize("name", ["", "two", "p", "p/", "/p", "q/a", "ONE", " one"])
async def test_other_names_are_not_found(name: str) -> None:
    with pytest.raises(ModelNotFound) as caught:
        await catalog([])(call(name))
    assert caught.value.name == name


async def test_a_name_is_looked_for_once() -> None:
    made: list[str] = []
    found = catalog(made)
    for _ in range(3):
        await said(found, "p/a")
    assert made == ["a"]


async def test_names_from_callers_do_not_fill_the_memory() -> None:
    made: list[str] = []
    found = catalog(made)
    for n in range(3000):
        await said(found, f"p/{n}")
    await said(found, "p/" + "x" * 1000)
    assert len(found._handlers) <= 1100
    assert max(map(len, found._handlers)) < 300


def test_near_names_are_those_that_the_caller_may_use() -> None:
    found = catalog([], ("gpt-4o", "gpt-4o-mini", "claude"))
    message = found.explain(ModelNotFound("gpt-4"), Key("k", ["*mini", "claude"])).message
    assert "Did you mean 'gpt-4o-mini'?" in message
    assert "'gpt-4o'" not in message
    assert "Did you mean 'gpt-4o' or 'gpt-4o-mini'?" in found.explain(ModelNotFound("gpt-4"), None).message


def test_a_name_that_is_there_is_not_said_to_be_missing() -> None:
    found = catalog([], ("gpt-4o", "gpt-4o-mini"))
    error = ModelNotFound("gpt-4o")
    error.provider = "p"
    told = found.explain(error, None)
    assert told.message == "The model 'gpt-4o' cannot be served: its provider does not know what it leads to."
    assert (told.status, told.code, told.provider) == (404, "model_not_found", "p")
    assert "does not exist" in found.explain(error, Key("k", ["*mini"])).message


def test_a_long_name_is_shown_in_part_and_compared_with_none() -> None:
    message = catalog([]).explain(ModelNotFound("one" * 1000), None).message
    assert len(message) < 400
    assert "Did you mean" not in message
