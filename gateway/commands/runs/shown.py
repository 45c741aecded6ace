"""What `list` and `show` print."""

from collections.abc import Iterator, Sequence
from datetime import datetime

from rich.console import Console
from rich.text import Text

from gateway.commands.runs.records import Run, Usage
from gateway.commands.runs.steps import told_steps
from gateway.commands.runs.story import Status, Story
from gateway.commands.runs.table import aligned, head
from gateway.commands.runs.words import COLOURS, MARKS, one_line, short, text_of, tokens, told, took

_SHORT = 100


def say(console: Console, line: Text) -> None:
    """Print a line as it is: what is too long is the terminal's to break."""
    console.print(line, soft_wrap=True)


def listed(runs: Sequence[Run], width: int | None) -> list[Text]:
    """Runs, one a line."""
    failed = any(run.error is not None for run in runs)
    titles = head("RUN", "MODEL", "STATUS", "STARTED", "TOOK", "STEPS", "TOKENS", "ERROR" if failed else "")
    return aligned([titles, *map(_row, runs)], width, right=(4, 5, 6))


def story_of(run: Run) -> Story:
    """What a run and its events come to."""
    story = Story()
    for event in run.events:
        story.feed(event)
    story.settle(run)
    return story


def shown(run: Run, width: int | None, *, full: bool) -> Iterator[Text]:
    """A run: what it was asked, its steps and edges, what it answered."""
    story = story_of(run)
    yield headline(story, run.id, story.took(datetime.now().timestamp()), width)
    about = f"started {_time(run.created_at)}"
    yield Text(about + (f", conversation {one_line(run.conversation_id)}" if run.conversation_id else ""), style="dim")
    if story.input is not None:
        asked = text_of(story.input) if full else short(story.input, _SHORT)
        yield Text("input  ", style="dim").append(asked, style="not dim")
    yield Text()
    yield from told_steps(story.all(), width, full=full)
    if story.over:
        yield Text()
        yield from ending(story)


def headline(story: Story, identifier: str, ms: float, width: int | None) -> Text:
    """A run in a line: what it is of, how it stands, how long it took, what it cost."""
    line = Text(one_line(story.model) or "…", style="bold", no_wrap=True, overflow="ellipsis")
    line.append(f"  {MARKS[story.status]} {story.status or 'waiting'}", style=f"not bold {COLOURS[story.status]}")
    parts = [took(ms) if story.began is not None else "", tokens(story.tokens())]
    line.append("".join(f"  {part}" for part in parts if part), style="not bold")
    line.append(f"  {one_line(identifier)}", style="not bold dim")
    if width is not None:
        line.truncate(width, overflow="ellipsis")
    return line


def ending(story: Story) -> Iterator[Text]:
    """What a run came to: its answer, or why there is none."""
    if story.error is not None:
        yield Text(told(story.error), style="red")
    elif story.status == "cancelled":
        yield Text("cancelled", style="yellow")
    elif story.output is not None:
        yield Text(text_of(story.output))


def _row(run: Run) -> list[Text]:
    status = _status(run.status)
    mark = MARKS.get(status, "")
    return [
        Text(one_line(run.id)),
        Text(one_line(run.model), style="bold"),
        Text(f"{mark} {one_line(run.status)}", style=COLOURS[status]),
        Text(_time(run.created_at), style="dim"),
        Text(took(run.duration_ms)),
        Text(f"{run.steps:,}"),
        Text(f"{_total(run.usage):,}"),
        Text(told(run.error), style="red"),
    ]


def _status(text: str) -> Status | None:
    match text:
        case "running" | "completed" | "failed" | "cancelled":
            return text
    return None


def _total(usage: Usage | None) -> int:
    return usage.total_tokens if usage is not None else 0


def _time(seconds: int) -> str:
    """Local time."""
    return datetime.fromtimestamp(seconds).strftime("%Y-%m-%d %H:%M:%S")
