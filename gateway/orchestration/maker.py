"""A step as it is written becomes one that runs."""

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from gateway.orchestration.arguments import Arguments
from gateway.orchestration.chain import Holds
from gateway.orchestration.condition import compile_condition
from gateway.orchestration.events import Kind, Told
from gateway.orchestration.function import Args, Custom, Function
from gateway.orchestration.http_outbound import Outbound, Terms
from gateway.orchestration.http_request import Request
from gateway.orchestration.http_step import CONNECT, TIMEOUT, HttpStep
from gateway.orchestration.http_url import compile_url
from gateway.orchestration.map import Mapped
from gateway.orchestration.model import Handed, Messages, ModelCall, Prompted
from gateway.orchestration.response_format import wire_format
from gateway.orchestration.run import Run
from gateway.orchestration.settings import Http, Work
from gateway.orchestration.settings import Tool as ToolSettings
from gateway.orchestration.shape import shape_of
from gateway.orchestration.step import Step, Tried, Tries
from gateway.orchestration.template import compile as compile_template
from gateway.orchestration.template import compile_value
from gateway.orchestration.tool import Tool
from gateway.orchestration.tool_loop import ToolLoop
from gateway.orchestration.toolbox import arguments_of, passed, place_of, tool_name, tool_settings
from gateway.orchestration.work import Filled, Names, Render, Value
from gateway.orchestration.work import Work as Doing
from gateway.seam import Duration, Timeouts

Find = Callable[[str, str], Any]
"""The function, or the node of one's own, that a name at a place stands for. Raises `ConfigError`."""
NODE = ("call", "run")
"""The parameters of a node of one's own."""


class Maker:
    """Makes the steps of one chain or graph. `tools` are those that they may name.

    Afterwards `needs` are the names that their templates read, `nodes` what has a start or an end of its own, with its
    place.
    """

    def __init__(
        self,
        find: Find,
        outbound: Outbound,
        tools: Mapping[str, ToolSettings] | None = None,
        described: Mapping[str, str] | None = None,
    ) -> None:
        """`outbound` sends what `http` steps ask for; `described` tells what chains and graphs are for, by their names
        as models.
        """
        self._find = find
        self._outbound = outbound
        self._tools = tools or {}
        self._described = described or {}
        self.needs: set[str] = set()
        self.nodes: list[tuple[str, Any]] = []

    def step(
        self,
        work: Work,
        name: str,
        place: str,
        *,
        timeout: float | None = None,
        inherits: bool = False,
        node: bool = False,
    ) -> Step:
        """A step called `name`; `node` says whether it is one of a graph."""
        args = self._args(work, place)
        doing = self._mapped(work, self._doing(work, name, place, args, inherits), place)
        told = Told(name, _kind(work), _callee(work) or None, node)
        return Step(name, doing, told, timeout=timeout, default=work.default)

    def render(self, source: str, place: str) -> Render:
        """A template."""
        template = compile_template(source, place)
        self.needs |= template.variables
        return template.render

    def holds(self, source: str | None, place: str) -> Holds | None:
        """A condition; None where there is none."""
        if source is None:
            return None
        condition = compile_condition(source, place)
        self.needs |= condition.variables
        return condition.holds

    def _value(self, given: Any, place: str) -> Value:
        value = compile_value(given, place)
        self.needs |= value.variables
        return value.value

    def _values(self, given: Mapping[str, Any], place: str) -> dict[str, Value]:
        return {name: self._value(value, f"{place}.{name}") for name, value in given.items()}

    def _doing(self, work: Work, name: str, place: str, args: Args, inherits: bool = False) -> Doing:
        doing: Doing
        tries = Tries() if work.retry is None else Tries(work.retry.attempts, work.retry.wait)
        if work.template is not None:
            doing = Filled(self.render(work.template, f"{place}.template"))
        elif work.function is not None:
            doing = self._function(work.function, args, name, place)
        elif work.http is not None:
            doing = self._http(work.http, work.timeout or TIMEOUT, f"{place}.http")
        else:
            doing = self._call(work, name, place, inherits)
            if work.tools:
                return self._loop(doing, work, name, place, tries)
        return doing if work.retry is None else Tried(doing, tries)

    def _mapped(self, work: Work, doing: Doing, place: str) -> Doing:
        if work.map is None:
            return doing
        return Mapped(doing, self._value(work.map, f"{place}.map"), work.as_, work.max_concurrent)

    def _args(self, work: Work, place: str) -> Args:
        values = self._values(work.args, f"{place}.args")
        return lambda _, names: {name: value(names) for name, value in values.items()}

    def _function(self, name: str, args: Args, step: str, place: str) -> Doing:
        found = self._find(name, f"{place}.function")
        if is_node(found):
            self.nodes.append((f"{place}.function", found))
            return Custom(step, found, args)
        return Function(name, found, args, blocks=not inspect.iscoroutinefunction(found))

    def _loop(self, asking: ModelCall, work: Work, name: str, place: str, tries: Tries) -> ToolLoop:
        assert work.tools is not None
        made = [self._tool(named, name, f"{place}.tools[{number}]") for number, named in enumerate(work.tools)]
        return ToolLoop(
            asking,
            {tool.name: tool for tool in made},
            max_turns=work.max_turns,
            must_answer=work.on_max_turns == "answer",
            tries=tries,
        )

    def _tool(self, named: str, step: str, place: str) -> Tool:
        settings, name = tool_settings(named, self._tools), tool_name(named)
        place = place_of(named, self._tools, place)
        called = f"{step}/{name}"
        function, told = None, self._described.get(_callee(settings), "")
        if settings.function is not None:
            found = self._find(settings.function, f"{place}.function")
            function, told = None if is_node(found) else found, inspect.getdoc(found) or ""
        arguments = arguments_of(settings, function)
        args = self._given(settings, arguments, function, place)
        doing = self._mapped(settings, self._doing(settings, called, place, args), place)
        return Tool(
            name,
            Step(
                called,
                doing,
                Told(name, "tool", _callee(settings) or None),
                timeout=settings.timeout,
                default=settings.default,
            ),
            arguments,
            description=told if settings.description is None else settings.description,
            max_size=settings.max_size,
        )

    def _given(self, tool: ToolSettings, arguments: Arguments, function: Callable[..., Any] | None, place: str) -> Args:
        """The arguments of a tool's function: the model's, and those that the configuration fills in."""
        args, models = self._args(tool, place), passed(arguments, function)

        def given(run: Run, names: Names) -> dict[str, Any]:
            assert isinstance(run.inputs, Mapping), "a tool's run has the model's arguments for its inputs"
            return {**models(run.inputs), **args(run, names)}

        return given

    def _http(self, http: Http, seconds: float, place: str) -> HttpStep:
        self.nodes.append((place, self._outbound))
        url = compile_url(http.url, f"{place}.url")
        self.needs |= url.variables
        request = Request(
            http.method,
            url,
            {name: self.render(value, f"{place}.headers.{name}") for name, value in http.headers.items()},
            self._values(http.query, f"{place}.query"),
            None if http.json is None else self._value(http.json, f"{place}.json"),
            None if http.body is None else self.render(http.body, f"{place}.body"),
        )
        terms = Terms(
            # What bounds it all is the step's patience.
            Timeouts(connect=Duration(min(CONNECT, seconds)), idle=Duration(2 * seconds)),
            int(http.max_size),
            http.follow,
            frozenset(range(200, 300) if http.expect is None else http.expect),
        )
        return HttpStep(request, self._outbound, terms, seconds)

    def _call(self, work: Work, name: str, place: str, inherits: bool) -> ModelCall:
        fields = work.params.sent()
        wanted = None if work.response_format is None else wire_format(work.response_format, name)
        if wanted is not None:
            fields["response_format"] = wanted
        return ModelCall(
            name,
            _callee(work),
            self._messages(work, place),
            fields,
            shape=shape_of(wanted),
            inputs=None if work.inputs is None else self._values(work.inputs, f"{place}.inputs"),
            inherits=inherits,
        )

    def _messages(self, work: Work, place: str) -> Messages:
        if work.messages is not None:
            return Prompted(
                [
                    (message.role, self.render(message.content, f"{place}.messages[{number}].content"))
                    for number, message in enumerate(work.messages)
                ]
            )
        system = None if work.system is None else self.render(work.system, f"{place}.system")
        for field in ("prompt", "input"):
            source = getattr(work, field)
            if source is not None:
                first = [] if system is None else [("system", system)]
                return Prompted([*first, ("user", self.render(source, f"{place}.{field}"))])
        return Handed(system)


def _kind(work: Work) -> Kind:
    """What a step does, in a word."""
    kinds: tuple[Kind, ...] = ("model", "chain", "graph", "template", "function", "http")
    return next(kind for kind in kinds if getattr(work, kind) is not None)


def _callee(work: Work) -> str:
    """The name, as a model, of what a step asks; empty where it asks none."""
    if work.model is not None:
        return work.model
    return f"chain:{work.chain}" if work.chain is not None else f"graph:{work.graph}" if work.graph is not None else ""


def is_node(found: Any) -> bool:
    """Whether something is a node of one's own (`seam.Node`), and no plain function: it takes a call and a handler."""
    try:
        parameters = inspect.signature(found).parameters
    except (TypeError, ValueError):
        return False
    return tuple(parameters)[: len(NODE)] == NODE
