"""Names whose values outlive a run: kept with the conversation, where the next turn goes on from them."""

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from gateway.orchestration.settings import Chain, Graph, Sequential
from gateway.orchestration.settings import State as StateSettings
from gateway.orchestration.state import Reducer
from gateway.seam import GatewayError
from gateway.stores.identity import Change
from gateway.wire.verbatim import encode


class Variable:
    """One of them: how outputs are reduced to its value, and what it is before there are any (None: undefined)."""

    def __init__(self, name: str, reducer: Reducer, first: Any = None) -> None:
        self.name = name
        self._reducer = reducer
        self._first = first

    def fits(self, value: Any) -> bool:
        """Whether outputs may go on from a value that was kept: an older configuration may have kept another kind."""
        return self._reducer.goes_on(value, self._first)

    def change(self, outputs: Sequence[Any]) -> Change:
        """What a run's outputs, in their order, do to the value that is kept when the run has ended.

        That may be another one than the run began with, for another turn may have ended meanwhile: what is appended or
        added goes to what is there then, so that neither turn's is lost; else the newer one takes its place.
        """

        def changed(kept: bytes | None) -> bytes | None:
            value = self._first if kept is None else msgspec.json.decode(kept)
            if not self.fits(value):
                value = self._first
            try:
                for output in outputs:
                    value = self._reducer.reduced(self.name, value, output)
                return encode(value)
            except (GatewayError, ValueError):  # there is no such sum any more, or no such text in JSON
                return None

        return changed


def variables(workflow: Chain | Graph) -> Mapping[str, Variable]:
    """What a chain or graph keeps beside the messages, by name."""
    match workflow:
        case Sequential():
            return {name: Variable(name, Reducer()) for name in workflow.kept}
        case Graph():
            states = {name: workflow.state.get(name, StateSettings()) for name in workflow.kept}
            return {
                name: Variable(name, Reducer(one.reduce, one.type, one.last), first(one))
                for name, one in states.items()
            }
    return {}


def first(state: StateSettings) -> Any:
    """What a name of a graph's state is before any node wrote it; None: undefined."""
    if state.default is not None or state.reduce == "replace":
        return state.default
    empty: dict[str | None, Any] = {"array": [], "string": ""}
    return [] if state.reduce == "append" else empty.get(state.type, 0)
