"""A run's events as plain lines, for where there is no terminal to draw in."""

from gateway.commands.runs.records import Event
from gateway.commands.runs.words import one_line, short, text_of, tokens, told, took

_SHORT = 80


class Lines:
    """One line an event, its time counted from the run's begin."""

    def __init__(self) -> None:
        self._began: float | None = None

    def line(self, event: Event) -> str:
        """What happened; a run that is completed is followed by its answer."""
        if self._began is None:
            self._began = event.at
        return f"{event.at - self._began:8.3f} s  {self._told(event)}"

    def _told(self, event: Event) -> str:
        subject, _, what = event.type.partition(".")
        name = one_line(event.step) if subject == "step" else subject
        usage = tokens(event.usage.total_tokens) if event.usage is not None else ""
        spent = ", ".join(filter(None, (took(event.ms), usage)))
        match event.type:
            case "run.started":
                words = [f"run started: {one_line(event.model or '')}", short(event.input, _SHORT)]
            case "step.started":
                words = [f"{name} started", _doing(event)]
            case "step.completed":
                words = [f"{name} completed in {spent}", short(event.output, _SHORT)]
            case "step.failed" | "run.failed":
                words = [f"{name} failed after {spent}", told(event.error)]
            case "step.cancelled" | "run.cancelled":
                words = [f"{name} cancelled after {spent}"]
            case "edge":
                words = [_edge(event)]
            case "run.completed":
                words = [f"run completed in {spent}"]
                if event.output is not None:
                    words.append(f"\n{text_of(event.output)}")
            case _:
                words = [f"{name} {one_line(what)}" if what else one_line(event.type)]
        return "  ".join(filter(None, words)).replace("  \n", "\n")


def _doing(event: Event) -> str:
    words = [event.model] if event.kind in ("chain", "graph") and event.model else [event.kind, event.model]
    return one_line(" ".join(word for word in words if word))


def _edge(event: Event) -> str:
    ends = f"{', '.join(event.from_)} → {', '.join(event.to)}"
    inside = f"{event.step}: " if event.step else ""
    return one_line(f"{inside}{ends}" + (f"  if {event.when}" if event.when else ""))
