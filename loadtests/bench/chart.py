"""The chart: CPU for each request and for each streamed token, beside the peers, as SVG written by hand.

GitHub shows one file on white and on near-black, so all colours stand out on both and the ground is left clear.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from xml.sax.saxutils import escape

from loadtests.bench.figures import Round, Spread, values

INK = "#6e7781"
OURS, REFERENCE, PEER = "#2f81f7", "#2da44e", "#8c959f"
WIDTH, LABEL, VALUE, ROW, BAR = 800, 210, 70, 26, 16
HEAD, FOOT, GAP = 46, 24, 22
FONT = "ui-sans-serif, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif"
NAMES = {
    "bare": "this gateway, pass-through",
    "gateway": "this gateway, default chain",
    "nginx": "nginx",
    "haproxy": "HAProxy",
    "caddy": "Caddy",
    "portkey": "Portkey",
    "litellm": "LiteLLM",
    "tensorzero": "TensorZero",
}


@dataclass(frozen=True)
class Panel:
    """One group of bars."""

    measure: str
    key: str
    title: str


PANELS = (
    Panel("whole", "cpu", "CPU per request, µs: a whole answer"),
    Panel("stream", "chunk", "CPU per streamed token, µs: 100 tokens that arrive at once"),
    Panel("paced", "chunk", "CPU per streamed token, µs: 200 streams, a token each 20 ms"),
)


def svg(rounds: Mapping[str, Sequence[Round]], note: str) -> str:
    """The chart of what was measured; panels of what was not are left out."""
    parts: list[str] = []
    top = 0.0
    for panel in PANELS:
        bars = _bars(rounds.get(panel.measure, []), panel.key)
        if bars:
            parts.append(f'<g transform="translate(0 {top:.0f})">{_panel(panel.title, bars)}</g>')
            top += HEAD + len(bars) * ROW + FOOT + GAP
    parts.append(_text(WIDTH / 2, top, note, anchor="middle", size=11))
    height = top + 14
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height:.0f}" width="{WIDTH}" '
        f'height="{height:.0f}" role="img" font-family="{FONT}">'
        f"<title>CPU per request and per streamed token</title>{''.join(parts)}</svg>\n"
    )


def _bars(rounds: Sequence[Round], key: str) -> list[tuple[str, float]]:
    """Names and µs, cheapest first."""
    names = {name for round_ in rounds for name in round_}
    medians = [(name, Spread.of(values(rounds, name, key)).middle * 1e6) for name in names & NAMES.keys()]
    return sorted(((name, value) for name, value in medians if value > 0), key=lambda bar: bar[1])


def _panel(title: str, bars: Sequence[tuple[str, float]]) -> str:
    low = 10.0 ** math.floor(math.log10(min(value for _, value in bars)))
    high = 10.0 ** math.ceil(math.log10(max(value for _, value in bars) * 1.001))
    room = WIDTH - LABEL - VALUE

    def place(value: float) -> float:
        return LABEL + room * math.log(value / low) / math.log(high / low)

    bottom = HEAD + len(bars) * ROW
    out = [
        _text(0, 16, title, size=14, bold=True),
        _text(WIDTH, 16, "logarithmic scale, shorter is better", anchor="end", size=11),
    ]
    tick = low
    while tick <= high * 1.001:
        x = place(tick)
        out.append(f'<path d="M{x:.1f} {HEAD - 8}V{bottom}" stroke="{INK}" stroke-opacity=".25"/>')
        out.append(_text(x, bottom + 16, f"{tick:,g}" if tick < 1e5 else f"{tick:,.0f}", anchor="middle", size=11))
        tick *= 10
    for n, (name, value) in enumerate(bars):
        y = HEAD + n * ROW
        ours = name in ("bare", "gateway")
        colour = OURS if ours else REFERENCE if name == "nginx" else PEER
        left, right = LABEL, max(place(value), LABEL + 2)
        out.append(_text(left - 8, y + 12.5, NAMES[name], anchor="end", size=12, bold=ours))
        out.append(f'<rect x="{left}" y="{y}" width="{right - left:.1f}" height="{BAR}" rx="2" fill="{colour}"/>')
        out.append(_text(right + 6, y + 12.5, number(value), size=12, bold=ours))
    return "".join(out)


def number(value: float) -> str:
    """µs with the digits that matter."""
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _text(x: float, y: float, text: str, anchor: str = "start", size: int = 12, bold: bool = False) -> str:
    weight = ' font-weight="600"' if bold else ""
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{INK}" font-size="{size}" text-anchor="{anchor}"{weight}>'
        f"{escape(text)}</text>"
    )
