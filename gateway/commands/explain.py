"""`gateway explain`: the gateway that a file makes, to be read."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches
from json import dumps
from typing import Any

from gateway.accounts.keys import Key
from gateway.build import Gateway
from gateway.commands.description import DEFAULT_TIMEOUTS, RINGS, Description, Layer, Model, describe, plain
from gateway.commands.words import columns, duration, runs, size, timeouts
from gateway.orchestration.discreet import discreet
from gateway.orchestration.mermaid import mermaid
from gateway.orchestration.outline import outline, summary, tool_rows
from gateway.orchestration.settings import Chain, Graph, Tool

_VIRTUAL = ("chain:", "graph:")


def explain(gateway: Gateway, name: str | None = None, as_json: bool = False, as_mermaid: bool = False) -> str:
    """The whole gateway, or the one model, chain or graph `name`. Raises LookupError where nothing has this name.

    `as_mermaid` draws a chain or graph as a Mermaid flowchart.
    """
    if name is not None and name.startswith(_VIRTUAL):
        return _workflow(gateway, name, as_json, as_mermaid)
    if as_mermaid:
        raise LookupError("--mermaid draws chains and graphs: name one, such as chain:NAME")
    what = describe(gateway)
    model = _named(what, name) if name is not None else None
    if as_json:
        return dumps(plain(model) if model is not None else plain(what), indent=2)
    return "\n".join(_one(what, model) if model is not None else _whole(what, gateway))


def _workflows(gateway: Gateway) -> dict[str, Chain | Graph]:
    """The chains and graphs by the names that callers ask for, as they may be shown."""
    read = gateway.workflows
    if read is None:
        return {}
    variables = gateway.config.positions.hidden
    chains = {f"chain:{name}": discreet(chain, f"chains.{name}", variables) for name, chain in read.chains.items()}
    graphs = {f"graph:{name}": discreet(graph, f"graphs.{name}", variables) for name, graph in read.graphs.items()}
    return {**chains, **graphs}


def _tools(gateway: Gateway) -> dict[str, Tool]:
    """The tools by name, as they may be shown."""
    if gateway.workflows is None:
        return {}
    variables = gateway.config.positions.hidden
    return {name: discreet(tool, f"tools.{name}", variables) for name, tool in gateway.workflows.tools.items()}


def _workflow(gateway: Gateway, name: str, as_json: bool, as_mermaid: bool) -> str:
    known = _workflows(gateway)
    if name not in known:
        near = get_close_matches(name, known, n=3)
        hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"
        raise LookupError(f"nothing is called {name!r}; {hint}")
    if as_mermaid:
        return mermaid(known[name])
    return dumps(plain(known[name]), indent=2) if as_json else "\n".join(outline(name, known[name]))


def _whole(what: Description, gateway: Gateway) -> list[str]:
    sections = {
        "server": _server(what),
        "pipeline": _pipeline(what),
        "models": _models(what),
        "chains and graphs": columns([(name, *summary(workflow)) for name, workflow in _workflows(gateway).items()]),
        "tools": columns(tool_rows(_tools(gateway))),
        "runs": [] if what.runs is None else [f"  {runs(what.runs)}"],
        "providers": _providers(what),
        "keys": _keys(what),
        "notes": [f"  {note}" for note in what.notes],
    }
    lines = []
    for title, body in sections.items():
        if body:
            lines += [title, *body, ""]
    return lines[:-1]


def _named(what: Description, name: str) -> Model:
    """The model that callers may ask for by this name: one of the file's, an alias, or `provider/model`."""
    for model in what.models:
        if name == model.name or name in model.aliases:
            return model
    provider, _, rest = name.partition("/")
    for vendor in what.providers:
        if vendor.name == provider and rest:
            off = f"{vendor.name}: {vendor.off}" if vendor.off else None
            return Model(name, "model", [], [name], DEFAULT_TIMEOUTS, off)
    known = [*(name for model in what.models for name in (model.name, *model.aliases))]
    near = get_close_matches(name, known, n=3)
    hint = f"did you mean {' or '.join(near)}?" if near else f"there are: {', '.join(known) or 'none'}"
    raise LookupError(f"no model is called {name!r}; {hint}")


def _one(what: Description, model: Model) -> list[str]:
    rows = [("model", model.name)]
    if model.aliases:
        rows.append(("aliases", ", ".join(model.aliases)))
    for number, target in enumerate(model.targets):
        rows.append(("" if number else "target", _target(what, target)))
    if model.strategy:
        rows.append(("strategy", model.strategy))
    if model.off:
        rows.append(("off", model.off))
    rows.append(("tries", str(model.attempts)))
    for cause, names in model.fallback.items():
        rows.append((f"fallback, {cause}", ", ".join(names)))
    rows.append(("timeouts", timeouts(model.timeouts)))
    rows.append(("keys", _callers(what, model)))
    for ring in RINGS:
        rows.append((f"{ring} ring", " → ".join(layer.name for layer in what.rings[ring]) or "–"))
    return columns(rows, 0)


def _callers(what: Description, model: Model) -> str:
    if what.keys is None:
        return "none needed"
    names = (model.name, *model.aliases)
    callers = [key.name for key in what.keys if any(map(Key(key.name, key.models).may_use, names))]
    return ", ".join(callers) or "none may ask for it"


def _target(what: Description, target: str) -> str:
    name, _, model = target.partition("/")
    for vendor in what.providers:
        if vendor.name == name and vendor.off:
            return f"{target}  (off: {vendor.off})"
        if vendor.name == name and vendor.address:
            return f"{target}  ({model} at {vendor.address})"
    return target


def _server(what: Description) -> list[str]:
    server = what.server
    rows = [
        ("address", f"{what.url}/v1" + (f", {server.workers} workers" if server.workers > 1 else "")),
        ("limits", f"body {size(server.max_body)} within {duration(server.body_timeout)}"),
        ("streams", f"wait {duration(server.stream.hold)} for content, then ping each {duration(server.stream.ping)}"),
        ("stop", f"answers have {duration(server.shutdown_grace)} to finish"),
    ]
    if server.forward_headers:
        rows.append(("headers", f"{', '.join(server.forward_headers)} go on to providers"))
    if server.cors is not None:
        rows.append(("pages", f"from {', '.join(server.cors.origins)} may call"))
    return columns(rows)


def _pipeline(what: Description) -> list[str]:
    lines = []
    for ring, often in RINGS.items():
        lines.append(f"  {ring}: {often}")
        rows = [(f"{number}", layer.name, _settings(layer)) for number, layer in enumerate(what.rings[ring], 1)]
        lines += columns(rows, 4) if rows else ["    –"]
    return lines


def _settings(layer: Layer) -> str:
    words = [f"{name} {_value(value)}" for name, value in layer.settings.items()]
    return ", ".join(words if layer.origin == "stock" else [f"from {layer.origin}", *words])


def _value(value: Any) -> str:
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} {_value(item)}" for name, item in value.items()) + "}"
    return " ".join(map(_value, value)) if isinstance(value, list) else str(value)


def _models(what: Description) -> list[str]:
    rows = [
        (
            model.name,
            "→ " + ", ".join(model.targets),
            f"also {', '.join(model.aliases)}" if model.aliases else "",
            f"off ({model.off})" if model.off else timeouts(_own(model)),
        )
        for model in what.models
    ]
    lines = columns(rows) if rows else []
    lines.append(f"  timeouts, unless a model has its own: {timeouts(DEFAULT_TIMEOUTS)}")
    if what.default:
        lines.append(f"  a request that names no model goes to {what.default}")
    return lines


def _own(model: Model) -> dict[str, float | None]:
    return {name: value for name, value in model.timeouts.items() if value != DEFAULT_TIMEOUTS[name]}


def _providers(what: Description) -> list[str]:
    return columns([*_vendors(what)]) if what.providers else []


def _vendors(what: Description) -> Iterator[tuple[str, str, str]]:
    for vendor in what.providers:
        kind = f"({vendor.type})" if vendor.type != vendor.name else ""
        if vendor.off:
            yield vendor.name, kind, f"off ({vendor.off})"
            continue
        words = [vendor.address or "", f"speaks {', '.join(vendor.surfaces)}"]
        if vendor.models:
            words.append(f"lists {', '.join(vendor.models)}")
        if vendor.max_tokens:
            words.append(f"max_tokens {vendor.max_tokens}")
        yield vendor.name, kind, ", ".join(filter(None, words))


def _keys(what: Description) -> list[str]:
    if what.keys is None:
        return ["  none needed: whoever reaches the address may call"]
    return columns([(key.name, f"may ask for {', '.join(key.models)}", key.role or "") for key in what.keys])
