"""JSON changed in one place; every other byte stays."""

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Raw

from gateway.wire.verbatim import (
    INVALID,
    NULL,
    encode,
    hide,
    inside,
    integer,
    is_null,
    mend,
    open_object,
    put,
    sheltered,
    show,
    splice,
)

SPACE = st.sampled_from(["", "", "", " ", "\n", "\t", "\r\n", "  \n\t"])
NAMES = ["model", "stream", "stream_options", "a", "b", "", 'q"\\', "é", "mod", "models", "😀", "\x00"]
NUMBERS = ["0", "-0", "1.00", "1e400", "-1E-5", "123456789012345678901234567890", "12", "1"]


def spelled(text: str, escaped: list[bool]) -> str:
    """A JSON string with some characters escaped that need not be."""
    out = []
    for character, escape in zip(text, escaped, strict=False):
        if escape:
            out.append("".join(f"\\u{unit:04X}" for unit in utf16(character)))
        else:
            out.append(json.dumps(character, ensure_ascii=False)[1:-1])
    return '"' + "".join(out) + '"'


def utf16(character: str) -> list[int]:
    units = character.encode("utf-16-be")
    return [units[at] << 8 | units[at + 1] for at in range(0, len(units), 2)]


@st.composite
def strings(draw: st.DrawFn, texts: st.SearchStrategy[str]) -> str:
    text = draw(texts)
    return spelled(text, draw(st.lists(st.booleans(), min_size=len(text), max_size=len(text))))


TEXTS = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(
    ['","model":"x', "{", "}", "]", "\\", "\\\\"]
)
LEAVES = st.sampled_from(["null", "true", "false", "[]", "{}", *NUMBERS]) | strings(TEXTS)


@st.composite
def objects(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    members = draw(st.lists(st.tuples(strings(st.sampled_from(NAMES) | TEXTS), values), max_size=5))
    space = [draw(SPACE) for _ in range(4)]
    inner = ",".join(f"{space[0]}{name}{space[1]}:{space[2]}{value}{space[3]}" for name, value in members)
    return "{" + (inner or draw(SPACE)) + "}"


@st.composite
def arrays(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    space = draw(SPACE)
    return "[" + ",".join(f"{space}{value}{space}" for value in draw(st.lists(values, max_size=4))) + "]"


VALUES = st.recursive(LEAVES, lambda inner: objects(inner) | arrays(inner), max_leaves=8)
DOCUMENTS = st.tuples(SPACE, objects(VALUES), SPACE).map("".join)
CHANGES = st.dictionaries(st.sampled_from(["model", "stream", "stream_options", "a", "new"]), VALUES, max_size=3)


class Number(str):
    """A number literal, told from a string."""

    __slots__ = ()

    def __repr__(self) -> str:
        return f"Number({self!s})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Number) and str(self) == str(other)

    __hash__ = str.__hash__


def exact(source: bytes | str) -> object:
    """The document with number literals kept, and members that stand there twice kept as well."""
    return json.loads(source, parse_int=Number, parse_float=Number, object_pairs_hook=lambda pairs: pairs)


@given(DOCUMENTS, CHANGES)
def test_only_the_spliced_values_change(document: str, changes: dict[str, str]) -> None:
    result = splice(document.encode(), {name: value.encode() for name, value in changes.items()})
    before = exact(document)
    assert isinstance(before, list)
    expected = [(name, exact(changes[name]) if name in changes else value) for name, value in before]
    known = {name for name, _ in before}
    expected += [(name, exact(value)) for name, value in changes.items() if name not in known]
    assert exact(result) == expected


@given(DOCUMENTS, CHANGES)
def test_every_other_byte_survives(document: str, changes: dict[str, str]) -> None:
    """Each value is put in the place of the old one: putting the old ones back gives the old bytes."""
    source = document.encode()
    pairs = exact(source)
    assert isinstance(pairs, list)
    names = [name for name, _ in pairs]
    raw = open_object(source)
    changes = {name: value for name, value in changes.items() if names.count(name) == 1}
    there = splice(source, {name: value.encode() for name, value in changes.items()})
    assert splice(there, {name: bytes(raw[name]) for name in changes}) == source


def test_nothing_to_splice_leaves_the_bytes() -> None:
    assert splice(b' { "a" : 1.00 } ', {}) == b' { "a" : 1.00 } '


@pytest.mark.parametrize(
    ("source", "result"),
    [
        (b"{}", b'{"model":"x"}'),
        (b"{ }", b'{ "model":"x"}'),
        (b' {"a":1} ', b' {"a":1,"model":"x"} '),
        (b'{"a":{}}', b'{"a":{},"model":"x"}'),
        (b'{"model" : "y" , "a":1.00}', b'{"model" : "x" , "a":1.00}'),
        (b'{"\\u006dodel":"y"}', b'{"\\u006dodel":"x"}'),
        (b'{"model":"y","model":"z"}', b'{"model":"x","model":"x"}'),
        (b'{"a":{"model":"y"},"model":"z"}', b'{"a":{"model":"y"},"model":"x"}'),
        (b'{"a":"\\"model\\":1","model":[1,{"model":2}]}', b'{"a":"\\"model\\":1","model":"x"}'),
    ],
)
def test_splice(source: bytes, result: bytes) -> None:
    assert splice(source, {"model": b'"x"'}) == result


@pytest.mark.parametrize(
    "source",
    [
        # A member that stands there twice, with values of lengths made so that a reader who counts bytes is led astray.
        b'{"a":{"model":        "zzzzzzzz"},"model":"gpt","a":1}',
        b'{"a":{"a":1  ,"model":"        "},"model":"gpt-4","a":{}}',
        b'{"a":1,"model":"yyyyy","a":{           "model":"zzzz"}}',
        b'{"a":1,"model":"yyyyy","a":{            "model":"zzzz"}}',
        b'{"a":12,"a":1,"model":"y"}',
        b'{"a":1,"a":12,"model":"y"}',
        b'{"a":"x\\"","model":"y","a":"x"}',
    ],
)
def test_members_that_stand_there_twice_hide_nothing(source: bytes) -> None:
    result = exact(splice(source, {"model": b'"x"'}))
    expected = exact(source)
    assert isinstance(expected, list)
    assert result == [(name, "x" if name == "model" else value) for name, value in expected]


@given(st.integers(0, 20), st.integers(0, 20), st.sampled_from([b"1", b"{}", b'"x"', b"[1,2]"]))
def test_no_padding_leads_a_reader_astray(spaces: int, more: int, last: bytes) -> None:
    source = b'{"a":{"b":1,"model":%s"%s"},"b":1,"model":"y","a":%s}' % (b" " * spaces, b"z" * more, last)
    result = exact(splice(source, {"model": b'"x"'}))
    assert isinstance(result, list)
    assert dict(result[1:])["model"] == "x"


@pytest.mark.parametrize("source", [b"", b"[]", b"1", b"{", b'{"a":}', b"\xff", b'{"a":1}x'])
def test_what_is_no_object_raises(source: bytes) -> None:
    with pytest.raises((*INVALID, ValueError)):
        splice(source, {"a": b"1"})


@pytest.mark.parametrize("tail", [b"", b',"model":"again"'], ids=["plain", "twice"])
def test_large_bodies_stay_quick(tail: bytes) -> None:
    body = b'{"model":"m","messages":[{"role":"user","content":"%s"}],"stream":false%s}' % (b'x\\n\\"' * 200_000, tail)
    assert len(body) > 1_000_000
    quickest = min(timed(lambda: splice(body, {"model": b'"other"'})) for _ in range(5))
    assert quickest < 0.05


def timed(do: object) -> float:
    start = time.perf_counter()
    do()  # type: ignore[operator]
    return time.perf_counter() - start


def test_put_opens_the_way_and_nothing_beside_it() -> None:
    source = b'{"m": [ 1.00 , {"t": "old", "n": 1e400, "d" : {"z": 1.0} } ] , "k" : 2.50}'
    tree = open_object(source)
    changed = put(tree, ("m", 1, "t"), "new")
    assert encode(changed) == b'{"m":[1.00,{"t":"new","n":1e400,"d":{"z": 1.0}}],"k":2.50}'
    assert bytes(tree["m"]) == b'[ 1.00 , {"t": "old", "n": 1e400, "d" : {"z": 1.0} } ]'
    again = put(changed, ("m", 1, "d", "z"), "x")
    assert encode(again) == b'{"m":[1.00,{"t":"new","n":1e400,"d":{"z":"x"}}],"k":2.50}'
    assert encode(changed) == b'{"m":[1.00,{"t":"new","n":1e400,"d":{"z": 1.0}}],"k":2.50}'
    assert put(tree, (), "x") == "x"


def test_integer() -> None:
    assert integer(None, 3) == 3
    assert integer(Raw(b"null"), 3) == 3
    assert integer(Raw(b"12345678901234567890"), 3) == 12345678901234567890
    for wrong in (b'"1"', b"1.0", b"true", b"{}"):
        with pytest.raises(ValueError):
            integer(Raw(wrong), 0)


def test_is_null() -> None:
    assert is_null(Raw(b"null"))
    assert not is_null(Raw(b'"null"'))


LONE = st.lists(
    st.sampled_from(
        ["\\ud83d", "\\uDE00", "\\uD83D\\ude00", "\\\\ud83d", "\\\\\\ud83d", "a", "\\n", "\\u0041", "é", "\\\\"]
    ),
    max_size=8,
).map(lambda pieces: '"' + "".join(pieces) + '"')


@given(LONE)
def test_halves_of_surrogate_pairs_are_hidden_and_shown(source: str) -> None:
    hidden = hide(source.encode())
    assert json.loads(show(hidden)) == json.loads(source)
    open_object(b'{"a":%s}' % hidden)


@given(LONE)
def test_halves_of_surrogate_pairs_are_mended(source: str) -> None:
    whole = json.loads(source)
    expected = whole.encode("utf-16", "surrogatepass").decode("utf-16", "replace") if whole else ""
    assert json.loads(mend(source.encode())).count("\ufffd") >= expected.count("\ufffd") > -1
    json.loads(mend(source.encode())).encode()
    clean = json.dumps(whole.encode("utf-16", "surrogatepass").decode("utf-16", "ignore")).encode()
    assert mend(clean) == clean


def test_halves_of_surrogate_pairs_are_sheltered_from_an_edit_that_refuses_them() -> None:
    def edit(sources: list[bytes]) -> list[bytes]:
        return [encode(open_object(source) | {"n": 1}) for source in sources]

    source = b'{"a":"\\ud83d","b":"\\ud83d\\ude00"}'
    assert sheltered(edit, [source]) == [b'{"a":"\\ud83d","b":"\\ud83d\\ude00","n":1}']
    assert sheltered(edit, [b'{"a":1}']) == [b'{"a":1,"n":1}']
    with pytest.raises(INVALID):
        sheltered(edit, [b'{"a":'])


def test_inside_quotes() -> None:
    assert inside(b'"a\\n"') == b"a\\n"
    assert inside(NULL) == b""
    for other in (b"1", b"[]", b"{}", b"true"):
        with pytest.raises(ValueError):
            inside(other)
