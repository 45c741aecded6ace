"""What Anthropic's models take, by their names.

Versions differ in how thinking is asked for, in sampling, in forced tools, and in structured outputs; what a version
does not know it refuses with a 400 (https://platform.claude.com/docs/en/about-claude/models/migration-guide).
"""

import re
from functools import lru_cache
from typing import Literal, NamedTuple

Off = Literal["", "disabled", "between_tools", "never"]


class Claude(NamedTuple):
    """One model's traits. The defaults are those of a Messages server that is not Anthropic's."""

    max_tokens: int = 4096
    """The longest answer that it gives, in tokens."""
    thinks: bool = True
    """Whether it can be asked to think."""
    budget: bool = True
    """Whether thinking is asked for with a budget of tokens; else it is adaptive, steered by `effort`."""
    xhigh: bool = False
    """Whether there is an effort between `high` and `max`."""
    shown: bool = True
    """Whether thoughts are shown unless asked otherwise."""
    off: Off = ""
    """The type of thinking that switches it off: none, where it is off unless asked for; or it cannot be."""
    sampling: bool = True
    """Whether `temperature`, `top_p` and `top_k` are taken."""
    exclusive: bool = False
    """Whether only one of `temperature` and `top_p` is."""
    schemas: bool = False
    """Whether answers (`output_config.format`) and tools (`strict`) can be held to a schema."""
    forced: bool = True
    """Whether a tool's use can be forced."""
    system_turns: bool = False
    """Whether a system turn may stand behind a user's."""


_NAME = re.compile(
    r"claude-(?:(?P<early>\d)[-.](?P<early_minor>\d)-)?(?:(?P<old>\d)-)?(?P<family>[a-z]+)"
    r"(?:-(?P<major>\d)(?:[-.](?P<minor>\d)(?!\d))?)?(?!\d{2})"
)


@lru_cache(1024)
def claude(model: str) -> Claude:
    """The traits of a model by its name, in any of the spellings that Anthropic, Bedrock and Vertex give it."""
    found = _NAME.search(model.lower())
    if found is None or found["family"] in ("v", "instant"):  # those before Claude 3 tell their version so
        return Claude()
    family = found["family"]
    major = int(found["early"] or found["old"] or found["major"] or 9)
    minor = int(found["early_minor"] or found["minor"] or 0)
    version = (major, minor)
    if version < (4, 6):
        return Claude(
            max_tokens=_longest(family, version),
            thinks=version >= (3, 7),
            exclusive=version >= (4, 1),
            schemas=version >= (4, 5) or (family, version) == ("opus", (4, 1)),
        )
    return Claude(
        max_tokens=64_000 if version == (4, 6) and family != "opus" else 128_000,
        budget=False,
        xhigh=version >= (4, 7),
        shown=version < (4, 7),
        off=_off(family, version),
        sampling=version < (4, 7),
        exclusive=True,
        schemas=True,
        forced=version <= (5, 0),
        system_turns=version > (5, 0) or (version >= (4, 8) and family != "sonnet"),
    )


def _longest(family: str, version: tuple[int, int]) -> int:
    if version >= (4, 0):
        return 32_000 if family == "opus" and version < (4, 5) else 64_000
    return {(3, 7): 64_000, (3, 5): 8192}.get(version, 4096)


def _off(family: str, version: tuple[int, int]) -> Off:
    if version < (5, 0):
        return ""
    if version == (5, 0) or family == "haiku":
        return "never" if family == "fable" else "disabled"
    return "between_tools" if family == "sonnet" else "never"
