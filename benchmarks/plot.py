"""A plot of a few lines as SVG, the horizontal axis in powers of ten: https://www.w3.org/TR/SVG2/"""

import math
from collections.abc import Sequence
from html import escape
from typing import Final, NamedTuple

WIDTH: Final = 760
HEIGHT: Final = 380
LEFT, RIGHT, TOP, BOTTOM = 56, 200, 44, 44
COLOURS: Final = ("#1f77b4", "#d62728", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf")
STEPS: Final = 5


class Line(NamedTuple):
    """`points` are (x, y). Lines whose names differ in their last word only have one colour, the second one dashed."""

    name: str
    points: Sequence[tuple[float, float]]


class _Scale(NamedTuple):
    low: float
    high: float
    top: float

    def x(self, value: float) -> float:
        share = (math.log10(value) - self.low) / ((self.high - self.low) or 1)
        return LEFT + share * (WIDTH - LEFT - RIGHT)

    def y(self, value: float) -> float:
        return HEIGHT - BOTTOM - value / self.top * (HEIGHT - TOP - BOTTOM)


def plot(title: str, across: str, up: str, lines: Sequence[Line]) -> str:
    """`across` and `up` name the axes."""
    xs = sorted({x for line in lines for x, _ in line.points})
    scale = _Scale(math.log10(xs[0]), math.log10(xs[-1]), _round_up(max(y for line in lines for _, y in line.points)))
    families = list(dict.fromkeys(line.name.rpartition(" ")[0] for line in lines))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#fff"/>',
        _text(LEFT, 22, title, 'font-size="15"'),
        _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, across, 'text-anchor="middle"'),
        _text(8, TOP - 8, up),
        *(_tick_up(scale, n * scale.top / STEPS) for n in range(STEPS + 1)),
        *(_text(scale.x(x), HEIGHT - BOTTOM + 18, f"{x:,.0f}", 'text-anchor="middle"') for x in xs),
    ]
    for n, line in enumerate(lines):
        family = line.name.rpartition(" ")[0]
        dashed = next(each for each in lines if each.name.rpartition(" ")[0] == family) is not line
        style = f'stroke="{COLOURS[families.index(family) % len(COLOURS)]}"' + (
            ' stroke-dasharray="6 4"' if dashed else ""
        )
        parts += _drawn(line, style, scale, TOP + 18 * n)
    return "\n".join([*parts, "</svg>\n"])


def _drawn(line: Line, style: str, scale: _Scale, place: float) -> list[str]:
    """The line, and its name in the legend."""
    points = " ".join(f"{scale.x(x):.1f},{scale.y(y):.1f}" for x, y in line.points)
    key = WIDTH - RIGHT + 16
    return [
        f'<polyline points="{points}" fill="none" stroke-width="2" {style}/>',
        f'<path d="M{key} {place}h26" stroke-width="2" {style}/>',
        _text(key + 32, place + 4, line.name),
    ]


def _tick_up(scale: _Scale, value: float) -> str:
    y = scale.y(value)
    rule = f'<path d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>'
    return rule + _text(LEFT - 6, y + 4, f"{value:g}", 'text-anchor="end"')


def _text(x: float, y: float, words: str, style: str = "") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" {style}>{escape(words)}</text>'


def _round_up(value: float) -> float:
    """The next of 1, 2 and 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(value))
    return next(step * power for step in (1, 2, 5, 10) if step * power >= value)
