"""`gateway init`: a configuration for what can be used from here."""

import asyncio
import json
from collections.abc import Iterator, Mapping, Sequence
from errno import EEXIST
from os import strerror
from pathlib import Path
from shlex import quote

from gateway.commands.survey import LOCAL, LocalServer, keys, local_servers
from gateway.commands.words import columns
from gateway.config.schema import Server
from gateway.upstream import Origin

_SHOWN = 20
"""How many models of one server are listed."""
_OTHER_PORT = 8090

_HEAD = """\
# Written by `gateway init`. `gateway check` tells what is wrong with this file, `gateway explain` what it makes;
# `gateway serve` serves it.

server:
  host: 127.0.0.1    # any other address needs keys of its own below: sk-local is known to everybody
  port: {port}{why}

auth:
  keys:
    # The keys that callers use; `models` are globs over the names that they may ask for.
    - {{name: dev, key: "${{GATEWAY_KEY:-sk-local}}", models: ["*"]}}

providers:
"""
_MODELS = """
# Names of your own for providers' models. Callers may also ask for provider/model.
{block}
"""
_KNOWN = {"openai": ("gpt-4o-mini", "gpt-4o-mini"), "anthropic": ("claude-haiku", "claude-haiku-4-5")}
"""A first name for a model of those vendors whose models everybody knows."""


def init(path: Path, force: bool, environment: Mapping[str, str], places: Mapping[str, str] = LOCAL) -> str:
    """Look around, write the file, and say what stands in it.

    Raises FileExistsError where the file is there and `force` is not given, OSError where it cannot be written.
    """
    if path.exists() and not force:
        raise FileExistsError(EEXIST, strerror(EEXIST), str(path))
    found = keys(environment)
    servers = asyncio.run(local_servers(places))
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(document(found, servers), encoding="utf-8")
    rows = [*found.items(), *((server.preset, server.base_url) for server in servers)]
    nothing = "  the mock: no key was found in the environment, and no model server on this machine"
    what = columns(rows) if rows else [nothing]
    return "\n".join([f"{path} is written, with", *what, f"next: gateway serve --config {quote(str(path))}"])


def document(variables: Mapping[str, str], servers: Sequence[LocalServer]) -> str:
    """The file's text: `variables` hold keys, by the provider that each is for. It holds no secret."""
    usual = Server().port
    taken = usual in {Origin.parse(server.base_url).port for server in servers}
    head = _HEAD.format(
        port=_OTHER_PORT if taken else usual,
        why=f"         # {usual} is taken by a server below" if taken else "",
    )
    providers = [*_remote(variables), *map(_local, servers)]
    models = [*_names(variables, servers)]
    if all(line.startswith("#") for line in providers):
        providers.append("mock: {type: mock}    # built in, and needs no key: mock/echo, mock/lorem, mock/tools")
        models.append("echo: mock/echo")
    if not models:
        models = ["# fast: provider/model"]
    block = "models:" if any(not line.startswith("#") for line in models) else "# models:"
    return head + _indented(providers) + _MODELS.format(block=block) + _indented(models)


def _indented(lines: Sequence[str]) -> str:
    return "".join(f"  {line}\n" for line in lines)


def _remote(variables: Mapping[str, str]) -> Iterator[str]:
    for name, variable in variables.items():
        line = f'{name}: {{type: {name}, api_key: "${{{variable}}}"}}'
        if name == "azure":  # each customer has an address of their own
            yield f'# {name}: {{type: {name}, resource: NAME, api_key: "${{{variable}}}"}}    # fill in NAME'
        else:
            yield line


def _local(server: LocalServer) -> str:
    address = "" if server.base_url == LOCAL.get(server.preset) else f", base_url: {_quoted(server.base_url)}"
    more = len(server.models) - _SHOWN
    note = f"    # and {more} more" if more > 0 else ""
    listed = ", ".join(map(_quoted, server.models[:_SHOWN]))
    return f"{server.preset}: {{type: {server.preset}{address}, models: [{listed}]}}{note}"


def _names(variables: Mapping[str, str], servers: Sequence[LocalServer]) -> Iterator[str]:
    for name in variables:
        if name in _KNOWN:
            ours, theirs = _KNOWN[name]
            yield f"{ours}: {name}/{theirs}"
    for server in servers[:1]:
        yield f"local: {_quoted(f'{server.preset}/{server.models[0]}')}"


def _quoted(text: str) -> str:
    """Printable text as YAML reads it back."""
    return json.dumps(text, ensure_ascii=False)
