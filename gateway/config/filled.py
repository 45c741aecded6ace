"""A text that does not stand in the file as it is."""

from typing import Self


class Filled(str):
    """A text that variables filled in: it may be read as a number or truth, and is not shown unless `shown`."""

    __slots__ = ("shown", "told", "variable", "written")
    shown: bool
    told: bool
    """Whether it stands for something that is wrong, and told already."""
    variable: str
    written: str
    """What the file has in its place, such as `Bearer ${TOKEN}`."""

    def __new__(cls, text: str, variable: str, written: str = "", *, shown: bool = False, told: bool = False) -> Self:
        """`variable` is its name; unless said, the file has that alone."""
        filled = super().__new__(cls, text)
        filled.variable = variable
        filled.written = written or f"${{{variable}}}"
        filled.shown = shown
        filled.told = told
        return filled

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        # A copy is a plain text.
        return str, (str(self),)


TOLD = Filled("", "", told=True)
"""What stands in the place of a value that is wrong, and told."""
