"""Plots as SVG, written by ourselves: some elements are all that they need.

So they take the page's colours, in light and in dark, through its style sheet, their text is text, and no extra package is needed;
matplotlib's are ten times as large, have glyphs for text and colours of their own. Everything that is not a number is escaped.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

WIDTH, HEIGHT = 480.0, 300.0
#: Room around what is drawn; on the right, for the half of the last tick's words that is beyond it.
_LEFT, _RIGHT, _TOP, _BOTTOM = 52.0, 20.0, 10.0, 38.0
_TICKS = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Axis:
    """A scale between two values, and its ticks with what is written at them."""

    low: float
    high: float
    ticks: tuple[tuple[float, str], ...]
    title: str
    logarithmic: bool = False

    def share(self, value: float) -> float:
        """Return where *value* lies, 0 to 1; what is beyond an end lies at that end."""
        low, high, at = self.low, self.high, max(value, self.low)
        if self.logarithmic:
            low, high, at = math.log(low), math.log(high), math.log(at)
        return min((at - low) / (high - low), 1.0)


def linear(high: float, title: str, unit: str = "") -> Axis:
    """Return an axis from 0 to somewhat beyond *high*, with round ticks."""
    step = _round_step(max(high, 1e-9) / _TICKS)
    count = max(1, math.ceil(high / step - 1e-9))
    ticks = tuple((step * index, f"{step * index:.10g}{unit}") for index in range(count + 1))
    return Axis(low=0.0, high=step * count, ticks=ticks, title=title)


def logarithmic(low: float, high: float, title: str, *, percent: bool = False) -> Axis:
    """Return an axis over the decades' 1, 2 and 5 around *low* and *high*, both above 0."""
    steps = [mantissa * 10.0**power for power in range(-8, 12) for mantissa in (1.0, 2.0, 5.0)]
    begin = max((step for step in steps if step <= low * (1 + 1e-9)), default=steps[0])
    end = min((step for step in steps if step >= high * (1 - 1e-9) and step > begin), default=steps[-1])
    shown = [step for step in steps if begin * (1 - 1e-9) <= step <= end * (1 + 1e-9)]
    if len(shown) > 2 * _TICKS:
        shown = [step for step in shown if f"{step:e}".startswith("1")]
    ticks = tuple((step, f"{100 * step:.6g} %" if percent else f"{step:.10g}") for step in shown)
    return Axis(low=begin, high=end, ticks=ticks, title=title, logarithmic=True)


def _round_step(least: float) -> float:
    power = 10.0 ** math.floor(math.log10(least))
    return next(power * mantissa for mantissa in (1.0, 2.0, 5.0, 10.0) if power * mantissa >= least * (1 - 1e-9))


@dataclass(slots=True)
class Plot:
    """A plot that is drawn upon; `text` is the whole of it. Classes are those of the page's style sheet."""

    x: Axis
    y: Axis
    title: str
    """What it shows, for those who cannot see it."""
    height: float = HEIGHT
    _parts: list[str] = field(default_factory=list)

    def at(self, x: float, y: float) -> tuple[float, float]:
        """Return where a point lies on the sheet."""
        across = _LEFT + self.x.share(x) * (WIDTH - _LEFT - _RIGHT)
        return across, self.height - _BOTTOM - self.y.share(y) * (self.height - _TOP - _BOTTOM)

    def line(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Draw a line through *points*."""
        self._parts.append(f'<polyline class="line {escape(style)}" points="{self._path(points)}"/>')

    def steps(self, points: Sequence[tuple[float, float]], style: str) -> None:
        """Draw a line that stays at each point's height until the next."""
        self.line(_stepped(points), style)

    def area(self, x: Sequence[float], low: Sequence[float], high: Sequence[float], style: str) -> None:
        """Fill between two heights that stay as they are until the next point."""
        above = _stepped(list(zip(x, high, strict=True)))
        below = _stepped(list(zip(x, low, strict=True)))
        self._parts.append(f'<polygon class="area {escape(style)}" points="{self._path([*above, *reversed(below)])}"/>')

    def mark(self, x: float, y: float, style: str, words: str, *, hollow: bool = False) -> None:
        """Draw a dot that says *words* where it is pointed at."""
        across, down = self.at(x, y)
        kind = f"dot {escape(style)}{' hollow' if hollow else ''}"
        self._parts.append(
            f'<circle class="{kind}" cx="{across:.1f}" cy="{down:.1f}" r="4"><title>{escape(words)}</title></circle>'
        )

    def rule(self, y: float, words: str) -> None:
        """Draw a dashed line across at *y*, with *words* at its beginning."""
        (left, down), right = self.at(self.x.low, y), WIDTH - _RIGHT
        self._parts.append(f'<line class="rule" x1="{left:.1f}" y1="{down:.1f}" x2="{right:.1f}" y2="{down:.1f}"/>')
        self._parts.append(f'<text class="note" x="{left + 4:.1f}" y="{down - 4:.1f}">{escape(words)}</text>')

    @property
    def text(self) -> str:
        """Return the plot as an element of a page."""
        return (
            f'<svg viewBox="0 0 {WIDTH:g} {self.height:g}" role="img" aria-label="{escape(self.title)}">'
            f"{''.join(self._frame())}{''.join(self._parts)}</svg>"
        )

    def _frame(self) -> list[str]:
        floor, right = self.height - _BOTTOM, WIDTH - _RIGHT
        parts: list[str] = []
        for value, words in self.y.ticks:
            _, down = self.at(self.x.low, value)
            parts.append(f'<line class="grid" x1="{_LEFT:g}" y1="{down:.1f}" x2="{right:g}" y2="{down:.1f}"/>')
            parts.append(f'<text x="{_LEFT - 6:g}" y="{down + 4:.1f}" text-anchor="end">{escape(words)}</text>')
        for value, words in self.x.ticks:
            across, _ = self.at(value, self.y.low)
            parts.append(f'<line class="grid" x1="{across:.1f}" y1="{floor:g}" x2="{across:.1f}" y2="{floor + 4:g}"/>')
            parts.append(f'<text x="{across:.1f}" y="{floor + 17:g}" text-anchor="middle">{escape(words)}</text>')
        middle = (_LEFT + right) / 2
        parts.append(
            f'<text class="note" x="{middle:g}" y="{self.height - 5:g}" text-anchor="middle">{escape(self.x.title)}</text>'
        )
        parts.append(
            f'<text class="note" x="12" y="{(_TOP + floor) / 2:g}" text-anchor="middle"'
            f' transform="rotate(-90 12 {(_TOP + floor) / 2:g})">{escape(self.y.title)}</text>'
        )
        return parts

    def _path(self, points: Sequence[tuple[float, float]]) -> str:
        return " ".join(f"{across:.1f},{down:.1f}" for across, down in (self.at(x, y) for x, y in points))


def _stepped(points: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Return *points* with a corner before each that is at another height; what lies on a level line between two is left out."""
    stepped: list[tuple[float, float]] = []
    for place, (x, y) in enumerate(points):
        changed = not stepped or y != stepped[-1][1]
        if changed and stepped:
            stepped.append((x, stepped[-1][1]))
        if changed or place == len(points) - 1:
            stepped.append((x, y))
    return stepped
