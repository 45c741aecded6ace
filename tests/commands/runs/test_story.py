import msgspec

from gateway.commands.runs.records import Event
from gateway.commands.runs.story import Story
from tests.commands.runs.api import Tale, support


def told(tale: Tale, count: int | None = None) -> Story:
    story = Story()
    for event in tale.events[:count]:
        assert story.feed(msgspec.convert(event, Event))
    return story


def tree(story: Story) -> list[str]:
    return [f"{'  ' * depth}{did.name} {did.status}" for depth, did in story.all()]


def test_a_whole_run() -> None:
    story = told(support())
    assert (story.model, story.status, story.output) == ("graph:support", "completed", "Version 2")
    assert story.usage is not None
    assert story.tokens() == story.usage.total_tokens == 112
    assert tree(story) == [
        "classify completed",
        "answer completed",
        "  draft completed",
        "  final completed",
        "review completed",
        "answer completed",
        "  draft completed",
        "  final completed",
        "review completed",
    ]
    top = story.scopes[""]
    assert {name: seen.visits for name, seen in top.steps.items()} == {"classify": 1, "answer": 2, "review": 2}
    assert top.taken == {
        ("classify", "answer"): 1,
        ("answer", "review"): 2,
        ("review", "answer"): 1,
        ("review", "END"): 1,
    }
    assert top.graph
    assert not story.scopes["answer"].graph
    assert story.scopes["answer"].model == "chain:polish"


def test_a_run_under_way() -> None:
    story = told(support(), 6)
    assert not story.over
    assert tree(story) == ["classify completed", "answer running", "  draft running"]
    assert story.tokens() == 12
    assert told(support(), 9).tokens() == 12 + 20 + 21
    assert story.took(story.began + 2.5 if story.began else 0) == 2500


def test_events_that_come_again_are_known() -> None:
    story = told(support())
    again = [msgspec.convert(event, Event) for event in support().events]
    assert not any(map(story.feed, again))
    assert story.steps == 9


def test_kinds_that_a_newer_gateway_may_tell_are_passed_over() -> None:
    story = told(Tale())
    assert not story.feed(Event(2, 1.0, "step.thought", "x"))
    assert not story.feed(Event(3, 1.0, "weather"))
    assert story.feed(Event(4, 1.0, "step.started", "x"))


def test_one_step_several_times_at_once() -> None:
    tale = Tale(model="chain:many").start("each").start("each").start("each")
    tale.done("each", "a").failed("each").add("step.cancelled", step="each", ms=1)
    story = told(tale)
    assert tree(story) == ["each completed", "each failed", "each cancelled"]


def test_the_end_of_a_step_whose_start_was_not_told() -> None:
    story = told(Tale().done("inner/late", "x", ms=50))
    assert tree(story) == ["late completed"]


def test_what_runs_when_the_run_is_cancelled_is_cancelled() -> None:
    story = told(Tale().node("a").node("b", "chain").start("b/c").done("a").cancel())
    assert story.status == "cancelled"
    assert tree(story) == ["a completed", "b cancelled", "  c cancelled"]


def test_a_failure() -> None:
    story = told(Tale().node("a").failed("a").fails())
    assert story.status == "failed"
    assert story.error is not None
    assert story.error.code == "broke"
    assert tree(story) == ["a failed"]


def test_a_graph_within() -> None:
    tale = Tale(model="chain:quick").start("branch 2", "graph", model="graph:sorted")
    tale.node("branch 2/kind").done("branch 2/kind").edge("kind", "chat", step="branch 2").node("branch 2/chat")
    story = told(tale)
    inner = story.scopes["branch 2"]
    assert inner.graph
    assert inner.model == "graph:sorted"
    assert inner.taken == {("kind", "chat"): 1}
    assert not story.scopes[""].graph
