"""What is wrong with a chain."""

from collections.abc import Iterator

from gateway.config.problems import Problem
from gateway.orchestration.memory_wiring import keep_problems, memory_problems
from gateway.orchestration.names import ANYTHING, Names, own_name, spelling
from gateway.orchestration.settings import Chain, Combine, Conditional, Conversational, Parallel, Sequential
from gateway.orchestration.works import SAID, Known, condition_problems, given, kind_of, shape_of, work_problems


def chain_problems(chain: Chain, place: str, known: Known) -> Iterator[Problem]:
    """Everything that is wrong with a chain by itself."""
    yield from memory_problems(chain.memory, f"{place}.memory", known)
    match chain:
        case Sequential():
            yield from _sequential(chain, place, known)
        case Parallel():
            yield from _parallel(chain, place, known)
        case Conditional():
            yield from _conditional(chain, place, known)
        case Conversational():
            yield from work_problems(chain.work(), place, Names(), known)
        case _:
            yield from work_problems(chain, place, Names(), known)


def _sequential(chain: Sequential, place: str, known: Known) -> Iterator[Problem]:
    sure: set[str] = set()
    maybe: set[str] = set()
    # What an earlier turn has kept is of the shape that this one will give it.
    shapes = {step.output: shape_of(step) for step in chain.steps if step.keep}
    owners: dict[str, str] = {}
    outputs = {step.output for step in chain.steps}
    for number, step in enumerate(chain.steps):
        at = f"{place}.steps[{number}]"
        yield from work_problems(step, at, Names(sure, maybe, shapes, elsewhere=outputs, kept=chain.kept), known)
        yield from own_name(step.output, f"{at}.{'save' if step.save else 'name'}")
        if step.keep:
            yield from keep_problems(step.output, f"{at}.keep", chain.memory)
        if step.name in owners:
            told = f"the name {step.name!r} stands for {owners[step.name]} too"
            yield Problem(f"{at}.name", told, "a name of its own", repr(step.name), "rename one")
        owners.setdefault(step.name, f"steps[{number}]")
        fails = step.on_error == "fail" or step.default is not None
        (sure if fails else maybe).add(step.output)
        shapes[step.output] = shape_of(step) if fails else ANYTHING
    last = chain.steps[-1]
    if last.on_error == "continue" and last.default is None:
        at = f"{place}.steps[{len(chain.steps) - 1}].on_error"
        yield Problem(
            at, "the last step's output is the answer", "`fail`, or a `default`", "continue", "add `default:`"
        )


def _parallel(chain: Parallel, place: str, known: Known) -> Iterator[Problem]:
    if not chain.branches:
        yield Problem(f"{place}.branches", "", "a branch at least", "an empty block", "add one")
    names = Names(elsewhere=chain.branches)
    for name, branch in chain.branches.items():
        at = f"{place}.branches.{name}"
        yield from spelling(name, at)
        yield from own_name(name, at)
        yield from work_problems(branch, at, names, known)
    if isinstance(chain.needed, int) and chain.needed > len(chain.branches):
        most = f"at most {len(chain.branches)}"
        yield Problem(f"{place}.needed", "there are not so many branches", most, str(chain.needed), "write `all`")
    yield from _combine(chain, chain.combine, f"{place}.combine", known)


def _combine(chain: Parallel, combine: Combine, place: str, known: Known) -> Iterator[Problem]:
    ways = [way for way in ("first_good", "vote") if getattr(combine, way) is not None]
    if not ways:
        sure = {name for name, one in chain.branches.items() if chain.needed == "all" or one.default is not None}
        shapes = {name: shape_of(one) for name, one in chain.branches.items()}
        if kind_of(combine):
            yield from work_problems(combine, place, Names(sure, chain.branches, shapes), known)
        else:
            expected = "one of template, model with prompt, first_good, vote"
            yield Problem(place, "nothing says how one answer is made", expected, "none of them", "add one")
        return
    way = ways[0]
    for name in [*ways[1:], *(name for name in SAID if given(combine, name))]:
        yield Problem(f"{place}.{name}", f"stands beside `{way}`", f"`{way}` alone", f"`{name}`", "take one out")
    if combine.first_good is not None and combine.first_good.accept is not None:
        names = Names({"output"})
        yield from condition_problems(combine.first_good.accept, f"{place}.first_good.accept", names)


def _conditional(chain: Conditional, place: str, known: Known) -> Iterator[Problem]:
    names = Names()
    conditions: dict[str, int] = {}
    closed = False
    for number, branch in enumerate(chain.branches):
        at = f"{place}.branches[{number}]"
        yield from work_problems(branch, at, names, known)
        if closed:
            yield Problem(at, "is never taken: the branch before it is `otherwise`", cure="put it before")
        if branch.when is not None:
            if branch.otherwise:
                yield Problem(f"{at}.when", "stands beside `otherwise`", "one of the two", "both", "take one out")
            yield from condition_problems(branch.when, f"{at}.when", names)
            first = conditions.setdefault(branch.when, number)
            if first != number:
                told = f"is never taken: branches[{first}] has the same condition"
                yield Problem(f"{at}.when", told, "another condition", repr(branch.when), "take one out")
        elif not branch.otherwise:
            yield Problem(at, "nothing says when it is taken", "`when` or `otherwise: true`", "neither", "add one")
        closed = closed or branch.otherwise
    if not closed:
        told = "nothing is done where no condition holds"
        yield Problem(f"{place}.branches", told, "a last branch with `otherwise: true`", "none", "add one")
