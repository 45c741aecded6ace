"""The chains and graphs of a configuration, read beside its models and functions, and made ready to run."""

from collections.abc import Callable, Iterator
from typing import Any

from gateway.components import Components, made
from gateway.config.hosts import readable
from gateway.config.problems import ConfigError, Problem
from gateway.config.routing import VIRTUAL, Fallback, ModelEntry
from gateway.config.schema import Config
from gateway.orchestration.assembly import Assembly
from gateway.orchestration.maker import is_node
from gateway.orchestration.records import Records
from gateway.orchestration.wiring import Workflows, read_workflows, unbuilt
from gateway.seam import Env
from gateway.stores.conversations import Conversations

_NODE = "a node: a class with `async def __call__(self, call, run)`"


def workflows(config: Config, components: Components, notes: list[str], problems: list[Problem]) -> Workflows:
    """The chains and graphs; what is wrong is added to `problems`, and what does nothing yet to `notes`."""
    try:
        hosts = readable(config.orchestrator.http_hosts)
        functions = _function(components)
        read = read_workflows(
            config.chains, config.graphs, config.tools, models(config), config.providers, functions, hosts
        )
    except ConfigError as error:
        problems += error.problems
        return Workflows({}, {}, {})
    notes += unbuilt(read)
    return read


def models(config: Config) -> dict[str, list[str]]:
    """The names of models, aliases too, with the chains and graphs that each leads to, by way of others too."""
    owners = {name: name for name in config.models}
    for name, model in config.models.items():
        owners.update(dict.fromkeys(model.aliases if isinstance(model, ModelEntry) else (), name))
    return {name: _led_to(config, owners, owner) for name, owner in owners.items()}


def _led_to(config: Config, owners: dict[str, str], owner: str) -> list[str]:
    seen = {owner}
    led_to: list[str] = []
    pile = [owner]
    while pile:
        for name in _named(config.models[pile.pop()]):
            if name.partition(":")[0] in VIRTUAL:
                led_to.append(name)
            elif (other := owners.get(name)) is not None and other not in seen:
                seen.add(other)
                pile.append(other)
    return led_to


def _named(model: str | ModelEntry) -> Iterator[str]:
    """Everything that a model turns to."""
    if isinstance(model, str):
        yield model
        return
    yield from (target.to for target in model.targets)
    given = model.fallback
    lists = [getattr(given, cause) for cause in given.__struct_fields__] if isinstance(given, Fallback) else [given]
    yield from (name for names in lists for name in names)


def _function(components: Components) -> Callable[[str, str], Any]:
    def find(name: str, place: str) -> Any:
        found = components.find(name, {}, place).maker
        # A node takes whatever `args` there are, as `inputs`.
        return _any_arguments if isinstance(found, type) or is_node(found) else found

    return find


def _any_arguments(**_: Any) -> None:
    """What takes any arguments, for whoever looks at them."""


def remembering(read: Workflows) -> list[str]:
    """The chains and graphs that keep conversations, with their places."""
    chains = [f"chains.{name}" for name, chain in read.chains.items() if chain.memory is not None]
    return chains + [f"graphs.{name}" for name, graph in read.graphs.items() if graph.memory is not None]


def assembled(
    read: Workflows,
    config: Config,
    env: Env,
    components: Components,
    conversations: Conversations,
    records: Records,
) -> Assembly:
    """The chains and graphs as models. Raises `ConfigError` where a node of one's own cannot be made."""
    nodes: dict[str, Any] = {}

    def find(name: str, place: str) -> Any:
        found = components.find(name, {}, place)
        if not isinstance(found.maker, type):
            return found.maker
        if name not in nodes:  # made once, however often it is named
            nodes[name] = made(found, name, {}, place)
            if not is_node(nodes[name]):
                raise ConfigError([Problem(place, "", f"a function, or {_NODE}", name)])
        return nodes[name]

    return Assembly(
        read.chains,
        read.graphs,
        env=env,
        find=find,
        bounds=config.orchestrator,
        conversations=conversations,
        tools=read.tools,
        records=records,
    )
