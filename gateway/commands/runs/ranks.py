"""The rows of a drawing: each step below all that lead to it, ways back apart."""

from collections.abc import Iterator, Mapping, Sequence

from gateway.commands.runs.plan import Plan, Way
from gateway.orchestration.settings import END

_SWEEPS = 4
"""How often rows are put in order by their neighbours; more rarely changes anything."""


def rows(plan: Plan) -> list[list[str]]:
    """The names of steps, row by row; END, where there is a way to it, is the last row."""
    order, back = _sorted(plan)
    ways = [way for way in plan.ways if way not in back]
    reached = {way.target for way in plan.ways} | set(plan.starts)
    rank = dict.fromkeys(order, 0)
    into: dict[str, list[str]] = {}
    for way in ways:
        into.setdefault(way.target, []).append(way.source)
    for name in order:
        rank[name] = max((rank[source] + 1 for source in into.get(name, ())), default=0)
    deepest = max((rank[name] for name in order if name in reached and name != END), default=0)
    leading = {way.source for way in plan.ways}
    for name in order:
        if name not in reached:  # nothing leads there but a failure: it stands beside the end, if that is the next
            rank[name] = deepest + (END in rank and name not in leading)
    if END in rank:
        rank[END] = deepest + 1
    found: list[list[str]] = [[] for _ in range(max(rank.values(), default=-1) + 1)]
    for name in (*plan.starts, *plan.steps, END):
        if name in rank and name not in found[rank[name]]:
            found[rank[name]].append(name)
    return _ordered([row for row in found if row], ways)


def _sorted(plan: Plan) -> tuple[list[str], set[Way]]:
    """The names, each after those that lead to it, and the ways that lead back."""
    after: dict[str, list[str]] = {}
    for way in plan.ways:
        after.setdefault(way.source, []).append(way.target)
    done: list[str] = []
    open_: dict[str, Iterator[str]] = {}
    closed: set[str] = set()
    back: set[Way] = set()
    for root in (*plan.starts, *plan.steps):
        pile = [] if root in closed else [root]
        while pile:
            name = pile[-1]
            below = open_.setdefault(name, iter(after.get(name, ())))
            for target in below:
                if target in open_:
                    back.add(Way(name, target))
                elif target not in closed:
                    pile.append(target)
                    break
            else:
                pile.pop()
                del open_[name]
                closed.add(name)
                done.append(name)
    return done[::-1], back


def _ordered(found: list[list[str]], ways: Sequence[Way]) -> list[list[str]]:
    """Each row in the order of what its steps are joined to in the rows beside it, so that few ways cross.

    What is joined to nothing there stands to the right.
    """
    above: dict[str, list[str]] = {}
    below: dict[str, list[str]] = {}
    for way in ways:
        above.setdefault(way.target, []).append(way.source)
        below.setdefault(way.source, []).append(way.target)
    for _ in range(_SWEEPS):
        for number in range(1, len(found)):
            found[number] = _by(found[number], found[number - 1], above)
        for number in range(len(found) - 2, -1, -1):
            found[number] = _by(found[number], found[number + 1], below)
    return found


def _by(row: list[str], beside: list[str], joined: Mapping[str, list[str]]) -> list[str]:
    at = {name: (place + 0.5) / len(beside) for place, name in enumerate(beside)}
    own = {name: (place + 0.5) / len(row) for place, name in enumerate(row)}

    def mean(name: str) -> float:
        places = [at[other] for other in joined.get(name, ()) if other in at]
        return sum(places) / len(places) if places else 1 + own[name]

    return sorted(row, key=mean)
