"""What `gateway serve` says at its start: what a person needs to begin."""

import json
from collections.abc import Sequence
from shlex import quote

from gateway.accounts.keys import Key
from gateway.build import LOCAL_KEY, Gateway
from gateway.config.schema import KeyEntry, Server

_SHOWN = 20
"""How many models are named."""
_EVERYWHERE = {"": "127.0.0.1", "0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 (compared with, not bound)


def greeting(gateway: Gateway) -> list[str]:
    """Lines: models, who is switched off and how to switch it on, notes, and a request that works."""
    names = [entry.name for entry in gateway.catalog.visible(None)]
    lines = [f"models: {_listed(names)}" if names else f"models: none are listed; {_unlisted([*gateway.providers])}"]
    if gateway.off:
        lines.append(f"off: {', '.join(f'{name} ({cure})' for name, cure in gateway.off.items())}")
    lines += [f"note: {note}" for note in other_notes(gateway)]
    if gateway.auth is None:
        lines.append("note: no auth block: whoever reaches this address may call")
    keys = gateway.auth.keys if gateway.auth is not None else None
    return lines + _request(gateway.config.server, keys, names)


def other_notes(gateway: Gateway) -> list[str]:
    """The notes that are not about a provider that is switched off."""
    off = tuple(f"providers.{name}:" for name in gateway.off)
    return [note for note in gateway.notes if not note.startswith(off)]


def address(host: str, port: int) -> str:
    """The root of the URL of a server."""
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"


def _listed(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more


def _unlisted(providers: Sequence[str]) -> str:
    if not providers:
        return "no provider is switched on"
    return f"ask for {' or '.join(f'{name}/MODEL' for name in providers)}"


def _request(server: Server, keys: Sequence[KeyEntry] | None, names: Sequence[str]) -> list[str]:
    """A curl line with a key and a model that this key may use; none where there is no such thing."""
    entry = next((key for key in keys if key.key == LOCAL_KEY), keys[0]) if keys else None
    model = next((name for name in names if entry is None or Key(entry.name, entry.models).may_use(name)), None)
    if model is None or server.port == 0 or keys == []:
        return []
    root = address(_EVERYWHERE.get(server.host, server.host), server.port)
    words = ["curl", f"{root}/v1/chat/completions"]
    if entry is not None:
        # In double quotes, for the shell to fill in what only the caller knows.
        known = entry.key == LOCAL_KEY
        words += ["-H", f"'authorization: Bearer {LOCAL_KEY}'" if known else '"authorization: Bearer $KEY"']
    body = {"model": model, "messages": [{"role": "user", "content": "Hello"}]}
    words += ["-H", "'content-type: application/json'"]
    words += ["-d", quote(json.dumps(body, separators=(",", ":"), ensure_ascii=False))]
    whose = f" (KEY is that of {entry.name!r})" if entry is not None and entry.key != LOCAL_KEY else ""
    return [f"try{whose}: {' '.join(words)}"]
