"""Files inside a document."""

import pytest

from gateway.translate.data_url import File, parse


@pytest.mark.parametrize(
    ("url", "file"),
    [
        ("data:image/png;base64,AAAA", File("image/png", "AAAA")),
        ("DATA:Image/PNG;charset=utf-8;BASE64,AAAA", File("image/png", "AAAA")),
        ("data:,a%20b", File("text/plain", "YSBi")),
        ("data:image/svg+xml,%3Csvg%2F%3E", File("image/svg+xml", "PHN2Zy8+")),
        ("https://example.com/a.png", None),
        ("data:", None),
        ("", None),
    ],
)
def test_parse(url: str, file: File | None) -> None:
    assert parse(url) == file


def test_a_file() -> None:
    assert File("text/plain", "aGk=").url == "data:text/plain;base64,aGk="
    assert File("text/plain", "aGk=").text() == "hi"
    assert File("text/plain", "/w==").text() is None
    assert File("text/plain", "no base64!").text() is None
