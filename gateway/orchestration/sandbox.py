"""Where templates run: Jinja2's sandbox, without its ways to objects, and with bounds on size and work.

Jinja's own sandbox keeps templates from code and from what is private. It does not bound them: `'a' * 10**8`, a
`center(10**9)`, or loops in loops hold the process. Here each run has a budget; whatever can grow or repeat draws on it
*before* it happens, so that there is no clock and no thread, and the same template with the same names always ends in
the same way.
"""

from collections.abc import Mapping
from typing import Any, NoReturn, Self

import msgspec
from jinja2 import StrictUndefined, Undefined, pass_context
from jinja2.runtime import Context, LoopContext
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import missing

LARGEST = 4 * 2**20
"""Characters that a template's text, and any text on the way to it, may have."""
WORK = 500_000
"""What a run may do. Each item of a loop costs as much as the loop has parts; 64 characters of a text that is made or
searched cost one."""
_BITS = 1024
"""Bits of a product: whole numbers have no end in Python."""
_LOOP = frozenset(["index", "index0", "revindex", "revindex0", "first", "last", "length", "previtem", "nextitem"])


class TooMuch(Exception):
    """A template went beyond its bounds."""


class Lack(str):
    """What is told of something that is missing; its name, and what should have it: None, where it is no field."""

    __slots__ = ("name", "owner")
    name: str
    owner: Any

    def __new__(cls, told: str, name: str, owner: Any) -> Self:
        """`told` is the sentence."""
        lack = super().__new__(cls, told)
        lack.name = name
        lack.owner = owner
        return lack


class Missing(StrictUndefined):
    """What is not defined. It may be asked whether it is, and be given a default; all else names it."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        name, owner = self._undefined_name, self._undefined_obj
        if owner is missing:
            return Lack(f"{name} is not defined", str(name), None)
        return Lack(f"{kind(owner)} has no {name!r}", str(name), owner)

    def fail(self) -> NoReturn:
        """Raise the error that names it."""
        self._fail_with_undefined_error()


class Scope(Context):
    """The names of one run, and what is left of its bounds."""

    left = WORK
    room = LARGEST

    def spend(self, work: int) -> None:
        """Take from the budget. Raises `TooMuch` where there is none left."""
        self.left -= work
        if self.left < 0:
            raise TooMuch("it takes more steps than a template may; loop over less, or do it in a function")

    def grow(self, length: int) -> None:
        """Pay for a text of so many characters that is about to be made."""
        if length > LARGEST:
            raise TooMuch(f"a text becomes longer than {LARGEST:,} characters; send less, or cut it")
        self.spend(length >> 6)

    def weigh(self, value: Any) -> None:
        """Pay for looking at a value whole, however deep it is."""
        pile = [value]
        while pile:
            one = pile.pop()
            if isinstance(one, str):
                self.spend(1 + (len(one) >> 6))
            elif isinstance(one, list | tuple):
                self.spend(1 + len(one))
                pile.extend(one)
            elif isinstance(one, dict):
                self.spend(1 + 2 * len(one))
                pile.extend(one)
                pile.extend(one.values())
            else:
                self.spend(1)

    def text(self, value: Any) -> str:
        """A value as it is written: a text as it is, anything else as JSON."""
        if isinstance(value, str):
            return str(value)
        if isinstance(value, Missing):
            value.fail()
        self.weigh(value)
        written = msgspec.json.encode(value).decode()
        self.grow(len(written))
        return written


@pass_context
def _written(scope: Scope, value: Any) -> str:
    text = value if type(value) is str else scope.text(value)
    size = len(text)
    scope.room -= size
    scope.left -= size >> 6
    if scope.room < 0:
        scope.grow(LARGEST + 1)
    if scope.left < 0:
        scope.spend(0)
    return text


class Sandbox(ImmutableSandboxedEnvironment):
    """The environment of all templates. It has no globals; `filters` says what there is beside names."""

    intercepted_binops = frozenset(("+", "-", "*", "/", "//", "%"))
    context_class = Scope

    def __init__(self, filters: Mapping[str, Any], tests: Mapping[str, Any]) -> None:
        super().__init__(
            undefined=Missing,
            finalize=_written,
            autoescape=False,
            keep_trailing_newline=True,
            trim_blocks=True,
            lstrip_blocks=True,
            cache_size=0,
            optimized=False,
        )
        self.globals = {}
        self.filters = dict(filters)
        self.tests = dict(tests)

    def getattr(self, obj: Any, attribute: str) -> Any:
        """What a mapping holds under a name, and what a loop knows of itself: never an object's attribute."""
        if isinstance(obj, dict):
            found = obj.get(attribute, self)
            return found if found is not self else self.undefined(obj=obj, name=attribute)
        if isinstance(obj, LoopContext) and attribute in _LOOP:
            return getattr(obj, attribute)
        # What hangs on something undefined is undefined in its name, so that `a.b | default(0)` holds for both.
        return obj if isinstance(obj, Missing) else self.undefined(obj=obj, name=attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:
        """What a list, text or mapping holds at a place."""
        if isinstance(obj, dict | list | tuple | str):
            try:
                return obj[argument]
            except (LookupError, TypeError):
                return self.undefined(obj=obj, name=argument)
        return obj if isinstance(obj, Missing) else self.undefined(obj=obj, name=argument)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """Arithmetic on numbers, and `+` and `*` on texts and lists, within bounds."""
        for operand in (left, right):
            if isinstance(operand, Missing):
                operand.fail()
        assert isinstance(context, Scope)
        if isinstance(left, int | float) and isinstance(right, int | float):
            if operator == "*" and isinstance(left, int) and isinstance(right, int):
                _check_product(left, right)
        elif operator == "+" and isinstance(left, str) and isinstance(right, str):
            context.grow(len(left) + len(right))
        elif operator == "+" and isinstance(left, list) and isinstance(right, list):
            context.spend(len(left) + len(right))
        elif operator == "*" and isinstance(left, str) and isinstance(right, int):
            context.grow(len(left) * max(right, 0))
        else:
            raise TypeError(f"{kind(left)} {operator} {kind(right)} means nothing here")
        return self.binop_table[operator](left, right)

    def call(self, *_: Any, **__: Any) -> NoReturn:
        """Nothing is called: methods that templates may use are filters by then."""
        raise TypeError("nothing can be called here")


def _check_product(left: int, right: int) -> None:
    if left.bit_length() + right.bit_length() > _BITS:
        raise TooMuch("a number becomes too large")


def kind(value: Any) -> str:
    """What a value is, in a word."""
    if isinstance(value, Undefined):
        return "nothing"
    if isinstance(value, bool):
        return "true or false"
    for type_, word in _KINDS.items():
        if isinstance(value, type_):
            return word
    return "nothing" if value is None else f"a {type(value).__name__}"


_KINDS: dict[Any, str] = {str: "text", int | float: "a number", list | tuple: "a list", dict: "a block"}
