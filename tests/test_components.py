"""What names stand for: stock, files in `plugins/`, modules, entry points; and what is told of other names."""

import importlib.metadata
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gateway.components import Components, Found, made, takes
from gateway.config.problems import ConfigError
from gateway.seam import Settings

PLACE = "pipeline.request[0].use"


class Stock:
    async def __call__(self) -> None: ...


STOCK = {"auth": Stock, "lazy": "tests.test_components:Stock"}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plugins").mkdir()
    yield tmp_path / "plugins"
    for name in [name for name in sys.modules if name.startswith("plugins.")]:
        del sys.modules[name]


def find(name: str) -> Found:
    return Components().find(name, STOCK, PLACE)


def told(name: str) -> str:
    with pytest.raises(ConfigError) as caught:
        find(name)
    (problem,) = caught.value.problems
    assert problem.place == PLACE
    return problem.message


@pytest.mark.parametrize("name", ["auth", "lazy"])
def test_stock(name: str) -> None:
    assert find(name) == Found(Stock, "stock", True)


SIMPLE = "async def {}(call, call_next):\n    return await call_next(call)\n"


@pytest.mark.parametrize(
    ("name", "source", "line"),
    [
        ("tenant", SIMPLE.format("tenant"), 1),
        ("tenant", "\n" + SIMPLE.format("anything"), 2),
        ("tenant", "class Tenant:\n  async def __call__(self, call, call_next): ...\nclass Other(Tenant): ...\n", 1),
        ("slack_errors", "class Base: ...\nclass SlackErrors:\n  async def __call__(self): ...\n", 2),
        ("tenant", "class Shape: ...\nclass Named:\n  async def __call__(self): ...\n_private = Shape\n", 2),
        ("tenant:other", SIMPLE.format("tenant") + SIMPLE.format("other"), 3),
        ("ten-ant", "from pathlib import Path\n" + SIMPLE.format("tenant"), 2),
    ],
)
def test_a_file_in_the_folder(folder: Path, name: str, source: str, line: int) -> None:
    file = name.partition(":")[0]
    (folder / f"{file}.py").write_text(source)
    found = find(name)
    assert (found.origin, found.stock) == (f"plugins/{file}.py:{line}", False)


def test_a_file_runs_only_where_it_is_named_and_once(folder: Path) -> None:
    (folder / "tenant.py").write_text("import builtins\nbuiltins.runs += 1\n" + SIMPLE.format("tenant"))
    (folder / "other.py").write_text("raise AssertionError\n")
    import builtins

    builtins.runs = 0  # type: ignore[attr-defined]
    components = Components()
    first, second = (components.find("tenant", STOCK, PLACE) for _ in range(2))
    assert first.maker is second.maker
    assert builtins.runs == 1  # type: ignore[attr-defined]
    (folder / "tenant.py").write_text(SIMPLE.format("tenent"))
    assert find("tenant").maker.__name__ == "tenent"  # who builds again reads again, at once
    del builtins.runs  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("def tenant(:\n", "plugins/tenant.py cannot be loaded: SyntaxError: invalid syntax (plugins/tenant.py:1)"),
        (
            "x = 1\nimport nosuch\n",
            "plugins/tenant.py cannot be loaded: No module named 'nosuch' (plugins/tenant.py:2)",
        ),
        (
            "from gateway.seam import Nosuch\n",
            "plugins/tenant.py cannot be loaded: cannot import name 'Nosuch' from 'gateway.seam'",
        ),
        (
            "import json\n\njson.loads('1 2')\n",
            "plugins/tenant.py cannot be loaded: JSONDecodeError: Extra data: line 1 column 3 (char 2) (plugins",
        ),
        ("raise SystemError('x')\n", "plugins/tenant.py cannot be loaded: SystemError: x (plugins/tenant.py:1)"),
        ("import sys\nsys.exit(3)\n", "plugins/tenant.py cannot be loaded: SystemExit: 3 (plugins/tenant.py:2)"),
        ("\x00", "plugins/tenant.py cannot be loaded: "),
        ("x = 'é'", "plugins/tenant.py cannot be loaded: "),
        ("x = 1\n", "plugins/tenant.py: which of it is meant? it holds no class and no function"),
        (
            SIMPLE.format("one") + SIMPLE.format("two"),
            "plugins/tenant.py: which of it is meant? it holds tenant:one, tenant:two",
        ),
    ],
)
def test_a_file_that_cannot_be_used(folder: Path, source: str, message: str) -> None:
    (folder / "tenant.py").write_bytes(source.encode("latin-1"))
    assert told("tenant").startswith(message)
    assert "plugins.tenant" not in sys.modules or "cannot be loaded" not in message


def test_a_name_that_a_file_lacks(folder: Path) -> None:
    (folder / "tenant.py").write_text(SIMPLE.format("Tenant") + SIMPLE.format("other"))
    assert told("tenant:Tennant") == "plugins.tenant has no 'Tennant'; did you mean Tenant?"
    assert told("tenant:xyz") == "plugins.tenant has no 'xyz'; it holds Tenant, other"


def test_near_names_of_what_is_there(folder: Path) -> None:
    (folder / "tenant.py").write_text("raise AssertionError\n")
    assert "did you mean tenant?" in told("tenent")
    assert "did you mean auth?" in told("auht")
    assert "there are auth, lazy, tenant;" in told("zzz")
    assert told("my.module.Tenant") == "nothing is called 'my.module.Tenant'; did you mean my.module:Tenant?"
    for name in ("../tenant", "a/b", "", ".", "tenant.py"):
        assert "nothing is called" in told(name)


def test_a_file_must_not_hide_behind_a_stock_name(folder: Path) -> None:
    (folder / "auth.py").write_text(SIMPLE.format("auth"))
    assert told("auth") == "'auth' is stock, and plugins/auth.py stands there too; rename the file, or use auth:NAME"
    assert find("auth:auth").origin == "plugins/auth.py:1"


def test_a_module(folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "a_module.py").write_text(SIMPLE.format("layer") + "import deep_module\n")
    (tmp_path / "deep_module.py").write_text("\n\n1 / 0\n")
    assert told("a_module:layer") == (
        "'a_module:layer' cannot be loaded: ZeroDivisionError: division by zero (deep_module.py:3)"
    )
    (tmp_path / "deep_module.py").write_text("")
    sys.modules.pop("deep_module", None)
    assert find("a_module:layer").origin == "a_module:layer"
    assert told("a_module:leyer") == "a_module has no 'leyer'; did you mean layer?"
    assert told("a_module:") == "a_module has no ''; it holds layer"
    for name in ("a_module", "deep_module"):
        sys.modules.pop(name)


def test_an_entry_point(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    points = [
        importlib.metadata.EntryPoint("offered", "tests.test_components:Stock", "gateway.plugins"),
        importlib.metadata.EntryPoint("broken", "nosuch.module:Stock", "gateway.plugins"),
    ]
    monkeypatch.setattr("importlib.metadata.entry_points", lambda group: points)
    assert find("offered") == Found(Stock, "tests.test_components:Stock")
    assert told("broken") == (
        "the entry point broken = 'nosuch.module:Stock' cannot be loaded: No module named 'nosuch'"
    )
    assert "did you mean offered?" in told("offred")


# ---- made


class Wanting:
    class Settings(Settings):
        word: str
        times: int = 1

    def __init__(self, settings: Settings) -> None:
        if settings.times > 9:
            raise ValueError("nine times at most")
        if settings.times < 0:
            raise KeyError("times")
        self.settings = settings

    async def __call__(self) -> None: ...


class Loose(Wanting):
    Settings = dict  # type: ignore[assignment]


async def function() -> None: ...


@pytest.mark.parametrize(
    ("maker", "settings", "problem"),
    [
        (Wanting, {}, "p"),
        (Wanting, {"word": "x", "wrod": 1}, "p"),
        (Wanting, {"word": "x", "times": "many"}, "p.times: "),
        (Wanting, {"word": "x", "times": 10}, "p: nine times at most"),
        (Wanting, {"word": "x", "times": -1}, "p: x cannot be made: KeyError: 'times' (tests/test_components.py:"),
        (Loose, {}, "p: x: its Settings must be a class based on gateway.seam.Settings, found <class 'dict'>"),
        (Stock, {"a": 1, "b": 2}, "p: x takes no settings, found a, b"),
        (function, {"a": 1}, "p: x takes no settings, found a"),
        (Settings, {}, "p: x (here) is a class without an `async def __call__`"),
    ],
)
def test_what_cannot_be_made(maker: object, settings: dict[str, object], problem: str) -> None:
    with pytest.raises(ConfigError) as caught:
        made(Found(maker, "here"), "x", settings, "p")
    assert str(caught.value).startswith(problem)


def test_what_can_be_made() -> None:
    assert made(Found(Wanting, ""), "x", {"word": "y"}, "").settings.word == "y"
    assert made(Found(function, ""), "x", {}, "") is function
    assert isinstance(made(Found(Stock, ""), "x", {}, ""), Stock)


def test_takes() -> None:
    assert takes(lambda a: None, 1)
    assert takes(lambda *a: None, 5)
    assert not takes(lambda a, *, b: None, 1)
    assert not takes(lambda: None, 1)
    assert not takes("nothing that is called", 1)
