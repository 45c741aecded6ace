from rich.text import Text

from gateway.commands.runs.drawing import drawn
from gateway.commands.runs.layout import laid_out
from gateway.commands.runs.plan import Plan, Way
from tests.commands.runs.api import Tale
from tests.commands.runs.test_layout import of
from tests.commands.runs.test_story import told


def lines(plan: Plan, tale: Tale, *, tall: bool = False) -> list[Text]:
    story = told(tale)
    layout = laid_out(plan, 80, tall=tall)
    assert layout is not None
    return drawn(layout, plan, story.scopes[""], story.status if story.over else None, tale.at + 1)


def looks(text: Text, sign: str) -> str:
    """How the first such sign looks."""
    at = text.plain.index(sign)
    return " ".join(str(span.style) for span in text.spans if span.start <= at < span.end)


LOOP = of("a>b", "b>a", "b>END")


def test_the_way_that_was_taken_last_is_bright_and_others_that_were_taken_are_lit() -> None:
    tale = Tale().node("a").done("a").edge("a", "b").node("b")
    found = lines(LOOP, tale)
    assert looks(found[3], "▼") == "bold cyan"
    tale.done("b").edge("b", "a").node("a")
    found = lines(LOOP, tale)
    assert looks(found[1], "▼") == "bold cyan"
    assert looks(found[3], "▼") == "green"
    assert looks(found[6], "▽") == "bright_black"


def test_steps_look_as_they_stand() -> None:
    tale = Tale().node("a").failed("a").node("b")
    found = lines(LOOP, tale, tall=True)
    text = "\n".join(line.plain for line in found)
    assert "│ ✗ a" in text
    assert "┃ ◐ b" in text.translate(str.maketrans("◓◑◒", "◐◐◐"))
    assert "│ ○ END │" in text


def test_the_end_of_a_chain_is_come_to_when_its_run_is_complete() -> None:
    chain = Plan(("a", "b"), ("a",), (Way("a", "b"), Way("b", "END")), False)
    tale = Tale(model="chain:x").start("a").done("a").start("b").done("b")
    assert "○ END" in lines(chain, tale)[-1].plain
    assert "✓ END" in lines(chain, tale.ends())[-1].plain


def test_wide_names_keep_the_boxes_whole() -> None:
    found = lines(of("漢字>END", starts="漢字"), Tale().node("漢字"), tall=True)
    assert len({line.cell_len for line in found[:3]}) == 1
