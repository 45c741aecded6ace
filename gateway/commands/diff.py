"""`gateway diff`: what changes for callers between two configurations."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from json import dumps
from typing import Any, NamedTuple, TypeVar

from gateway.commands.description import RINGS, Access, Description, Layer, Model, Vendor
from gateway.commands.diff_workflows import workflow_changes
from gateway.commands.words import duration, runs, size
from gateway.config.schema import Server

T = TypeVar("T")


class Change(NamedTuple):
    """A sentence, and whether a request that was answered may now be refused, fail, or be answered by another."""

    breaking: bool
    sentence: str


def diff(old: Description, new: Description, as_json: bool = False) -> tuple[bool, str]:
    """Whether anything changes for callers, and what, to be printed."""
    found = [*changes(old, new)]
    groups = {
        "may break callers": [change.sentence for change in found if change.breaking],
        "other changes": [change.sentence for change in found if not change.breaking],
    }
    if as_json:
        return bool(found), dumps(dict(zip(("breaking", "other"), groups.values(), strict=True)), indent=2)
    lines = []
    for title, sentences in groups.items():
        if sentences:
            lines += [title, *(f"  {sentence}" for sentence in sentences), ""]
    return bool(found), "\n".join(lines[:-1]) if found else "nothing changes for callers"


def changes(old: Description, new: Description) -> Iterator[Change]:
    """All changes, in the order of the file's blocks."""
    if old.url != new.url:
        yield Change(True, f"the gateway listens on {new.url}, before on {old.url}")
    yield from _server(old.server, new.server)
    yield from _keys(old.keys, new.keys)
    yield from _providers(old.providers, new.providers)
    yield from _models(old.models, new.models)
    yield from (Change(*told) for told in workflow_changes(old.workflows, new.workflows))
    if old.runs is not None and new.runs is not None and (before := runs(old.runs)) != (now := runs(new.runs)):
        yield Change(old.runs.keep and not new.runs.keep, f"runs are recorded {now}, before {before}")
    if old.default != new.default:
        now = f"goes to {new.default}" if new.default else "is refused"
        before = f"it went to {old.default}" if old.default else "it was refused"
        yield Change(old.default is not None, f"a request that names no model {now}, before {before}")
    yield from _pipeline(old.rings, new.rings)


def _server(old: Server, new: Server) -> Iterator[Change]:
    yield from _amount("bodies may have at most {}", old.max_body, new.max_body, size)
    yield from _amount("a body may take {} to arrive", old.body_timeout, new.body_timeout, duration)
    yield from _amount("open answers have {} to finish at a stop", old.shutdown_grace, new.shutdown_grace, duration)
    for what, before, now in (
        ("an error has its true status within the first {} of a stream", old.stream.hold, new.stream.hold),
        (
            "an error has its true status within the first {} of a stream of messages",
            old.stream.hold_messages,
            new.stream.hold_messages,
        ),
        ("silent streams are pinged each {}", old.stream.ping, new.stream.ping),
    ):
        if before != now:
            yield Change(False, f"{what.format(duration(now))}, before {duration(before)}")
    gone, come = _compared(old.forward_headers, new.forward_headers)
    yield from (Change(True, f"callers' header {name} no longer goes on to providers") for name in gone)
    yield from (Change(False, f"callers' header {name} now goes on to providers") for name in come)
    gone, come = _compared(*(one.cors.origins if one.cors is not None else () for one in (old, new)))
    yield from (Change(True, f"pages from {origin} may no longer call") for origin in gone)
    yield from (Change(False, f"pages from {origin} may now call") for origin in come)


def _keys(old: Sequence[Access] | None, new: Sequence[Access] | None) -> Iterator[Change]:
    if old is None or new is None:
        if old is not new:
            needed = new is not None
            yield Change(needed, f"a key is {'needed now' if needed else 'no longer needed: anybody may call'}")
        return
    by_name = {key.name: key for key in new}
    by_secret = {key.secret: key for key in new}
    renamed = set()
    for key in old:
        if key.name in by_name:
            yield from _key(key, by_name[key.name])
        elif key.secret in by_secret:
            same = by_secret[key.secret]
            renamed.add(same.name)
            yield Change(False, f"key {key.name!r} is called {same.name!r} now")
            yield from _key(key, same)
        else:
            yield Change(True, f"key {key.name!r} is gone")
    known = renamed.union(key.name for key in old)
    yield from (Change(False, f"key {name!r} is new") for name in by_name if name not in known)


def _key(old: Access, new: Access) -> Iterator[Change]:
    who = f"key {new.name!r}"
    if old.secret != new.secret:
        yield Change(True, f"{who}: its secret changed")
    for breaking, verb, some, others in (
        (True, "may no longer ask for", old.models, new.models),
        (False, "may now also ask for", new.models, old.models),
    ):
        if globs := [glob for glob in some if not any(fnmatchcase(glob, other) for other in others)]:
            yield Change(breaking, f"{who} {verb} {', '.join(globs)}")
    for name in {**old.limits, **new.limits}:
        yield from _bound(f"{who}: its limit {name}", old.limits.get(name), new.limits.get(name))
    yield from _bound(f"{who}: its budget in dollars", old.budget.get("usd"), new.budget.get("usd"))
    if old.budget and new.budget and (old_per := old.budget.get("per")) != (new_per := new.budget.get("per")):
        now, before = (duration(per) if isinstance(per, int | float) else per for per in (new_per, old_per))
        yield Change(True, f"{who}: its budget is for {now}, before for {before}")
    if old.role != new.role:
        yield Change(old.role is not None, f"{who}: its role is {new.role or 'none'}, before {old.role or 'none'}")


def _providers(old: Iterable[Vendor], new: Iterable[Vendor]) -> Iterator[Change]:
    gone, come, both = _matched(old, new)
    for one in gone:
        yield Change(True, f"provider {one.name!r} is gone: {one.name}/… can no longer be asked for")
    for one in come:
        yield Change(False, f"provider {one.name!r} is new{f', and switched off: {one.off}' if one.off else ''}")
    for before, now in both:
        yield from _provider(before, now)


def _provider(old: Vendor, new: Vendor) -> Iterator[Change]:
    who = f"provider {new.name!r}"
    if old.type != new.type:
        yield Change(True, f"{who} is of type {new.type}, before {old.type}")
    if old.secret != new.secret and not (old.off or new.off):
        yield Change(False, f"{who}: its secret changed")
    if old.max_tokens != new.max_tokens:
        yield from _bound(f"{who}: the max_tokens of calls that set none", old.max_tokens, new.max_tokens)
    if old.off or new.off:  # its address and surfaces are known of one that is on only
        if not new.off:
            yield Change(False, f"{who} is switched on")
        elif not old.off:
            yield Change(True, f"{who} is switched off: {new.off}")
        return
    if old.address and new.address and old.address != new.address:
        yield Change(True, f"{who} is at {new.address}, before at {old.address}")
    gone, come = _compared(old.surfaces, new.surfaces)
    yield from (Change(True, f"{who} no longer speaks {name}") for name in gone)
    yield from (Change(False, f"{who} speaks {name}") for name in come)
    gone, come = _compared(old.models, new.models)
    yield from (Change(False, f"{who} no longer lists {name}") for name in gone)
    yield from (Change(False, f"{who} lists {name}") for name in come)


def _models(old: Iterable[Model], new: Iterable[Model]) -> Iterator[Change]:
    before = {name: model for model in old for name in (model.name, *model.aliases)}
    now = {name: model for model in new for name in (model.name, *model.aliases)}
    told: dict[tuple[str, str], tuple[Model, Model, list[str]]] = {}
    for name, model in before.items():
        if name not in now:
            what = f"{name!r}, a name of {model.name!r}," if name != model.name else f"model {name!r}"
            yield Change(True, f"{what} is gone")
        else:
            told.setdefault((model.name, now[name].name), (model, now[name], []))[2].append(name)
    for name, model in now.items():
        if name not in before:
            where = ", ".join(model.targets)
            what = f"{name!r} is a new name of {model.name!r}" if name != model.name else f"model {name!r} is new"
            yield Change(False, f"{what}, and goes to {where}" + (f"; off ({model.off})" if model.off else ""))
    for one, other, names in told.values():
        yield from _model(one, other, f"model {' or '.join(map(repr, names))}")


def _model(old: Model, new: Model, who: str) -> Iterator[Change]:
    if old.targets != new.targets:
        yield Change(True, f"{who} goes to {', '.join(new.targets)}, before to {', '.join(old.targets)}")
    if old.strategy != new.strategy and old.strategy and new.strategy:
        yield Change(False, f"{who} chooses its target by {new.strategy}, before by {old.strategy}")
    if old.attempts != new.attempts:
        yield Change(False, f"{who} is tried {new.attempts} times at most, before {old.attempts}")
    if old.fallback != new.fallback:
        yield Change(False, f"{who} falls back on {_lists(new)}, before on {_lists(old)}")
    if new.off and not old.off:
        yield Change(True, f"{who} cannot be served any more ({new.off})")
    elif old.off and not new.off:
        yield Change(False, f"{who} can be served now")
    for name in old.timeouts:
        yield from _bound(f"{who}: its timeout {name}", old.timeouts[name], new.timeouts[name], duration)


def _lists(model: Model) -> str:
    return "; ".join(f"{', '.join(names)} ({cause})" for cause, names in model.fallback.items()) or "nothing"


def _pipeline(old: Mapping[str, Sequence[Layer]], new: Mapping[str, Sequence[Layer]]) -> Iterator[Change]:
    for ring in RINGS:
        before = [layer.name for layer in old[ring]]
        now = [layer.name for layer in new[ring]]
        gone, come = _compared(before, now)
        yield from (Change(True, f"{name} is new in the {ring} ring: it may refuse or change calls") for name in come)
        yield from (Change(False, f"{name} is gone from the {ring} ring") for name in gone)
        stayed = [name for name in now if name not in come]
        if stayed != [name for name in before if name not in gone]:
            yield Change(False, f"the order of the {ring} ring is {', '.join(now)}, before {', '.join(before)}")
        settings = {layer.name: layer.settings for layer in old[ring]}
        for layer in new[ring]:
            if layer.name in settings and layer.settings != settings[layer.name]:
                names = {**settings[layer.name], **layer.settings}
                changed = [name for name in names if layer.settings.get(name) != settings[layer.name].get(name)]
                yield Change(False, f"{layer.name} in the {ring} ring: {', '.join(changed)} changed")


def _amount(sentence: str, old: T, new: T, words: Callable[[Any], str]) -> Iterator[Change]:
    """Something of which callers have the less the smaller it is."""
    if old != new:
        smaller: bool = new < old  # type: ignore[operator]
        yield Change(smaller, f"{sentence.format(words(new))}, before {words(old)}")


def _word(value: Any) -> str:
    """A value of the file: `1,000`, `30d`."""
    return f"{value:,g}" if isinstance(value, int | float) and abs(value) < 10**6 else str(value)


def _bound(what: str, old: Any, new: Any, words: Callable[[Any], str] = _word) -> Iterator[Change]:
    """A bound that may be absent: a smaller one, or a new one, may break callers."""
    if old == new:
        return
    numbers = all(isinstance(value, int | float) for value in (old, new))
    tighter = new is not None and (old is None or not numbers or new < old)
    now, before = (words(value) if value is not None else "none" for value in (new, old))
    yield Change(tighter, f"{what} is {now}, before {before}")


def _compared(old: Iterable[str], new: Iterable[str]) -> tuple[list[str], list[str]]:
    """What is gone, and what has come."""
    before, now = [*old], [*new]
    return [one for one in before if one not in now], [one for one in now if one not in before]


def _matched(
    old: Iterable[Vendor], new: Iterable[Vendor]
) -> tuple[list[Vendor], list[Vendor], list[tuple[Vendor, Vendor]]]:
    """Those gone, those that came, and those in both, by name."""
    before = {one.name: one for one in old}
    now = {one.name: one for one in new}
    gone, come = _compared(before, now)
    both = [(one, now[name]) for name, one in before.items() if name in now]
    return [before[name] for name in gone], [now[name] for name in come], both
