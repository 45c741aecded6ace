"""A string that a regular expression matches.

The expression is only read, never run: it comes from a caller, and some expressions take for ever to run.
"""

import warnings
from collections.abc import Callable
from re import _constants as op  # type: ignore[attr-defined]  # no public reader of expressions exists
from re import _parser, error  # type: ignore[attr-defined]
from typing import Any

_MOST = 10_000
_MOST_PATTERN = 1_000
_LETTERS = (
    "a0 -_.@/:+#%&=?!,;~*()<>[]{}|^$\\\"'`bcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ123456789é中\t\n\x01"
)
_CATEGORIES: dict[Any, Callable[[str], bool]] = {
    op.CATEGORY_DIGIT: str.isdigit,
    op.CATEGORY_SPACE: str.isspace,
    op.CATEGORY_WORD: lambda letter: letter.isalnum() or letter == "_",
    op.CATEGORY_NOT_DIGIT: lambda letter: not letter.isdigit(),
    op.CATEGORY_NOT_SPACE: lambda letter: not letter.isspace(),
    op.CATEGORY_NOT_WORD: lambda letter: not (letter.isalnum() or letter == "_"),
}


class _Hard(Exception):
    """The expression asks for what is not understood here, or for too much."""


def matching(pattern: str, least: int = 0) -> str | None:
    """A string with a match of `pattern`, of at least so many characters where the pattern lets it grow.

    None where the pattern is not understood.
    """
    if len(pattern) > _MOST_PATTERN:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = _parser.parse(pattern)
        text = _Writer(0).all(tree)
        if len(text) < least:
            text = _Writer(least - len(text)).all(tree)
    except (error, _Hard, RecursionError, OverflowError):
        return None
    ends = tree[-1:] and tree[-1][0] is op.AT and tree[-1][1] in (op.AT_END, op.AT_END_STRING)
    return text if ends else text + "x" * (least - len(text))


class _Writer:
    """Writes one match; `spare` characters more than the shortest, where a repetition lets it."""

    def __init__(self, spare: int) -> None:
        self._spare = spare
        self._groups: dict[int, str] = {}

    def all(self, tree: Any) -> str:
        text = ""
        for kind, about in tree:
            text += self._one(kind, about)
            if len(text) > _MOST:
                raise _Hard
        return text

    def _one(self, kind: Any, about: Any) -> str:
        match kind:
            case op.LITERAL:
                return _letter(chr(about))
            case op.AT | op.ASSERT | op.ASSERT_NOT:
                return ""
            case op.ANY:
                return "a"
            case op.NOT_LITERAL:
                return "b" if about == ord("a") else "a"
            case op.IN:
                return _member(about)
            case op.BRANCH:
                return self.all(about[1][0])
            case op.SUBPATTERN:
                text = self.all(about[3])
                self._groups[about[0]] = text
                return text
            case op.ATOMIC_GROUP:
                return self.all(about)
            case op.GROUPREF:
                return self._groups.get(about, "")
            case op.MAX_REPEAT | op.MIN_REPEAT | op.POSSESSIVE_REPEAT:
                return self._repeated(*about)
        raise _Hard

    def _repeated(self, least: int, most: int, tree: Any) -> str:
        if not least and self._spare <= 0:
            return ""
        text = self.all(tree)
        more = min(int(most) - least, max(0, -(-self._spare // len(text)))) if text else 0
        if (least + more) * len(text) > _MOST:
            raise _Hard
        self._spare -= more * len(text)
        return text * (least + more)


def _letter(letter: str) -> str:
    if "\ud800" <= letter <= "\udfff":  # half of a pair is no text
        raise _Hard
    return letter


def _member(about: Any) -> str:
    """A character of a set."""
    if about[0][0] is op.NEGATE:
        for letter in _LETTERS:
            if not any(_fits(letter, kind, what) for kind, what in about[1:]):
                return letter
        raise _Hard
    kind, what = about[0]
    match kind:
        case op.LITERAL:
            return _letter(chr(what))
        case op.RANGE:
            return _letter(chr(what[0]))
    return next(letter for letter in _LETTERS if _fits(letter, kind, what))


def _fits(letter: str, kind: Any, what: Any) -> bool:
    match kind:
        case op.LITERAL:
            return bool(ord(letter) == what)
        case op.RANGE:
            return bool(what[0] <= ord(letter) <= what[1])
        case op.CATEGORY:
            return _CATEGORIES[what](letter)
    raise _Hard
