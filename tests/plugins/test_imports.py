"""What comes along as a plugin is a plugin: it imports the seam and the wire, and nothing else of the gateway."""

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "plugins"


def test_plugins_import_the_seam_and_the_wire_only() -> None:
    files = list(FOLDER.glob("*.py"))
    assert files
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("gateway") or name.startswith(("gateway.seam", "gateway.wire."))


def test_each_has_its_test() -> None:
    tests = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert {f"test_{path.name}" for path in FOLDER.glob("*.py")} <= tests
