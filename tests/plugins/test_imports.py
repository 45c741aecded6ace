"""What comes along as a plugin is a plugin: it imports the seam, the wire and what is offered
to plugins for graphs of LangGraph's, and nothing else of the gateway.
"""

import ast
from pathlib import Path

FOLDER = Path(__file__).parents[2] / "plugins"
ALLOWED = ("gateway.seam", "gateway.wire.", "gateway.langgraph.")


def test_plugins_import_what_is_there_for_them_only() -> None:
    files = list(FOLDER.glob("*.py"))
    assert files
    for path in files:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [f"{node.module}.{alias.name}" for alias in node.names] if isinstance(node, ast.ImportFrom) else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                assert not name.startswith("gateway") or name.startswith(ALLOWED)


def test_each_has_its_test() -> None:
    tests = {path.name for path in Path(__file__).parent.glob("test_*.py")}
    assert {f"test_{path.name}" for path in FOLDER.glob("*.py")} <= tests
