import pytest

from gateway.providers.mock.number_sample import decimal, integer


@pytest.mark.parametrize(
    ("schema", "numbers"),
    [
        ({}, [1, 2, 3]),
        ({"minimum": 10}, [10, 11, 12]),
        ({"minimum": -5, "maximum": 2}, [1, 2, -5]),
        ({"maximum": -3}, [-3, -4, -5]),
        ({"exclusiveMinimum": 3, "maximum": 5}, [4, 5, 4]),
        ({"minimum": 3, "exclusiveMinimum": True}, [4, 5, 6]),
        ({"multipleOf": 7, "minimum": 8}, [14, 21, 28]),
        ({"multipleOf": 0.5}, [1, 2, 3]),
        ({"minimum": "x", "maximum": None, "multipleOf": 0}, [1, 2, 3]),
    ],
)
def test_integers(schema, numbers):
    assert [integer(schema, number) for number in range(3)] == numbers


@pytest.mark.parametrize(
    ("schema", "numbers"),
    [
        ({}, [1.5, 2.5]),
        ({"minimum": 0, "maximum": 1}, [0.5, 2 / 3]),
        ({"minimum": 2, "maximum": 2}, [2, 2]),
        ({"exclusiveMinimum": 0}, [1, 2]),
        ({"exclusiveMaximum": 0}, [-1, -2]),
        ({"multipleOf": 0.01, "minimum": 1}, [1, 1.01]),
    ],
)
def test_decimals(schema, numbers):
    assert [decimal(schema, number) for number in range(2)] == numbers
