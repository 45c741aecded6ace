"""URLs whose path and query are filled in: a value stays in its place, whatever it holds."""

from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.orchestration.http_url import LONGEST, Target, compile_url
from gateway.orchestration.program import TemplateError
from gateway.seam import InvalidRequest

HOST = "https://api.example.com"


def filled(url: str, query: str = "", **names: Any) -> str:
    return compile_url(url, "url").target(names, query).path


@pytest.mark.parametrize(
    ("url", "path"),
    [
        (HOST, "/"),
        (HOST + "/", "/"),
        (HOST + "?q=1", "/?q=1"),
        (HOST + "/a/b//c/", "/a/b//c/"),
        (HOST + "/a%20b/%C3%BC?x=%26&y[]=1&z=(a,b;c)", "/a%20b/%C3%BC?x=%26&y[]=1&z=(a,b;c)"),
        (HOST + "/{{ v }}", "/V"),
        (HOST + "/{{ v }}/", "/V/"),
        (HOST + "/a/{{ v }}-{{ w.x }}.json/b{{ v }}c/d?e={{ v }}&{{ v }}={{ w.x }}", "/a/V-1.json/bVc/d?e=V&V=1"),
        (HOST + "?{{ v }}", "/?V"),
        ("  HTTPS://API.Example.com/{{ v }}\n", "/V"),
        (HOST + "/{{ v | lower }}/{{ nothing | default('x') }}", "/v/x"),
    ],
)
def test_a_url_is_filled_in(url: str, path: str) -> None:
    compiled = compile_url(url, "url")
    target = compiled.target({"v": "V", "w": {"x": 1}})
    assert target.path == path
    assert target.site == ("https", "api.example.com", 443)
    assert target.origin.host_header == b"api.example.com"


VALUES = {
    "a/b": "a%2Fb",
    "a?b": "a%3Fb",
    "a#b": "a%23b",
    "a&b=c": "a%26b%3Dc",
    "a b+c": "a%20b%2Bc",
    "a%2fb": "a%252fb",
    "a\\b": "a%5Cb",
    "a;b": "a%3Bb",
    "a:b@c": "a%3Ab%40c",
    "ü€😀": "%C3%BC%E2%82%AC%F0%9F%98%80",
    "...": "...",
    "a..b": "a..b",
    "..a": "..a",
    "{{ v }}": "%7B%7B%20v%20%7D%7D",
    "//evil.test": "%2F%2Fevil.test",
    "https://evil.test": "https%3A%2F%2Fevil.test",
    "@evil.test": "%40evil.test",
    "~-_.": "~-_.",
}


@pytest.mark.parametrize("value", VALUES)
def test_a_value_keeps_its_place(value: str) -> None:
    assert filled(HOST + "/x/{{ v }}/y?q={{ v }}", v=value) == f"/x/{VALUES[value]}/y?q={VALUES[value]}"


CLIMBING = [".", "..", "a/..", "../a", "a/../b", "..\\..", "a\\..", "%2e%2e", "%2E.", ".%2e", "%252e%252e",
            "a%2f..%2fb", "a%2F%2e%2e", "..;x", "a/..;/b", " ..", ".. ", "%25252e%25252e", "./", "/."]  # fmt: skip


OTHERS = ["", "a\nb", "a\r\nb", "a\x00b", "\x7f", "a\tb", "\ud800", "x" * (LONGEST + 1)]


@pytest.mark.parametrize("value", [*CLIMBING, *OTHERS], ids=ascii)
def test_a_value_that_would_be_another_path_is_refused(value: str) -> None:
    with pytest.raises(InvalidRequest, match="No request can be made: ") as caught:
        filled(HOST + "/x/{{ v }}/y", v=value)
    assert (caught.value.status, caught.value.code) == (400, "http_value")
    assert "/x" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "names"),
    [
        ("/.{{ v }}/x", {"v": "."}),
        ("/{{ v }}{{ w }}/x", {"v": ".", "w": "."}),
        ("/%2e{{ v }}", {"v": "."}),
        ("/{{ v }}e", {"v": "%2e%2"}),
        ("/{{ v }}{{ w }}", {"v": "", "w": ""}),
        ("/a{{ v }}..", {"v": "/"}),
    ],
)
def test_nor_do_several_together_make_one(url: str, names: dict[str, str]) -> None:
    with pytest.raises(InvalidRequest):
        filled(HOST + url, **names)


@pytest.mark.parametrize("value", ["", ".", "..", "a\r\nb", "../..", "x=1&y=2"])
def test_in_a_query_anything_may_stand(value: str) -> None:
    path = filled(HOST + "/x?q={{ v }}&r=1", v=value)
    assert parse_qsl(path.partition("?")[2], keep_blank_values=True) == [("q", value), ("r", "1")]


@given(st.text(max_size=40), st.text(max_size=40))
def test_whatever_the_values_are_the_parts_stay(value: str, other: str) -> None:
    try:
        path = filled(HOST + "/a/{{ v }}/b-{{ w }}?c={{ v }}&d={{ w }}", v=value, w=other)
    except InvalidRequest:
        return
    assert path.isascii()
    assert path.isprintable()
    assert " " not in path
    before, _, query = path.partition("?")
    assert [unquote(part) for part in before.split("/")] == ["", "a", value, f"b-{other}"]
    assert parse_qsl(query, keep_blank_values=True) == [("c", value), ("d", other)]


def test_a_whole_url_has_bounds() -> None:
    with pytest.raises(InvalidRequest, match=f"longer than {LONGEST} characters"):
        filled(HOST + "/x?q={{ v }}", v="x" * LONGEST)


def test_what_is_asked_besides_is_added() -> None:
    assert filled(HOST + "/x", "a=1") == "/x?a=1"
    assert filled(HOST + "/x?b=2", "a=1") == "/x?b=2&a=1"


def test_a_name_that_is_missing_is_told() -> None:
    with pytest.raises(TemplateError, match="url: v is not defined"):
        filled(HOST + "/{{ v }}")


@given(st.text(max_size=60))
def test_any_location_leads_to_a_host_or_nowhere(location: str) -> None:
    here = compile_url(HOST, "url").target({})
    try:
        there = here.redirected(location)
    except ValueError:
        return
    assert isinstance(there, Target)
    assert there.path.startswith("/")
    assert there.path.isascii()
    assert not set(there.path) & set(" \r\n\\#")
    if "//" not in location and ":" not in location:
        assert there.origin == here.origin
