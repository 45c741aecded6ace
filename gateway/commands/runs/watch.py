"""`gateway runs watch`: a run as it goes."""

import threading
import time

from rich.console import Console, Group
from rich.live import Live
from rich.text import Text

from gateway.commands.runs.client import Client
from gateway.commands.runs.following import followed
from gateway.commands.runs.frame import Frames
from gateway.commands.runs.lines import Lines
from gateway.commands.runs.shown import ending, headline, say
from gateway.commands.runs.story import Story
from gateway.config.schema import Config

_PICTURES = 10
"""A second."""
_LOST = "the connection is lost; trying again …"


def watch(client: Client, identifier: str, console: Console, config: Config | None) -> Story:
    """Show a run until it ends: drawn in a terminal, else a line for each event. Raises `Refused`, `Lost`."""
    if console.is_terminal and not console.is_dumb_terminal:
        return _drawn(client, identifier, console, config)
    return _told(client, identifier, console)


def _told(client: Client, identifier: str, console: Console) -> Story:
    story, lines = Story(), Lines()

    def lost(away: bool) -> None:
        say(console, Text(_LOST if away else "the connection is back"))

    for event in followed(client, identifier, lost):
        story.feed(event)
        say(console, Text(lines.line(event)))
    if not story.over:
        story.settle(client.run(identifier)[0])
        for line in (headline(story, identifier, story.took(time.time()), None), *ending(story)):
            say(console, line)
    return story


def _drawn(client: Client, identifier: str, console: Console, config: Config | None) -> Story:
    story, frames = Story(), Frames(config, identifier)
    lock = threading.Lock()  # pictures are made in a thread of their own
    note = ""

    def picture() -> Group:
        with lock:
            return Group(*frames.live(story, console.width, console.height - 1, time.time(), note))

    def lost(away: bool) -> None:
        nonlocal note
        note = _LOST if away else ""

    try:
        with Live(
            get_renderable=picture,
            console=console,
            refresh_per_second=_PICTURES,
            transient=True,
            vertical_overflow="crop",
        ):
            for event in followed(client, identifier, lost):
                with lock:
                    story.feed(event)
        if not story.over:  # as where the process that served it ended
            story.settle(client.run(identifier)[0])
    finally:
        # What was on the way stays to be read, also where it is left.
        if story.seq:
            for line in frames.last(story, console.width, console.height - 1, time.time(), note):
                say(console, line)
    return story
