"""Tools for a shop's agent: plain functions, which `config/examples/agent.yaml` lets a model call.

A model is told the docstring and the types. Where it asks for something that cannot be, a `GatewayError` tells it so.
"""

from dataclasses import dataclass, replace

from gateway.seam import InvalidRequest


@dataclass(frozen=True)
class Order:
    """One order, as the model sees it."""

    number: str
    item: str
    price: float
    state: str


ORDERS = {
    "4711": Order("4711", "a lamp", 39.9, "delivered"),
    "4712": Order("4712", "a chair", 120.0, "on its way"),
}
"""In the place of the shop's database."""


def find_order(number: str) -> Order:
    """Look an order up by its number, which has four digits."""
    if number not in ORDERS:
        raise InvalidRequest(f"There is no order {number}. Ask the customer for the right number.")
    return ORDERS[number]


def refund(number: str, customer: str, reason: str = "none given") -> dict[str, str]:
    """Pay an order back. Only orders that were delivered can be; look the order up first."""
    order = find_order(number)
    if order.state != "delivered":
        raise InvalidRequest(f"Order {number} cannot be paid back: it is {order.state}.")
    paid = replace(order, state="paid back")
    return {
        "order": paid.number,
        "state": paid.state,
        "amount": f"{order.price:.2f} EUR",
        "to": customer,
        "for": reason,
    }
