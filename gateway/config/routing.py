"""How a model's calls are spread, tried again and rescued: settings of `models:` and of a provider's entry."""

import re
from typing import Annotated, ClassVar, Literal

import msgspec
from msgspec import Meta

from gateway.config.attach import Grace
from gateway.seam.settings import Duration, Settings
from gateway.seam.timeouts import Timeouts

Count = Annotated[int, Meta(ge=1)]
Money = Annotated[float, Meta(ge=0)]
Name = Annotated[str, Meta(min_length=1)]
ModelName = Annotated[
    str,
    Meta(
        pattern=r"^(?:(?:chain|graph):|[^/]+/)[\s\S]+$",
        extra={"expected": "provider/model, chain:NAME or graph:NAME"},
    ),
]
"""A model by its provider and the name that the provider has for it."""
TargetName = Annotated[
    str,
    Meta(
        pattern=r"^([^/]+/[\s\S]+|(chain|graph):[\s\S]+)$",
        extra={"expected": "provider/model, chain:NAME or graph:NAME"},
    ),
]
"""Such a model, or a chain or graph of the file."""
VIRTUAL = ("chain", "graph")
"""What may stand before the colon of a virtual model's name."""


class Share(float):
    """A part of a whole, 0 to 1. Written as a number, or as `5%`."""

    expected: ClassVar[str] = "a share such as 5% or 0.05"
    pattern: ClassVar[str] = r"^\s*((100(\.0{1,9})?|[0-9]{1,2}(\.[0-9]{1,9})?)\s*%|1(\.0{1,9})?|0(\.[0-9]{1,9})?)\s*$"
    """What its texts look like."""

    @classmethod
    def parse(cls, value: object) -> "Share":
        """Read a share; raise ValueError where `value` is none."""
        number: float | None = None
        if isinstance(value, int | float) and not isinstance(value, bool):
            number = float(value)
        elif isinstance(value, str) and re.fullmatch(cls.pattern, value):
            text = value.strip()
            number = float(text.rstrip("% ")) / (100 if text.endswith("%") else 1)
        if number is None or not 0 <= number <= 1:
            raise ValueError(f"expected {cls.expected}, found {value!r}")
        return cls(number)


class After(Duration):
    """How long a first answer is waited for before a second target is asked: a duration, or `p95`, which is learned.

    `p95` is the time in which 95 of 100 of the model's own answers had brought their first content.
    """

    expected: ClassVar[str] = "a duration such as 800ms, or p95"
    pattern: ClassVar[str] = rf"^\s*p95\s*$|^(?=[^1-9]*[1-9])({Duration.pattern[1:-1]})$"
    """What its texts look like."""

    @property
    def learned(self) -> bool:
        """Whether it is `p95`."""
        return not self

    @classmethod
    def parse(cls, value: object) -> "After":
        """Read it; raise ValueError where `value` is neither."""
        if isinstance(value, str) and value.strip() == "p95":
            return cls(0)
        try:
            seconds = Duration.parse(value)
        except ValueError:
            seconds = Duration(0)
        if not seconds:
            raise ValueError(f"expected {cls.expected}, found {value!r}")
        return cls(seconds)


class Retry(Settings):
    """How often a failed call is tried again before there is any content."""

    attempts: Annotated[int, Meta(ge=1, le=10)] = 2
    """Tries in all."""
    backoff: Duration = Duration(0.1)
    """The longest wait before a target is asked a second time; it doubles with each try. Another target is asked at
    once."""
    budget: Share = Share(0.2)
    """What part of the model's requests of the last 10 s may be tried again, beside 10 a second."""


class Hedge(Settings):
    """When a second target is asked while the first still says nothing."""

    after: After
    """How long the first content is waited for."""
    share: Share = Share(0.05)
    """What part of the model's calls may have a second one."""


class Breaker(Settings):
    """When a target that fails is put to rest, and for how long."""

    failure_rate: Share = Share(0.5)
    """It rests when so many of the calls in the window failed, of `min_calls` at least."""
    min_calls: Count = 10
    """Calls in the window below which the rate says nothing."""
    consecutive: Count = 5
    """It rests after so many failures in a row."""
    window: Duration = Duration(30)
    """How far back the rate looks."""
    slow: Duration | None = None
    """An answer whose first content (whole answers: all of it) takes longer counts as a failure."""
    rest: Duration = Duration(5)
    """How long it rests; twice as long each time that it fails again upon its return."""
    max_rest: Duration = Duration(300)
    """The longest rest, also where the target asks for more (`retry-after`)."""
    slow_start: Duration = Duration(30)
    """How long its share grows after it came back, from a tenth to the whole."""


class Probe(Settings, rename={"kind": "with"}):
    """Asking a target on a schedule whether it is well."""

    every: Duration = Duration(30)
    """The time between two probes."""
    kind: Literal["models", "token"] = "models"
    """`models` lists the provider's models, which costs nothing; `token` asks the model for one token."""
    timeout: Duration = Duration(10)
    """How long a probe may take."""


class Fallback(Settings):
    """Other models to turn to, by why the targets failed; each list in its order, then `any`."""

    any: list[Name] = []
    """Whatever the cause, but for requests that are wrong by themselves."""
    rate_limit: list[Name] = []
    """The provider's limit is reached (429)."""
    timeout: list[Name] = []
    """A timeout."""
    unavailable: list[Name] = []
    """The provider is down or overloaded (5xx, no connection), or refuses the gateway."""
    context_window: list[Name] = []
    """The request is too long for the model."""
    content_filter: list[Name] = []
    """The provider refused the content."""


class ProviderRouting(Settings):
    """What any provider's entry may say, whatever its type."""

    breaker: Breaker = msgspec.field(default_factory=Breaker)
    """When its targets are put to rest."""
    probe: Probe | None = None
    """Asking on a schedule whether it is well."""


class Price(Settings):
    """What tokens cost, in US dollars a million."""

    input: Money
    """Tokens sent."""
    output: Money
    """Tokens received."""
    cached_input: Money | None = None
    """Tokens sent that the provider had in its cache; unless said, as `input`."""


class TargetEntry(Settings):
    """Where a model's calls go."""

    to: TargetName
    """`provider/model`, or `chain:NAME`, `graph:NAME`."""
    weight: Count = 1
    """Its share of the calls beside the other targets' weights; they need not add up to anything."""
    price: Price | None = None
    """What its tokens cost."""
    probe: Probe | None = None
    """Asking on a schedule whether it is well; in the place of the provider's."""


class ModelEntry(Settings):
    """One model name that callers may ask for."""

    targets: Annotated[list[TargetEntry], Meta(min_length=1)]
    """Where its calls go: at least one."""
    aliases: list[Name] = []
    """Other names for it."""
    timeout: Timeouts = msgspec.field(default_factory=Timeouts)
    """How long an attempt may take; `total` bounds all of them together."""
    strategy: Name | None = None
    """How one of several targets is chosen: a stock strategy, or `module:Class`. Unless said, by weight."""
    sticky: bool | None = None
    """Whether calls of one session keep their target. Unless said, as it suits the strategy."""
    retry: Retry = msgspec.field(default_factory=Retry)
    """How often a failed call is tried again."""
    hedge: Hedge | None = None
    """When a second target is asked while the first is silent. Absent: never."""
    fallback: list[Name] | Fallback = []
    """Other models to turn to: a list, or lists by cause."""
    attach: Grace = Grace(0)
    """How long its calls outlive a client that left, so that the retry may join."""
