"""What is wrong with what a chain or graph remembers."""

from collections.abc import Iterator

from gateway.config.problems import ConfigError, Problem
from gateway.config.words import near
from gateway.orchestration.settings import Memory, Summarise
from gateway.orchestration.template import compile as compile_template
from gateway.orchestration.works import Known, model_problems

_LONGEST = 128
"""Letters that a kept name may have: the database's column holds as many."""
_READS = ("messages", "summary")
"""What a prompt for summing up may read."""


def memory_problems(memory: Memory | None, place: str, known: Known) -> Iterator[Problem]:
    """Everything that is wrong with a `memory` block by itself."""
    if memory is None or memory.summary is None:
        return
    at = f"{place}.summarise"
    if memory.last is None and memory.tokens is None:
        yield Problem(at, "nothing ever falls out", "`last` or `tokens` beside it", "neither", "add `last: 20`")
    for problem in model_problems(
        memory.summary.model, f"{at}.model" if isinstance(memory.summarise, Summarise) else at, known
    ):
        chain = memory.summary.model.startswith(("chain:", "graph:"))
        yield problem._replace(cure="give it a name under `models`, and write that") if chain else problem
    if memory.summary.prompt is not None:
        yield from _prompt_problems(memory.summary.prompt, f"{at}.prompt")


def _prompt_problems(prompt: str, place: str) -> Iterator[Problem]:
    try:
        names = compile_template(prompt, place).variables
    except ConfigError as error:
        yield from error.problems
        return
    unknown = sorted(names.difference(_READS))
    for name in unknown:
        expected = f"one of {', '.join(_READS)}"
        yield Problem(place, "no such name here", expected, repr(name), near(name, _READS) or "take it out")
    if "messages" not in names and not unknown:
        told = "it does not say what is to be summed up"
        yield Problem(place, told, "{{ messages }} in it", "none", "add {{ messages }}")


def keep_problems(name: str, place: str, memory: Memory | None) -> Iterator[Problem]:
    """What is wrong with keeping a name in a workflow with this memory."""
    if memory is None:
        told, cure = "there is no conversation to keep it in", "add `memory: {last: 20}` to the chain or graph"
        yield Problem(place, told, "a chain or graph with `memory`", "one without", cure)
    if len(name) > _LONGEST:
        told = "its name is too long to be kept"
        yield Problem(place, told, f"at most {_LONGEST} letters", str(len(name)), "shorten it")
