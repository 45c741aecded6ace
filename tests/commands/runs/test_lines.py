"""Where there is no terminal: one line an event."""

import msgspec

from gateway.commands.runs.lines import Lines
from gateway.commands.runs.records import Event
from tests.commands.runs.api import Tale, support

GOLDEN = """\
   0.000 s  run started: graph:support  "How do I return this?"
   0.100 s  classify started  model fast
   0.200 s  classify completed in 320 ms, 12 tokens  "question"
   0.300 s  classify → answer
   0.400 s  answer started  chain:polish
   0.500 s  answer/draft started  model fast
   0.600 s  answer/draft completed in 400 ms, 20 tokens  "Draft 1"
   0.700 s  answer/final started  model fast
   0.800 s  answer/final completed in 500 ms, 21 tokens  "Version 1"
   0.900 s  answer completed in 910 ms, 41 tokens  "Version 1"
   1.000 s  answer → review
   1.100 s  review started  model fast
   1.200 s  review completed in 250 ms, 9 tokens  {"score": 2}
   1.300 s  review → answer  if review.score < 3 and visits.answer < 3
   1.400 s  answer started  chain:polish
   1.500 s  answer/draft started  model fast
   1.600 s  answer/draft completed in 400 ms, 20 tokens  "Draft 2"
   1.700 s  answer/final started  model fast
   1.800 s  answer/final completed in 500 ms, 21 tokens  "Version 2"
   1.900 s  answer completed in 910 ms, 41 tokens  "Version 2"
   2.000 s  answer → review
   2.100 s  review started  model fast
   2.200 s  review completed in 250 ms, 9 tokens  {"score": 4}
   2.300 s  review → END
   2.400 s  run completed in 2.4 s, 112 tokens
Version 2"""


def said(tale: Tale) -> list[str]:
    lines = Lines()
    return [lines.line(msgspec.convert(event, Event)) for event in tale.events]


def test_a_run() -> None:
    assert "\n".join(said(support())) == GOLDEN


def test_failures_tools_joins_and_what_is_new() -> None:
    tale = Tale(model="graph:agent", input=None)
    tale.start("a/look", "tool", model="look_up").failed("a/look", "No\x1b[1m such thing.").edge("x,y", "z", step="a")
    tale.add("step.cancelled", step="b", ms=5).add("step.paused", step="b").add("weather").fails("Nothing left.")
    assert [line.partition(" s  ")[2] for line in said(tale)] == [
        "run started: graph:agent",
        "a/look started  tool look_up",
        "a/look failed after 100 ms  No\\x1b[1m such thing. (broke)",
        "a: x, y → z",
        "b cancelled after 5 ms",
        "b paused",
        "weather",
        "run failed after 700 ms, 30 tokens  Nothing left. (broke)",
    ]
