"""From a name in the configuration to an object: what `use:` and `type:` mean.

A name is a stock one, a file in `plugins/` (`tenant`, or `tenant:Name` where the file holds several things), an entry
point of the group `gateway.plugins`, or `module:Name`. A class is made with its `Settings`; a function is the component
itself. A file or module runs only where something names it.
"""

import difflib
import importlib
import inspect
import re
import sys
import traceback
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from gateway.config.load import convert
from gateway.config.problems import ConfigError, Problem
from gateway.seam import Settings

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

FOLDER = Path("plugins")
"""Where drop-in files stand, relative to the working directory."""
GROUP = "gateway.plugins"
"""The entry points by which an installed package offers components."""
_ANYTHING = (Exception, SystemExit)
"""What may go wrong where somebody else's code runs."""
_NAME = re.compile(r"\w[\w-]*")


class Found(NamedTuple):
    """What a name stands for: a class or a function, where it was found, and whether it is the gateway's own."""

    maker: Any
    origin: str
    """`stock`, `plugins/tenant.py:12`, or `module:Name`."""
    stock: bool = False


class Components:
    """Finds what names stand for. A file in `plugins/` is run once, however many entries name it."""

    def __init__(self, folder: Path = FOLDER) -> None:
        self._folder = folder
        self._modules: dict[Path, ModuleType] = {}

    def find(self, name: str, stock: Mapping[str, Any], place: str) -> Found:
        """What `name` stands for; `stock` are classes, or `module:Name`, by name. Raises `ConfigError`."""
        head, colon, _ = name.partition(":")
        path = self._folder / f"{head}.py"
        is_file = _NAME.fullmatch(head) is not None and path.is_file()
        if name in stock:
            if is_file:
                raise _told(
                    place, f"{name!r} is stock, and {path} stands there too; rename the file, or use {name}:NAME"
                )
            own = stock[name]
            return Found(_attribute(_imported(own, place), own, place) if isinstance(own, str) else own, "stock", True)
        if is_file:
            module = self._run(path, place)
            chosen = _attribute(module, name, place) if colon else _main(module, path, place)
            return Found(chosen, _where(chosen) or str(path))
        if colon:
            return Found(_attribute(_imported(name, place), name, place), name)
        offered = _offered()
        if name in offered:
            return Found(_loaded(offered[name], place), offered[name].value)
        raise _told(place, self._unknown(name, [*stock, *offered]))

    def _run(self, path: Path, place: str) -> ModuleType:
        """The module that a file in `plugins/` makes."""
        path = path.absolute()
        if path not in self._modules:
            module = ModuleType(f"{FOLDER.name}.{path.stem}")
            module.__file__ = str(path)
            # Where annotations are text, msgspec looks their names up here.
            sys.modules[module.__name__] = module
            try:
                # Compiled here and kept nowhere, so that an edit counts at once.
                exec(compile(path.read_bytes(), path, "exec"), module.__dict__)  # noqa: S102
            except _ANYTHING as error:
                del sys.modules[module.__name__]
                raise _broken(place, f"{_shown(path)} cannot be loaded", error, str(path)) from error
            self._modules[path] = module
        return self._modules[path]

    def _unknown(self, name: str, known: list[str]) -> str:
        module, dot, last = name.rpartition(".")
        if dot and module:
            return f"nothing is called {name!r}; did you mean {module}:{last}?"
        known += sorted(path.stem for path in self._folder.glob("*.py") if not path.stem.startswith("_"))
        near = difflib.get_close_matches(name, known, n=3, cutoff=0.7)
        if near:
            return f"nothing is called {name!r}; did you mean {' or '.join(near)}?"
        there = ", ".join(known)
        return f"nothing is called {name!r}; there are {there}; a file in {self._folder}/ or module:Name will do"


def made(found: Found, name: str, settings: Mapping[str, Any], place: str) -> Any:
    """Make a component with its settings, read strictly. Raises `ConfigError`.

    `place` is where the settings stand; empty, the problems' places are relative to the settings.
    """
    arguments = fitting(found, name, settings, place)
    return _constructed(found, name, arguments, place) if isinstance(found.maker, type) else found.maker


def fitting(found: Found, name: str, settings: Mapping[str, Any], place: str) -> tuple[Settings, ...]:
    """What a component is made with: its settings, or nothing where it takes none. Raises `ConfigError` as `made`."""
    maker = found.maker
    if isinstance(maker, type) and not _has_call(maker):
        raise _told(place, f"{name} ({found.origin}) is a class without an `async def __call__`")
    wanted = getattr(maker, "Settings", None) if isinstance(maker, type) else None
    if wanted is None:
        if settings:
            raise _told(place, f"{name} takes no settings, found {', '.join(settings)}")
        return ()
    if not (isinstance(wanted, type) and issubclass(wanted, Settings)):
        raise _told(place, f"{name}: its Settings must be a class based on gateway.seam.Settings, found {wanted!r}")
    return (convert(dict(settings), wanted, place),)


def _constructed(found: Found, name: str, arguments: tuple[Any, ...], place: str) -> Any:
    try:
        return found.maker(*arguments)
    except ConfigError:
        raise
    except ValueError as error:  # how a component says that its settings do not fit
        raise _told(place, str(error)) from error
    except _ANYTHING as error:
        raise _broken(place, f"{name} cannot be made", error, inspect.getsourcefile(found.maker) or "") from error


def _imported(name: str, place: str) -> ModuleType:
    """The module of `module:Name`."""
    try:
        return importlib.import_module(name.partition(":")[0])
    except _ANYTHING as error:  # a module runs when it is imported: anything may go wrong
        raise _broken(place, f"{name!r} cannot be loaded", error, "") from error


def _offered() -> "dict[str, EntryPoint]":
    # It takes a megabyte, which only those pay who name what is neither stock nor a file.
    from importlib.metadata import entry_points  # noqa: PLC0415

    return {point.name: point for point in entry_points(group=GROUP)}


def _loaded(point: "EntryPoint", place: str) -> Any:
    try:
        return point.load()
    except _ANYTHING as error:
        raise _broken(place, f"the entry point {point.name} = {point.value!r} cannot be loaded", error, "") from error


def _attribute(module: ModuleType, name: str, place: str) -> Any:
    """What `name` (`module:Name`) names in that module."""
    wanted = name.partition(":")[2]
    found = getattr(module, wanted, None)
    if isinstance(found, type) or callable(found):
        return found
    what = f"{module.__name__} has no {wanted!r}" if found is None else f"{name!r} is neither a class nor a function"
    raise _told(place, f"{what}; {_inventory(list(_defined(module)), wanted)}")


def _main(module: ModuleType, path: Path, place: str) -> Any:
    """The class or function that a file is there for: the one with the file's name, else the only one."""
    defined = _defined(module)
    named = [value for name, value in defined.items() if _plain(name) == _plain(path.stem)]
    usable = [value for value in defined.values() if not isinstance(value, type) or _has_call(value)]
    for choice in (named, usable, list(defined.values())):
        if len(choice) == 1:
            return choice[0]
    raise _told(place, f"{path}: which of it is meant? {_inventory(list(defined), path.stem, f'{path.stem}:')}")


def _defined(module: ModuleType) -> dict[str, Any]:
    """The public classes and functions that stand in a module itself."""
    return {
        name: value
        for name, value in vars(module).items()
        if not name.startswith("_")
        and (isinstance(value, type) or inspect.isfunction(value))
        and value.__module__ == module.__name__
    }


def _inventory(names: list[str], wanted: str, prefix: str = "") -> str:
    if not names:
        return "it holds no class and no function"
    near = difflib.get_close_matches(wanted, names, n=3, cutoff=0.6)
    shown = [f"{prefix}{name}" for name in near or sorted(names)]
    return f"did you mean {' or '.join(shown)}?" if near and not prefix else f"it holds {', '.join(shown)}"


def _has_call(kind: type) -> bool:
    # `hasattr` would find the metaclass's.
    return any("__call__" in vars(base) for base in kind.__mro__)


def takes(thing: Any, count: int) -> bool:
    """Whether something can be called with so many arguments by position."""
    try:
        inspect.signature(thing).bind(*range(count))
    except TypeError:
        return False
    return True


def _plain(name: str) -> str:
    return re.sub(r"[_-]", "", name).lower()


def _where(thing: Any) -> str:
    """`file:line` of a class or function; empty where nobody knows."""
    try:
        return f"{_shown(Path(inspect.getsourcefile(thing) or ''))}:{inspect.getsourcelines(thing)[1]}"
    except (OSError, TypeError):
        return ""


def _shown(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _told(place: str, message: str) -> ConfigError:
    return ConfigError([Problem(place, message)])


def _broken(place: str, what: str, error: BaseException, file: str) -> ConfigError:
    """What went wrong in somebody's code, and on which line of it."""
    line = _line(error, file)
    kind = "" if isinstance(error, ImportError) else f"{type(error).__name__}: "
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    return _told(place, f"{what}: {kind}{text}{f' ({line})' if line else ''}")


def _line(error: BaseException, file: str) -> str:
    """`file:line` of the author's own line that failed: in `file` where that is known, and never of ours."""
    if isinstance(error, SyntaxError):
        return f"{_shown(Path(error.filename or file))}:{error.lineno}"
    frames = [frame for frame in traceback.extract_tb(error.__traceback__) if frame.filename != __file__]
    own = [frame for frame in frames if frame.filename == file] or [
        frame for frame in frames if "importlib" not in frame.filename
    ]
    return f"{_shown(Path(own[-1].filename))}:{own[-1].lineno}" if own else ""
