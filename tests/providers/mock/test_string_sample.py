import pytest

from gateway.providers.mock.string_sample import string


@pytest.mark.parametrize(
    ("schema", "texts"),
    [
        ({}, ["city", "city 2"]),
        ({"minLength": 6}, ["city..", "city 2"]),
        ({"maxLength": 2}, ["aa", "ba"]),
        ({"maxLength": 0}, ["", ""]),
        ({"minLength": True, "maxLength": "x"}, ["city", "city 2"]),
        ({"format": "date"}, ["2025-01-01", "2025-01-02"]),
        ({"format": "uuid"}, ["00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"]),
        ({"format": "email"}, ["user1@example.com", "user2@example.com"]),
        ({"format": "unheard-of"}, ["city", "city 2"]),
        ({"pattern": "^x+$"}, ["x", "x"]),
        ({"pattern": r"\p{L}"}, ["city", "city 2"]),
    ],
)
def test_strings(schema, texts):
    assert [string(schema, "city", number) for number in range(2)] == texts


@pytest.mark.parametrize("form", ["email", "uri"])
@pytest.mark.parametrize("least", [20, 50, 300])
def test_formats_grow(form, least):
    assert len(string({"format": form, "minLength": least}, "", 0)) >= least
