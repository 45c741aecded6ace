"""plugins/orders.py: what a model is told of its functions, and what they do."""

from typing import Any

import pytest

from gateway.components import Components
from gateway.orchestration.arguments import signed
from gateway.seam import InvalidRequest

FOUND = Components()


def function(name: str) -> Any:
    return FOUND.find(f"orders:{name}", {}, "tools.x.function").maker


def test_an_order_is_found_and_paid_back() -> None:
    assert function("find_order")("4711").item == "a lamp"
    paid = function("refund")("4711", "Ann", reason="too small")
    assert paid == {"order": "4711", "state": "paid back", "amount": "39.90 EUR", "to": "Ann", "for": "too small"}


@pytest.mark.parametrize(("number", "told"), [("1", "There is no order 1."), ("4712", "it is on its way")])
def test_what_cannot_be_is_told(number: str, told: str) -> None:
    with pytest.raises(InvalidRequest, match=told):
        function("refund")(number, "Ann")


def test_what_a_model_is_told() -> None:
    schema = signed(function("refund"), ["customer"]).schema
    assert schema["required"] == ["number"]
    assert schema["properties"] == {"number": {"type": "string"}, "reason": {"type": "string", "default": "none given"}}
