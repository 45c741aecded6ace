"""How times, tokens and texts of runs are written in a terminal."""

import json
import re
from typing import Any

from rich.cells import cell_len, set_cell_size

from gateway.commands.runs.records import Failure

MARKS = {None: "○", "running": "●", "completed": "✓", "failed": "✗", "cancelled": "◌"}
"""One sign for how it stands with a step or run; None: it did not begin."""
COLOURS = {None: "dim", "running": "bold cyan", "completed": "green", "failed": "bold red", "cancelled": "yellow"}
_KEPT = "\n\t\u200d"
_BREAK = re.compile(r"\s*[\n\t]\s*")


def took(ms: float | None) -> str:
    """Milliseconds as people read them: `812 ms`, `1.2 s`, `3m05s`; empty where they are not known."""
    if ms is None:
        return ""
    if ms < 999.5:
        return f"{ms:.0f} ms"
    if ms < 99_950:
        return f"{ms / 1000:.1f} s"
    minutes, seconds = divmod(round(ms / 1000), 60)
    return f"{minutes}m{seconds:02}s"


def tokens(count: int) -> str:
    """Tokens with their word; empty for none."""
    return f"{count:,} token{'s' if count != 1 else ''}" if count else ""


def clean(text: str) -> str:
    """A text without what would move the cursor or turn the writing round: such signs are written as escapes.

    What models and callers say is data; a terminal would take some of it for commands.
    """
    if text.isprintable():
        return text
    text = text.replace("\r\n", "\n")
    return "".join(sign if sign.isprintable() or sign in _KEPT else _escaped(sign) for sign in text)


def one_line(text: str) -> str:
    """The same without breaks: a name, a condition, an error."""
    return _BREAK.sub(" ", clean(text)).strip()


def _escaped(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"


def text_of(value: Any) -> str:
    """What a step got or brought: a text as it is, all else as JSON; of messages, what the last one says."""
    said = _said(value)
    return clean(said if said is not None else json.dumps(value, ensure_ascii=False))


def short(value: Any, room: int) -> str:
    """The same on one line, of so many cells at most, in quotes where it is a text; empty for None."""
    if value is None:
        return ""
    line = " ".join(text_of(value)[: 4 * room + 4].split())
    return fitted(line if _said(value) is None else f'"{line}"', room)


def _said(value: Any) -> str | None:
    """The text that a value is or holds; None: it is something else."""
    if isinstance(value, str):
        return value
    messages = value.get("messages") if isinstance(value, dict) else value
    if isinstance(messages, list) and messages and isinstance(messages[-1], dict) and "role" in messages[-1]:
        content = messages[-1].get("content")
        return content if isinstance(content, str) else None
    return None


def fitted(text: str, room: int) -> str:
    """A line of so many cells at most, its end cut with a sign where it is longer."""
    return text if cell_len(text) <= room else set_cell_size(text, max(0, room - 1)).rstrip() + "…"


def told(error: Failure | None) -> str:
    """An error in a line."""
    if error is None:
        return ""
    message = one_line(error.message or error.type or "failed")
    return f"{message} ({one_line(error.code)})" if error.code else message
