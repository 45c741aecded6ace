"""Draws watch.svg: a run of config/examples/research.yaml while its draft is written again."""

import re
import threading
from io import StringIO
from pathlib import Path

import httpx
import yaml
from rich.console import Console
from rich.terminal_theme import MONOKAI

from gateway.commands.runs.client import Client
from gateway.commands.runs.following import followed, next_run
from gateway.commands.runs.frame import Frames
from gateway.commands.runs.place import Place
from gateway.commands.runs.story import Story
from gateway.testing import serve

HERE = Path(__file__).parent
WIDTH, HEIGHT = 92, 40
SINCE = 0.3
"""Seconds that the step has been running in the picture."""


def main() -> None:
    """Run the example, and keep the picture of the moment in which it goes back."""
    document = yaml.safe_load((HERE.parents[1] / "config/examples/research.yaml").read_text())
    document |= {"runs": {"keep": False, "content": True}}
    document["providers"]["mock"] |= {"first_token": "300ms", "pace": "20ms"}
    console = Console(record=True, width=WIDTH, file=StringIO(), force_terminal=True)
    with serve(document, {}) as served, Client(Place(served.url, None)) as client:
        body = {"model": "graph:research", "messages": [{"role": "user", "content": "How did it begin?"}]}
        url = f"{served.base_url}/chat/completions"
        asking = threading.Thread(target=httpx.post, args=(url,), kwargs={"json": body, "timeout": 60})
        asking.start()
        story, run = Story(), next_run(client, None, None)
        frames = Frames(served.gateway.config, run.id)
        for event in followed(client, run.id, lambda _: None):
            story.feed(event)
            if event.type == "step.started" and event.step == "write" and story.scopes[""].steps["write"].visits == 2:
                for line in frames.live(story, WIDTH, HEIGHT, event.at + SINCE):
                    console.print(line, soft_wrap=True)
        asking.join()
    picture = console.export_svg(title="gateway runs watch", theme=MONOKAI, unique_id="watch")
    # Pages that show pictures of others load no fonts for them.
    picture = re.sub(r"@font-face \{.*?\}\s*", "", picture, flags=re.DOTALL).replace("Fira Code,", "")
    (HERE / "watch.svg").write_text(picture)


if __name__ == "__main__":
    main()
