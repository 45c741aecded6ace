"""The table of presets says what the presets are."""

import re
from pathlib import Path

from gateway.providers.presets import PRESETS

TEXT = (Path(__file__).parents[2] / "docs" / "providers.md").read_text()


def test_the_table_is_the_data() -> None:
    local = [name for name, one in PRESETS.items() if one.variable is None]
    rows = []
    for name in [*sorted(PRESETS.keys() - local), *sorted(local)]:
        one = PRESETS[name]
        speaks = ", ".join(one.surfaces) or "Anthropic's messages"
        key = f"`{one.variable}`" if one.variable else "none"
        address = f"`{one.base_url}`" if one.base_url else "each resource's own: `resource:` or `base_url:`"
        rows.append(f"| `{name}` | {address} | {key} | {speaks} |")
    assert "\n".join(rows) in TEXT


def test_each_quirk_is_told_as_the_setting_that_it_is() -> None:
    table = TEXT.partition("## Quirks")[2]
    for name, one in PRESETS.items():
        row = next((line for line in table.splitlines() if line.startswith(f"| `{name}` ")), "")
        for setting, value in one.quirks.items():
            shown = str(value).lower() if isinstance(value, bool) else value
            assert f"`{setting}: {shown}`" in row
    assert set(re.findall(r"^\| `(\w+)` ", table, re.MULTILINE)) <= PRESETS.keys()
