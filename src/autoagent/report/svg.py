"""A small drawing surface: scales, axes and escaped text; colours come from the page, light or dark."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from html import escape

from markupsafe import Markup

from autoagent.report.wording import one_line, short

FONT_PX = 12
_CHAR_PX = 6.8  # width of an average character at FONT_PX


@dataclass(frozen=True)
class Scale:
    """Map a value to a pixel; values outside the range are drawn on its edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        """Return the pixel of a value."""
        span = (self.high - self.low) or 1.0
        share = min(max((value - self.low) / span, 0.0), 1.0)
        return round(self.start + share * (self.end - self.start), 1)

    def holds(self, value: float) -> bool:
        """Say whether a value lies in the range."""
        return self.low <= value <= self.high


def spread(values: Sequence[float], margin: float = 0.05) -> tuple[float, float]:
    """Return a range that holds the values with some air around them."""
    low, high = min(values), max(values)
    air = (high - low) * margin or abs(high) * margin or 1.0
    return low - air, high + air


def ticks(low: float, high: float, count: int = 5) -> list[float]:
    """Return about ``count`` round values in a range."""
    span = high - low
    if not math.isfinite(span) or span <= 0:
        return [low]
    rough = span / count
    power = 10.0 ** math.floor(math.log10(rough))
    step = next(m * power for m in (1, 2, 2.5, 5, 10) if m * power >= rough * 0.999)
    first = math.ceil(low / step - 1e-9)
    return [round(i * step, 12) for i in range(first, math.floor(high / step + 1e-9) + 1)]


def tick_labels(values: Sequence[float]) -> list[str]:
    """Return labels with the same number of decimals, as few as tell the ticks apart."""
    if any(abs(v) >= 1e6 for v in values):
        return [f"{v:.3g}" for v in values]
    for digits in range(7):
        texts = [f"{v:,.{digits}f}" for v in values]
        if all(abs(float(t.replace(",", "")) - v) < 1e-9 for t, v in zip(texts, values, strict=True)):
            return texts
    return [f"{v:.3g}" for v in values]


@dataclass
class Canvas:
    """Collects SVG elements. Every text is escaped; a class is one of the page's own words."""

    width: float
    height: float
    parts: list[str] = field(default_factory=list)

    def line(self, x1: float, y1: float, x2: float, y2: float, cls: str) -> None:
        """Draw a line."""
        self.parts.append(f'<line x1="{x1:g}" y1="{y1:g}" x2="{x2:g}" y2="{y2:g}" class="{cls}"/>')

    def rect(self, x: float, y: float, width: float, height: float, cls: str, tip: str = "", alpha: float = 1) -> None:
        """Draw a rectangle."""
        shape = f'x="{x:g}" y="{y:g}" width="{max(width, 0):.4g}" height="{max(height, 0):.4g}" class="{cls}"'
        self._shape("rect", shape + (f' fill-opacity="{alpha:.2f}"' if alpha < 1 else ""), tip)

    def dot(self, x: float, y: float, radius: float, cls: str, tip: str = "") -> None:
        """Draw a dot."""
        self._shape("circle", f'cx="{x:g}" cy="{y:g}" r="{radius:g}" class="{cls}"', tip)

    def path(self, points: Sequence[tuple[float, float]], cls: str, tip: str = "") -> None:
        """Draw a line through points."""
        if points:
            data = "M" + "L".join(f"{x:g},{y:g}" for x, y in points)
            self._shape("path", f'd="{data}" class="{cls}"', tip)

    def text(self, x: float, y: float, text: str, cls: str = "", turn: int = 0) -> None:
        """Write a text; ``turn`` is in degrees."""
        turned = f' transform="rotate({turn} {x:g} {y:g})"' if turn else ""
        named = f' class="{cls}"' if cls else ""
        self.parts.append(f'<text x="{x:g}" y="{y:g}"{named}{turned}>{escape(one_line(text))}</text>')

    def svg(self, title: str) -> Markup:
        """Return the picture; ``title`` is what a screen reader says."""
        head = f'<svg class="chart" role="img" viewBox="0 0 {self.width:g} {self.height:g}" width="{self.width:g}"'
        # Safe: numbers, fixed class names, and texts that went through escape() above.
        return Markup(f'{head} aria-label="{escape(one_line(title))}">{"".join(self.parts)}</svg>')

    def _shape(self, tag: str, attributes: str, tip: str) -> None:
        inner = f"><title>{escape(one_line(tip, 400))}</title></{tag}>" if tip else "/>"
        self.parts.append(f"<{tag} {attributes}{inner}")


@dataclass(frozen=True)
class Frame:
    """A canvas with an x and a y scale inside its margins."""

    canvas: Canvas
    x: Scale
    y: Scale


def frame(
    size: tuple[float, float],
    x_range: tuple[float, float],
    y_range: tuple[float, float],
    *,
    x_label: str,
    y_label: str,
    x_whole: bool = False,
) -> Frame:
    """Return a canvas with grid, ticks and axis labels drawn."""
    width, height = size
    y_ticks = ticks(*y_range, count=max(2, int(height / 60)))
    y_texts = tick_labels(y_ticks)
    left = 30 + _CHAR_PX * max(map(len, y_texts), default=1)
    canvas = Canvas(width, height)
    x, y = Scale(*x_range, left, width - 14), Scale(*y_range, height - 46, 12)
    for value, text in zip(y_ticks, y_texts, strict=True):
        canvas.line(x.start, y(value), x.end, y(value), "grid")
        canvas.text(left - 8, y(value) + 4, text, "end")
    x_ticks = [v for v in ticks(*x_range, count=max(2, int(width / 95))) if not x_whole or float(v).is_integer()]
    for value, text in zip(x_ticks, tick_labels(x_ticks), strict=True):
        canvas.line(x(value), y.start, x(value), y.start + 4, "axis")
        canvas.text(x(value), y.start + 18, text, "mid")
    canvas.line(x.start, y.start, x.end, y.start, "axis")
    canvas.text((x.start + x.end) / 2, height - 8, x_label, "mid label")
    canvas.text(14, (y.start + y.end) / 2, y_label, "mid label", turn=-90)
    return Frame(canvas, x, y)


def fit(text: str, pixels: float) -> str:
    """Return ``text`` cut to what fits into so many pixels."""
    return short(one_line(text), max(2, int(pixels / _CHAR_PX)))
