"""Which providers could be used from here: keys in the environment, and servers on this machine that answer."""

import asyncio
import logging
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from gateway.providers.presets import PRESETS
from gateway.seam import GatewayError, Tasks, Timeouts
from gateway.seam.settings import Size
from gateway.upstream import Client, ClientSettings, Origin, open_client

LOCAL: Mapping[str, str] = {name: one.base_url for name, one in PRESETS.items() if one.base_url and not one.variable}
"""Where servers on this machine listen unless told otherwise, by preset."""
_PATIENCE = 1.0
"""Seconds in which a server on this machine answers, or is none."""
_LARGEST = Size(2**20)
_OWNERS = {"llamacpp": "llamacpp"}
"""What a list of models must say of their owner where others, such as this gateway, like to use the same port."""


class LocalServer(NamedTuple):
    """A server that answered: its preset, where, and the models that it lists."""

    preset: str
    base_url: str
    models: list[str]


class _Entry(msgspec.Struct):
    id: str
    owned_by: str | None = None


class _List(msgspec.Struct):
    data: list[_Entry]


def keys(environment: Mapping[str, str]) -> dict[str, str]:
    """The presets whose key variable is set, with its name."""
    variables = {name: one.variable for name, one in PRESETS.items() if one.variable is not None}
    return {name: variable for name, variable in variables.items() if environment.get(variable)}


async def local_servers(places: Mapping[str, str] = LOCAL) -> list[LocalServer]:
    """Ask all places (base URLs by preset) at once for their models; those that do not answer are left out."""
    client = open_client(ClientSettings(max_body=_LARGEST))
    tasks = Tasks(logging.getLogger("gateway"))
    try:
        asked = [tasks.spawn(_ask(client, preset, base_url)) for preset, base_url in places.items()]
        return [server for task in asked if (server := await task) is not None]
    finally:
        await client.aclose()


async def _ask(client: Client, preset: str, base_url: str) -> LocalServer | None:
    origin = Origin.parse(base_url)
    head = b"GET %s/models HTTP/1.1\r\nhost: %s\r\naccept: application/json\r\n" % (
        origin.path.encode(),
        origin.host_header,
    )
    try:
        async with asyncio.timeout(_PATIENCE):
            exchange = await client.send(origin, head, b"", Timeouts())
            try:
                body = await exchange.whole()
                status = exchange.status
            finally:
                await exchange.aclose()
        listed = msgspec.json.decode(body, type=_List).data if status == 200 else []
    except (GatewayError, TimeoutError, msgspec.MsgspecError, UnicodeDecodeError):
        return None
    owner = _OWNERS.get(preset)
    models = [entry.id for entry in listed if _usable(entry.id) and (owner is None or entry.owned_by == owner)]
    return LocalServer(preset, base_url, models) if models else None


def _usable(name: str) -> bool:
    """Whether a name can stand in the file, where `${…}` would be filled in from the environment."""
    return bool(name) and name.isprintable() and "${" not in name
