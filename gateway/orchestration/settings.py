"""What may stand under `chains:`, `graphs:` and `tools:`, as typed structs.

The structs hold what one value can say; what values ask of each other is told by `wiring`. A text field is a template
where its documentation says so; `template` compiles it.
"""

from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from gateway.seam.settings import Duration, Settings, Size

Count = Annotated[int, Meta(ge=1)]
Name = Annotated[str, Meta(min_length=1)]
Identifier = Annotated[
    str, Meta(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", extra={"expected": "a name of letters, digits and underscores"})
]
"""A name that templates can read."""
Value = str | int | float | bool | list[Any] | dict[str, Any] | None
Shown = Literal["events", "reasoning"]
"""Steps are chunks with a `gateway` field, or the `reasoning_content` that chat interfaces show."""
Turns = Annotated[int, Meta(ge=2, le=100)]
CHOICES = ("auto", "required", "none")
"""What `tool_choice` may be beside a tool's name."""
OnMaxTurns = Literal["fail", "answer"]
END = "END"
"""Where an edge leads that ends the run."""


class StepRetry(Settings):
    """How often a step that failed is done again."""

    attempts: Annotated[int, Meta(ge=1, le=10)] = 2
    """Tries in all."""
    wait: Duration = Duration(0.5)
    """How long to wait before the second try; each further wait is twice as long."""


class Params(Settings):
    """Parameters of a model call; they win over the caller's."""

    temperature: Annotated[float, Meta(ge=0)] | None = None
    """How freely the model chooses."""
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    """The share of likely tokens that it chooses from."""
    max_tokens: Count | None = None
    """How long the answer may become."""
    max_completion_tokens: Count | None = None
    """How long the answer may become, reasoning included."""
    stop: str | list[str] | None = None
    """Texts at which the answer ends."""
    seed: int | None = None
    """For answers that can be had again."""
    presence_penalty: float | None = None
    """How much to avoid what was said at all."""
    frequency_penalty: float | None = None
    """How much to avoid what was said often."""
    reasoning_effort: Name | None = None
    """How long the model thinks: `low`, `medium`, `high`, or as its provider has it."""
    verbosity: Name | None = None
    """How long-winded the answer is: `low`, `medium`, `high`."""
    tool_choice: Name | None = None
    """Whether the step's `tools` are called: `auto`, `required`, `none`, or the one that must be. The first turn's."""
    parallel_tool_calls: bool | None = None
    """false: one tool is called at a time."""
    extra: dict[str, Any] = {}
    """Further fields of the request, sent as they stand here."""

    def sent(self) -> dict[str, Any]:
        """The fields of the request that these are."""
        named = {name: getattr(self, name) for name in self.__struct_fields__ if name != "extra"}
        if self.tool_choice is not None and self.tool_choice not in CHOICES:
            named["tool_choice"] = {"type": "function", "function": {"name": self.tool_choice}}
        return self.extra | {name: value for name, value in named.items() if value is not None}


class Message(Settings):
    """One message of a model call."""

    role: Literal["system", "developer", "user", "assistant"]
    """Whose it is."""
    content: str
    """A template of its text."""


class Http(Settings):
    """A request to a host that `orchestrator.http_hosts` names.

    Its output is what the answer holds: of JSON the value, of anything else the text. Any answer that is not of
    `expect` is a failure.
    """

    url: Name
    """Where to; its path and query are templates, and no value can leave its place in them."""
    method: Literal["GET", "POST", "PUT", "PATCH", "DELETE"] = "GET"
    """What is done there."""
    headers: dict[str, str] = {}
    """Headers of the request, by name; their values are templates, and are shown nowhere."""
    query: dict[str, Value] = {}
    """What is added to the URL's query; texts are templates, a list is a name that stands several times."""
    json: Value = None
    """What is sent, as JSON; texts are templates, and one that is `{{ … }}` alone keeps its type."""
    body: str | None = None
    """A template of what is sent, in the place of `json`."""
    max_size: Size = Size(2**20)
    """How long the answer may be, decoded."""
    follow: Annotated[int, Meta(ge=0, le=5)] = 0
    """How many redirects are followed, to hosts that may be called."""
    expect: Annotated[list[Annotated[int, Meta(ge=200, le=599)]], Meta(min_length=1)] | None = None
    """The statuses that are no failure; absent: 200 to 299."""


class Work(Settings):
    """What a step does: exactly one of `model`, `chain`, `graph`, `template`, `function`, `http`.

    Its output is the answer's text; with `response_format`, what the text holds as JSON; of a function, what it
    returns; of `http`, what the answer holds; with `map`, the list of all.
    """

    model: Name | None = None
    """Calls this model."""
    chain: Name | None = None
    """Runs this chain of the file."""
    graph: Name | None = None
    """Runs this graph of the file."""
    template: str | None = None
    """Fills in this template; no model is called."""
    function: Name | None = None
    """Calls this Python function: `shop:find_order` is `find_order` of `plugins/shop.py`."""
    http: Http | None = None
    """Sends this request."""

    system: str | None = None
    """A template of the model's instructions."""
    prompt: str | None = None
    """A template of the one user message that the model gets; without it, it gets the caller's messages."""
    messages: Annotated[list[Message], Meta(min_length=1)] | None = None
    """All messages that the model gets, in the place of `system` and `prompt`."""
    params: Params = msgspec.field(default_factory=Params)
    """Parameters of the model call."""
    response_format: dict[str, Any] | None = None
    """What the model must answer: `{score: integer}` is short for a strict JSON schema; one in full works too."""
    tools: Annotated[list[Name], Meta(min_length=1)] | None = None
    """The tools that the model may call until it is done: names under `tools:`, or functions, `shop:find_order`."""
    max_turns: Turns = 8
    """How often the model is asked at most, where it has `tools`."""
    on_max_turns: OnMaxTurns = "fail"
    """What follows where it is not done by then; `answer`: the last turn has no tools, so that it must answer."""
    input: str | None = None
    """A template of the input of the chain or graph, the one user message that it gets; else the caller's messages."""
    inputs: dict[str, Value] | None = None
    """The `inputs` of the chain or graph; texts are templates. Absent: the caller's."""
    args: dict[str, Value] = {}
    """The arguments of the function, by name; texts are templates, and one that is `{{ … }}` alone keeps its type."""

    map: str | None = None
    """Do it for each item of this list, `{{ … }}`."""
    as_: Identifier = msgspec.field(name="as", default="item")
    """The name under which templates see the item."""
    max_concurrent: Count = 8
    """How many items are worked on at one time."""

    timeout: Duration | None = None
    """How long it may take, all tries included."""
    retry: StepRetry | None = None
    """Absent: a failure is final."""
    default: Value = None
    """Its output where it fails, which then is no failure."""


class Tool(Work, kw_only=True):
    """What a model may call: a step whose caller is the model, and whose templates see its arguments by their names."""

    description: str | None = None
    """What it is for, as the model is told; else what its function, chain or graph says of itself."""
    parameters: dict[str, Any] | None = None
    """Its arguments: `{number: string}`, or a JSON schema. Absent: those of the function's signature; else `input`."""
    timeout: Duration | None = Duration(30)
    """How long it may take, all tries included."""
    max_size: Size = Size(256 * 1024)
    """How much of its result the model is shown; what is longer is cut, and the model told."""


class Step(Work, kw_only=True):
    """A step of a sequential chain."""

    name: Identifier
    """Later steps read its output under this name, unless `save` says another."""
    save: Identifier | None = None
    """The name under which its output is kept."""
    keep: bool = False
    """true: the conversation's next turns read it too; goes with `memory`."""
    on_error: Literal["fail", "continue"] = "fail"
    """`continue`: where it fails, its output stays undefined."""

    @property
    def output(self) -> str:
        """The name of its output."""
        return self.save or self.name


class Branch(Work, kw_only=True):
    """A branch of a conditional chain; `when` or `otherwise`."""

    name: Identifier | None = None
    """What it is called where steps are shown."""
    when: Name | None = None
    """An expression; the first branch for which it holds is taken."""
    otherwise: bool = False
    """true: taken where no other is; the last one."""


class FirstGood(Settings):
    """Takes the first branch that answers well; the others are cancelled."""

    accept: Name | None = None
    """An expression over the branch's `output`; absent: every answer that is no failure is good."""


class Combine(Work):
    """How one answer is made of a parallel chain's branches: a step that reads their outputs, or a choice."""

    first_good: FirstGood | None = None
    """The first branch that answers well."""
    vote: Literal["exact", "normalised"] | None = None
    """The answer that most branches gave, the first of those; `normalised`: case, spaces and punctuation apart."""


class Summarise(Settings):
    """Who sums up what falls out, and how."""

    model: Name
    """The model that does."""
    prompt: str | None = None
    """A template of what it is asked; it reads `summary`, what there is so far, and `messages`, what has fallen out."""


class Memory(Settings):
    """What of a conversation is kept."""

    last: Count | None = None
    """How many turns."""
    tokens: Count | None = None
    """How many tokens at most."""
    summarise: Name | Summarise | None = None
    """The model that sums up what falls out; a block says also what it is asked."""
    by: Literal["conversation", "user"] = "conversation"
    """What names the conversation: its id, or the request's `user`."""
    ttl: Duration | None = None
    """How long it is kept after its last turn."""

    @property
    def summary(self) -> Summarise | None:
        """`summarise` in full."""
        return Summarise(model=self.summarise) if isinstance(self.summarise, str) else self.summarise


class Workflow(Settings):
    """What chains and graphs have; `Simple` too, as it is a step."""

    description: str = ""
    """What it is for."""
    include_steps: Shown = "events"
    """How its steps are shown to callers that ask for them."""
    memory: Memory | None = None
    """What is kept of the conversation; its messages are the end of that. Absent: nothing is."""


class Simple(Work, kw_only=True):
    """One step."""

    type: Literal["simple"]
    """`simple`"""
    description: str = ""
    """What it is for."""
    include_steps: Shown = "events"
    """How its steps are shown to callers that ask for them."""
    memory: Memory | None = None
    """What is kept of the conversation; its messages are the end of that. Absent: nothing is."""


class Conversational(Workflow, kw_only=True):
    """A model that gets instructions and the messages of the conversation."""

    type: Literal["conversational"]
    """`conversational`"""
    model: Name
    """The model that answers."""
    system: str | None = None
    """A template of its instructions."""
    params: Params = msgspec.field(default_factory=Params)
    """Parameters of the model call."""
    response_format: dict[str, Any] | None = None
    """What the model must answer."""
    tools: Annotated[list[Name], Meta(min_length=1)] | None = None
    """The tools that the model may call until it is done."""
    max_turns: Turns = 8
    """How often the model is asked at most, where it has `tools`."""
    on_max_turns: OnMaxTurns = "fail"
    """What follows where it is not done by then."""
    timeout: Duration | None = None
    """How long a turn may take."""
    retry: StepRetry | None = None
    """Absent: a failure is final."""

    def work(self) -> Work:
        """The step that it is: the model gets the caller's messages."""
        return Work(
            model=self.model,
            system=self.system,
            params=self.params,
            response_format=self.response_format,
            tools=self.tools,
            max_turns=self.max_turns,
            on_max_turns=self.on_max_turns,
            timeout=self.timeout,
            retry=self.retry,
        )


class Sequential(Workflow, kw_only=True):
    """Steps one after the other; the last one's output is the answer."""

    type: Literal["sequential"]
    """`sequential`"""
    steps: Annotated[list[Step], Meta(min_length=1)]
    """In their order."""
    timeout: Duration | None = None
    """How long the run may take; else `orchestrator.default_timeout`."""

    @property
    def kept(self) -> frozenset[str]:
        """The names of outputs that outlive a run."""
        return frozenset(step.output for step in self.steps if step.keep)


class Parallel(Workflow, kw_only=True):
    """Branches at the same time, and what is made of their outputs."""

    type: Literal["parallel"]
    """`parallel`"""
    branches: dict[str, Work]
    """By name; `combine` reads their outputs under these."""
    combine: Combine
    """How their outputs become one answer."""
    needed: Literal["all", "any"] | Count = "all"
    """How many branches must succeed; of those that fail, the output is the branch's `default`, or undefined."""
    max_concurrent: Count | None = None
    """How many branches run at one time; absent: all."""
    timeout: Duration | None = None
    """How long the run may take; else `orchestrator.default_timeout`."""


class Conditional(Workflow, kw_only=True):
    """The first branch whose condition holds."""

    type: Literal["conditional"]
    """`conditional`"""
    branches: Annotated[list[Branch], Meta(min_length=1)]
    """Tried in their order."""
    timeout: Duration | None = None
    """How long the run may take; else `orchestrator.default_timeout`."""


Chain = Simple | Conversational | Sequential | Parallel | Conditional
CHAINS: dict[str, type[Chain]] = {
    "simple": Simple,
    "conversational": Conversational,
    "sequential": Sequential,
    "parallel": Parallel,
    "conditional": Conditional,
}
"""The kinds of chains by `type:`."""


class Node(Work):
    """A node of a graph."""

    save: Identifier | None = None
    """The name in the state under which its output is kept; else the node's own."""
    keep: bool = False
    """true: the conversation's next turns read it too; goes with `memory`."""
    on_error: Name | None = None
    """The node that a failure leads to; `continue`: the edges are followed, the output undefined. Absent: it fails."""


class Edge(Settings):
    """Where a run goes after a node. A node's edges are tried in order, and the first that fits is taken."""

    from_: Name | Annotated[list[Name], Meta(min_length=1)] = msgspec.field(name="from")
    """A node; a list joins: what follows waits for all of them that were started."""
    to: Name | Annotated[list[Name], Meta(min_length=1)]
    """A node or END; a list starts all of them at the same time."""
    when: Name | None = None
    """An expression over the state; absent: always."""

    @property
    def sources(self) -> list[str]:
        """Where it comes from, as a list."""
        return [self.from_] if isinstance(self.from_, str) else self.from_

    @property
    def targets(self) -> list[str]:
        """Where it leads, as a list."""
        return [self.to] if isinstance(self.to, str) else self.to


class State(Settings):
    """One name of a graph's state."""

    reduce: Literal["replace", "append", "add"] = "replace"
    """What a new output does to what is there: take its place, be appended to a list, be added to a number."""
    type: Literal["string", "integer", "number", "boolean", "array", "object"] | None = None
    """What it must be; absent: anything."""
    default: Value = None
    """What it is before any node wrote it; absent: undefined (a list to append to begins empty, a sum with 0)."""
    last: Count | None = None
    """With `append`: how many of the newest items stay; absent: all."""
    keep: bool = False
    """true: the conversation's next turns go on from it; goes with `memory`."""


class Graph(Workflow, kw_only=True):
    """Nodes and the edges between them."""

    start: Name
    """The first node."""
    nodes: dict[str, Node]
    """By name."""
    edges: list[Edge] = []
    """In the order in which they are tried."""
    max_steps: Annotated[int, Meta(ge=1, le=10_000)] = 25
    """How many nodes a run may start; beyond it, it fails."""
    durable: bool = False
    """true: kept after each node, so that it goes on after a restart."""
    state: dict[str, State] = {}
    """What is kept under which name and how; names that are not here are replaced."""
    output: str | None = None
    """A name in the state, or a template: the answer. Absent: the last node's text."""
    on_error: Name | None = None
    """The node that runs where anything fails; its text is the answer."""
    timeout: Duration | None = None
    """How long the run may take; else `orchestrator.default_timeout`."""

    def saved(self, name: str) -> str:
        """The name in the state that a node writes."""
        return self.nodes[name].save or name

    @property
    def kept(self) -> frozenset[str]:
        """The names in the state that outlive a run."""
        nodes = {self.saved(name) for name, node in self.nodes.items() if node.keep}
        return frozenset(nodes.union(name for name, state in self.state.items() if state.keep))
