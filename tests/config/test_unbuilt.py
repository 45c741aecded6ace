"""What is known and does nothing yet is said aloud."""

from pathlib import Path

from gateway.config.load import parse, read
from gateway.config.unbuilt import unbuilt

NOTHING = "known, but not built yet: it does nothing"


def test_what_does_nothing_yet_is_said() -> None:
    config = parse(
        {
            "cache": {"enabled": True},
            "security": {"enabled": True},
            "orchestrator": {"max_concurrent_chains": 5, "enable_metrics": False, "enable_tracing": True},
            "auth": {"keys": [{"name": "a", "key": "b", "limits": {"rpm": 1}, "role": "admin"}]},
            "providers": {"a": {}, "c": {}, "x": {}},
            "models": {"m": {"targets": [{"to": "a/b"}, {"to": "c/d"}], "fallback": ["x/y"]}},
        },
        {},
    )
    assert unbuilt(config) == [
        f"cache: {NOTHING}",
        f"security: {NOTHING}",
        f"orchestrator.enable_tracing: {NOTHING}",
        f"auth.keys[0].limits: {NOTHING}",
        f"auth.keys[0].role: {NOTHING}",
    ]


def test_what_is_not_there_is_not_said() -> None:
    assert unbuilt(parse({}, {})) == []
    written = {"server": {}, "orchestrator": {}, "state": "memory", "chains": {}, "providers": {"b": {}}}
    assert unbuilt(parse(written, {})) == []


def test_each_note_begins_with_its_place() -> None:
    config = read(Path(__file__).parent / "files/everything.yaml", {"OPENAI_API_KEY": "x"})
    notes = unbuilt(config)
    assert len(notes) > 4
    for note in notes:
        assert config.positions.find(note.partition(": ")[0]).line > 0
