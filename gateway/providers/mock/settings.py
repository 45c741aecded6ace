"""What a mock provider can be told.

Nothing is needed; `mock: {type: mock}` has the models `echo`, `lorem`, `tools`, `embed` and `moderate`. All of it at
once:

```yaml
providers:
  mock:
    type: mock
    first_token: 200ms            # how long until the first token
    pace: 20ms                    # then how long for each token; a whole answer waits for all of them
    models:                       # models of your own
      slow:  {like: lorem, pace: 1s}
      flaky: {like: echo, failures: [{kind: status, status: 429, retry_after: 2s, sequence: [fail, fail, ok]}]}
    replies:                      # fixed answers; the first that fits is taken
      - {when: "(?i)refund", say: "I am sorry to hear that."}
      - {when: weather, model: "tools", tool: {name: get_weather, arguments: {city: Oslo}}}
      - {after: get_weather, say: "It rains."}
    failures:                     # what goes wrong, and how often
      - {model: lorem, kind: stall, after: 5, rate: 0.1}
      - {model: "*", kind: status, status: 503, rate: 0.01}
    moderation: {violence: [kill, stab]}   # words that `moderate` flags, by category, in place of its own
    moderation_model: moderate    # what serves moderations that name no model; null: this provider does not
    seed: 7                       # other seeds let other calls fail
```
"""

import re
from fnmatch import fnmatchcase
from typing import Annotated, Any, Literal

from msgspec import Meta, field

from gateway.providers.mock.moderate import WORDS
from gateway.seam import Duration, Settings

BuiltIn = Literal["echo", "lorem", "tools", "embed", "moderate"]
BUILT_IN: tuple[BuiltIn, ...] = ("echo", "lorem", "tools", "embed", "moderate")

_AT_ONCE = Duration(0)


class ToolUse(Settings):
    """A tool that a fixed reply calls."""

    name: str
    arguments: dict[str, Any] = {}


class FixedReply(Settings):
    """An answer that stands beforehand: what is said (`say`), which tool is called (`tool`), or both.

    It is given where `when`, a regular expression, is found in the last user text (absent: in any) and `model` fits
    the model's name; the word of the settings then goes before `tool_choice` and `response_format`. One that calls a
    tool answers users only, not tools' results, so that an agent's loop comes to its end; one with `after` answers
    nothing but the results of that tool.
    """

    when: str = ""
    model: str = "*"
    after: str | None = None
    """The tool whose results it answers."""
    say: str | None = None
    tool: ToolUse | None = None
    finish: Literal["stop", "length", "tool_calls", "content_filter"] | None = None
    """The finish reason; unless said, `tool_calls` with a tool and `stop` without."""

    def __post_init__(self) -> None:
        if self.say is None and self.tool is None:
            raise ValueError("a reply needs `say: text` or `tool: {name: …}`")
        try:
            re.compile(self.when)
        except re.error as error:
            raise ValueError(f"`when` is no regular expression: {error} (found {self.when!r})") from error


class Failure(Settings):
    """Something that goes wrong.

    `status`: the provider answers with that status. `reset`: the connection breaks. `stall`: nothing comes any more.
    `truncate`: the stream ends without its end mark. `error_event`: an error inside a stream that began well. Streams
    bring `after` tokens before it (all but `status`); whole answers bring nothing.
    """

    kind: Literal["status", "reset", "stall", "truncate", "error_event"]
    model: str = "*"
    rate: Annotated[float, Meta(ge=0, le=1)] | None = None
    """Which share of the calls fails; unless said, and without `sequence`, each."""
    sequence: Annotated[list[Literal["fail", "ok"]], Meta(min_length=1)] | None = None
    """Which calls fail in turn, over and over."""
    after: Annotated[int, Meta(ge=0)] = 0
    status: Annotated[int, Meta(ge=400, le=599)] = 503
    type: str | None = None
    code: str | None = None
    message: str | None = None
    retry_after: Duration | None = None

    def __post_init__(self) -> None:
        if self.rate is not None and self.sequence is not None:
            raise ValueError("a failure takes `rate` or `sequence`, not both")


class Scripted(Settings):
    """A model of one's own: one of the built-in ones with another pace, or with failures."""

    like: BuiltIn = "echo"
    first_token: Duration | None = None
    """Unless said, the provider's."""
    pace: Duration | None = None
    """Unless said, the provider's."""
    failures: list[Failure] = []
    """Looked at before the provider's own."""


class MockSettings(Settings):
    """The settings of a mock provider; the module shows all of them."""

    first_token: Duration = _AT_ONCE
    """The wait before the first token of a stream, added to that of a whole answer."""
    pace: Duration = _AT_ONCE
    """The wait for each token."""
    models: dict[str, Scripted] = field(default_factory=dict)
    """More models, by name. One named as a built-in model stands in its place."""
    replies: list[FixedReply] = []
    failures: list[Failure] = []
    moderation: dict[str, list[str]] = field(default_factory=dict)
    """The words that `moderate` flags, by category; a category that is not named keeps its own."""
    moderation_model: str | None = "moderate"
    """What serves moderations that name no model."""
    seed: int = 0

    def __post_init__(self) -> None:
        for category in self.moderation:
            if category not in WORDS:
                raise ValueError(f"moderation: no category is called {category!r} (there are: {', '.join(WORDS)})")
        names = self.names()
        places = [(f"replies[{number}]", reply.model) for number, reply in enumerate(self.replies)]
        places += [(f"failures[{number}]", failure.model) for number, failure in enumerate(self.failures)]
        for place, pattern in places:
            if not any(fnmatchcase(name, pattern) for name in names):
                raise ValueError(f"{place}.model fits no model: {pattern!r}, of {', '.join(names)}")

    def names(self) -> list[str]:
        """The names of all its models."""
        return list(dict.fromkeys([*BUILT_IN, *self.models]))
