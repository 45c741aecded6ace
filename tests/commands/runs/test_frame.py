"""Pictures of runs: whatever comes in whichever order, they can be drawn, and say what is so."""

import time
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from gateway.commands.runs.frame import Frames
from gateway.commands.runs.records import Event
from gateway.commands.runs.story import Story
from gateway.config.load import parse, read
from gateway.config.schema import Config
from tests.commands.runs.api import Tale, support
from tests.commands.runs.test_story import told

ROOT = Path(__file__).parents[3]
GRAPH = {
    "start": "classify",
    "nodes": {name: {"template": "x"} for name in ("classify", "answer", "review", "sorry")},
    "edges": [
        {"from": "classify", "to": "answer"},
        {"from": "answer", "to": "review"},
        {"from": "review", "to": "answer", "when": "visits.answer < 3"},
        {"from": "review", "to": "END"},
    ],
    "on_error": "sorry",
}
CONFIG = parse({"graphs": {"support": GRAPH}})


def pictured(tale: Tale, config: Config | None, width: int = 80, height: int = 60, count: int | None = None) -> str:
    story = told(tale, count)
    frames = Frames(config, tale.id)
    draw = frames.last if story.over else frames.live
    return "\n".join(line.plain for line in draw(story, width, height, tale.at + len(tale.events[:count]) / 10))


UNDER_WAY = """\
graph:support  ● running  1.6 s  62 tokens  run_000000000000000000000001
"How do I return this?"

╭───────────────────────╮
│ ✓ classify     320 ms │
╰───────────────────────╯
            ┣━━━━━━━━━━━━┓
            ▼            ┃
 ┏━━━━━━━━━━━━━━━━━━━━━┓ ┃
 ┃ ◐ answer  200 ms ×2 ┃ ┃
 ┗━━━━━━━━━━━━━━━━━━━━━┛ ┃
            ▼            ┃
 ╭─────────────────────╮ ┃
 │ ✓ review     250 ms │ ┃
 ╰─────────────────────╯ ┃
            ┡━━━━━━━━━━━━┛
            ▽
        ╭───────╮   ╭─────────────────────╮
        │ ○ END │   │ ○ sorry             │
        ╰───────╯   ╰─────────────────────╯

✓ classify  model fast    320 ms  12  "question"
✓ answer    chain:polish  910 ms  41  "Version 1"
  ✓ draft   model fast    400 ms  20  "Draft 1"
  ✓ final   model fast    500 ms  21  "Version 1"
✓ review    model fast    250 ms   9  {"score": 2}
● answer    chain:polish
  ● draft   model fast"""

FROM_EVENTS = """\
graph:support  ● running  1.6 s  62 tok…
"How do I return this?"

  ✓ classify     320 ms
            ┣━━━━━━━━━━━━┓
            ▼            ┃
   ◐ answer  200 ms ×2   ┃
            ▼            ┃
   ✓ review     250 ms   ┃
            ┗━━━━━━━━━━━━┛

✓ classify  model fast    320 ms  12  "…
✓ answer    chain:polish  910 ms  41  "…
  ✓ draft   model fast    400 ms  20  "…
  ✓ final   model fast    500 ms  21  "…
✓ review    model fast    250 ms   9  {…
● answer    chain:polish
  ● draft   model fast"""


def test_a_graph_of_which_the_file_is_here() -> None:
    assert _still(pictured(support(), CONFIG, count=16)) == UNDER_WAY


def test_a_graph_as_its_events_show_it() -> None:
    assert _still(pictured(support(), None, 40, 20, count=16)) == FROM_EVENTS


def _still(picture: str) -> str:
    for sign in "◓◑◒":
        picture = picture.replace(sign, "◐")
    return picture


def test_the_last_picture_has_the_answer() -> None:
    picture = pictured(support(), CONFIG)
    assert picture.startswith("graph:support  ✓ completed  2.4 s  112 tokens")
    assert "│ ✓ END │" in picture
    assert "│ ✓ answer  910 ms ×2 │" in picture
    assert picture.endswith("\n\nVersion 2")
    assert "▽" not in picture


def test_a_run_that_fails() -> None:
    tale = Tale().node("classify").done("classify").edge("classify", "answer").node("answer").failed("answer").fails()
    picture = pictured(tale, CONFIG)
    assert picture.startswith("graph:support  ✗ failed")
    assert "│ ✗ answer" in picture
    assert "│ ○ END │" in picture
    assert picture.endswith("Step 'answer' of graph:support: It broke. (broke)")
    assert "◌ classify" in pictured(Tale().node("classify").cancel(), CONFIG)


def test_branches_stand_side_by_side() -> None:
    config = read(ROOT / "config/examples/panel.yaml")
    tale = Tale(model="chain:panel").start("optimist").start("pessimist").start("realist").done("realist", "x")
    picture = _still(pictured(tale, config, 120))
    line = next(line for line in picture.splitlines() if "optimist" in line)
    assert " ".join(line.split()) == "┃ ◐ optimist 400 ms ┃ ┃ ◐ pessimist 300 ms ┃ │ ✓ realist 100 ms │"
    tale.failed("optimist").done("pessimist").start("combine").done("combine").ends("So it is.")
    picture = pictured(tale, config, 120)
    assert "│ ✗ optimist" in picture
    assert "│ ✓ END │" in picture


def test_a_graph_within_a_chain_is_drawn_too() -> None:
    config = read(ROOT / "config/examples/triage.yaml")
    tale = Tale(model="chain:quick").start("branch 3", "graph", model="graph:sorted")
    tale.node("branch 3/kind").done("branch 3/kind").edge("kind", "chat", step="branch 3").node("branch 3/chat")
    picture = pictured(tale, config, 120)
    assert "┃ ◐ branch 3" in _still(picture)
    assert "\nbranch 3  graph:sorted\n" in picture
    assert "┏━━━" in picture
    assert "○ complaint" in picture
    assert "○ complaint" not in pictured(tale, None, 120)


def test_a_low_screen_shows_the_steps_alone() -> None:
    for height in range(1, 40):
        picture = pictured(support(), CONFIG, 80, height, count=16)
        assert len(picture.splitlines()) <= height
        if height >= 4:
            assert "● draft" in picture
    assert "▼" not in pictured(support(), CONFIG, 80, 10, count=16)


def test_what_models_say_cannot_reach_the_terminal() -> None:
    evil = "\x1b]0;owned\x07\x1b[2J[red]x[/red]"
    tale = Tale(model=evil, input=evil).node(evil, model=evil).done(evil, evil).edge(evil, "END").ends(evil)
    for config in (None, CONFIG):
        picture = pictured(tale, config, 200)
        assert not {"\x1b", "\x07"} & set(picture)
        assert "[red]x[/red]" in picture


NAMES = st.sampled_from(["classify", "answer", "review", "sorry", "漢字", "a" * 40, "two\n lines\t"])


@st.composite
def tales(draw: st.DrawFn) -> tuple[Tale, Counter[str], Counter[tuple[str, str]]]:
    """A run whose steps begin and end in any order, some within others; what was counted on the way."""
    tale = Tale(model=draw(st.sampled_from(["graph:support", "chain:x", ""])))
    running: list[str] = []
    starts: Counter[str] = Counter()
    taken: Counter[tuple[str, str]] = Counter()
    for _ in range(draw(st.integers(0, 25))):
        match draw(st.sampled_from(["start", "start", "inner", "end", "end", "edge"])):
            case "start":
                running.append(draw(NAMES))
                starts[running[-1]] += 1
                tale.node(running[-1])
            case "inner" if running:
                running.append(f"{draw(st.sampled_from(running))}/{draw(NAMES)}")
                starts[running[-1]] += 1
                tale.start(running[-1], draw(st.sampled_from(["tool", "chain", "http"])))
            case "end" if running:
                name = running.pop(draw(st.integers(0, len(running) - 1)))
                how = draw(st.sampled_from(["completed", "failed", "cancelled"]))
                tale.done(name, "x") if how == "completed" else tale.add(f"step.{how}", step=name, ms=1)
            case "edge":
                pair = (draw(NAMES), draw(st.one_of(NAMES, st.just("END"))))
                taken[pair] += 1
                tale.edge(*pair)
    draw(st.sampled_from([tale.ends, tale.fails, tale.cancel, lambda: None]))()
    return tale, starts, taken


@settings(max_examples=150, deadline=None)
@given(tales(), st.integers(40, 200), st.integers(5, 60), st.booleans())
def test_any_order_of_events(
    found: tuple[Tale, Counter[str], Counter[tuple[str, str]]], width: int, height: int, known: bool
) -> None:
    tale, starts, taken = found
    story = Story()
    frames = Frames(CONFIG if known else None, tale.id)
    for event in tale.events:
        assert story.feed(msgspec.convert(event, Event))
        live = frames.live(story, width, height, tale.at + 1)
        assert len(live) <= height
        assert all(cell_len(line.plain) <= width and line.plain.isprintable() for line in live)
    frames.last(story, width, height, tale.at + 1)
    assert story.status == tale.status
    assert story.steps == starts.total() == len(list(story.all()))
    assert story.scopes[""].taken == taken
    counted = {
        f"{path}/{name}" if path else name: seen.visits
        for path, scope in story.scopes.items()
        for name, seen in scope.steps.items()
        if seen.visits
    }
    assert counted == starts
    if story.over:
        assert all(did.status != "running" for _, did in story.all())


@pytest.mark.parametrize("config", [None, CONFIG], ids=["events", "file"])
def test_ten_thousand_events_stay_quick(config: Config | None) -> None:
    tale = Tale()
    for number in range(1250):
        tale.node("answer", "chain").start("answer/draft").done("answer/draft", "x" * 200, 1, 3).done("answer", "y")
        tale.edge("answer", "review").node("review").done("review", {"score": number}).edge("review", "answer")
    events = [msgspec.convert(event, Event) for event in tale.events]
    assert len(events) > 10_000
    story, frames = Story(), Frames(config, tale.id)
    began = time.process_time()
    for event in events:
        story.feed(event)
    fed = time.process_time() - began
    for _ in range(10):
        frames.live(story, 100, 40, tale.at)
    drawn = (time.process_time() - began - fed) / 10
    assert fed < 1
    assert drawn < 0.05
    lines = frames.last(story, 100, 40, tale.at)
    assert len(lines) < 70
    assert any(line.plain.startswith("3,710 steps before; all: gateway runs show run_") for line in lines)
