"""All models by name: those that the file names, and every provider's own as `provider/model`."""

import difflib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import NamedTuple

from gateway.seam import Call, Caller, Handler, ModelNotFound, Reply

OURS = "gateway"
"""Who owns models that are the gateway's own: chains and graphs."""
_REMEMBERED = 1024
"""How many `provider/model` names keep their handler: names come from callers, and must not fill the memory."""
_LONG = 256
"""Characters of a name from which on it is neither remembered nor compared with others, and shown in part."""
_COMPARED = 256
"""How many names are compared with one that is unknown: a comparison costs some 30 µs."""


class Listing(NamedTuple):
    """A model as `/v1/models` shows it."""

    name: str
    owner: str


class Catalog:
    """A Handler that finds the model a call asks for. Raises `ModelNotFound`.

    `named` are the handlers of names in the file; `providers` make a handler for any model's name at that provider;
    `listed` is what callers see.
    """

    def __init__(
        self,
        named: Mapping[str, Handler],
        providers: Mapping[str, Callable[[str], Handler]],
        listed: Iterable[Listing],
    ) -> None:
        self._handlers = dict(named)
        self._room = len(self._handlers) + _REMEMBERED
        self._providers = dict(providers)
        self._listed = {listing.name: listing for listing in listed}

    def __call__(self, call: Call) -> Awaitable[Reply]:
        """Hand the call to the model that it names."""
        name = call.request.model
        handler = self._handlers.get(name)
        if handler is None:
            handler = self._find(name)
        return handler(call)

    def visible(self, caller: Caller | None) -> list[Listing]:
        """What this caller may use, in the order of the file."""
        return [entry for entry in self._listed.values() if caller is None or caller.may_use(entry.name)]

    def explain(self, error: ModelNotFound, caller: Caller | None) -> ModelNotFound:
        """The same error with names near to the one asked for; only names that this caller may use."""
        if len(error.name) > _LONG:
            return ModelNotFound(f"{error.name[:_LONG]}…")
        names = [entry.name for entry in self.visible(caller)]
        if error.name in names:
            told = ModelNotFound(error.name)
            told.message = f"The model {error.name!r} cannot be served: its provider does not know what it leads to."
            told.provider = error.provider
            return told
        names = names[:_COMPARED]
        return ModelNotFound(error.name, difflib.get_close_matches(error.name, names, n=3, cutoff=0.6))

    def _find(self, name: str) -> Handler:
        provider, slash, model = name.partition("/")
        make = self._providers.get(provider)
        if make is None or not slash or not model:
            raise ModelNotFound(name)
        handler = make(model)
        if len(self._handlers) < self._room and len(name) <= _LONG:
            self._handlers[name] = handler
        return handler
