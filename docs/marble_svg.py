"""How a marble picture looks: lines of time with marbles on them, and a box with the code between them.

Only drawing; what happens when was found by running it (marbles.py).
Everything is a function of its arguments, so that the same run gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from html import escape

TICK = 36
"""The width of a tick."""
ROW = 52
STACK = 27
"""How far apart the marbles of one tick stand, one above the other."""
RADIUS = 13
LEFT = 20
LETTER = 8.1
"""The width of a letter of code; wide enough for the fonts that a reader may have."""
CLOSER = 0.965
"""How much of that width the usual fonts take, so that code stands in the middle of its box."""
COLOURS = ("#9ecbff", "#ffd58a", "#b5e3a7", "#f5b5c8", "#cdb8f2", "#a5e0dc", "#f7c4a0", "#d7dde4")
PLAIN = "#ffffff"

STYLE = """
  .line { stroke: #57606a; stroke-width: 2; fill: none; }
  .mark { stroke: #24292f; stroke-width: 2.5; fill: none; }
  .error { stroke: #cf222e; stroke-width: 3; fill: none; }
  .marble { stroke: #24292f; stroke-width: 1.5; }
  .value { font: 13px system-ui, sans-serif; fill: #24292f; text-anchor: middle; }
  .name { font: italic 12px system-ui, sans-serif; fill: #57606a; }
  .box { fill: #f6f8fa; stroke: #8c959f; stroke-width: 1.5; }
  .code { font: 13px ui-monospace, Menlo, Consolas, monospace; fill: #24292f; }
  @media (prefers-color-scheme: dark) {
    .line { stroke: #9198a1; }
    .mark { stroke: #d1d7e0; }
    .name { fill: #9198a1; }
    .box { fill: #212830; stroke: #656c76; }
    .code { fill: #d1d7e0; }
  }
"""


@dataclass(frozen=True)
class Row:
    """One line of time.

    Attributes:
        name: what is written over it; may be empty.
        events: tick and label, in order.
        end: the tick of the end; None: it goes on beyond the picture.
        failed: whether the end is an error.
        start: the tick in which its line begins.
    """

    name: str
    events: tuple[tuple[float, str], ...] = ()
    end: float | None = None
    failed: bool = False
    start: float = 0

    @property
    def last(self) -> float:
        """The last tick in which something happens."""
        return max([self.start, *(tick for tick, _ in self.events), *([] if self.end is None else [self.end])])

    @property
    def height(self) -> int:
        """The height that its highest stack takes."""
        ticks = [tick for tick, _ in self.events]
        highest = max((ticks.count(tick) for tick in ticks), default=1)
        return ROW - (0 if self.name else 14) + (highest - 1) * STACK


@dataclass
class Picture:
    """What happens above the box, the code in it, and what comes out below."""

    above: list[Row]
    code: str
    below: list[Row]
    colours: dict[str, str] = field(default_factory=dict)

    def svg(self) -> str:
        """Return the picture as a file."""
        for row in self.above:
            for _, label in row.events:
                self.colours.setdefault(label, COLOURS[len(self.colours) % len(COLOURS)])
        ticks = max(row.last for row in [*self.above, *self.below]) + 1.5
        code = self.code.split("\n")
        width = round(max(LEFT * 2 + ticks * TICK, max(len(line) for line in code) * LETTER + LEFT * 2 + 24))
        parts: list[str] = []
        y = 6
        for row in self.above:
            parts += self._row(row, y, width)
            y += row.height
        y += 8
        height = 20 * len(code) + 16
        left = (width - max(len(line) for line in code) * LETTER * CLOSER) / 2
        parts.append(f'<rect class="box" x="{LEFT}" y="{y}" width="{width - 2 * LEFT}" height="{height}" rx="7"/>')
        for number, line in enumerate(code):
            parts.append(_text("code", left, y + 24 + 20 * number, line))
        y += height + 8
        for row in self.below:
            parts += self._row(row, y, width)
            y += row.height
        return _file(width, y + 4, parts, self.code)

    def _row(self, row: Row, top: int, width: int) -> list[str]:
        """Draw a line of time, its marbles and its end."""
        y = top + row.height - 20
        first, last = _x(row.start), width - LEFT
        parts = [f'<path class="line" d="M{first - RADIUS - 3:g} {y}H{last}m-7 -4l7 4l-7 4"/>']
        if row.end is not None:
            parts = [f'<path class="line" d="M{first - RADIUS - 3:g} {y}H{_x(row.end):g}"/>', _end(row, y)]
        if row.name:
            parts.append(_text("name", LEFT if not row.start else first - RADIUS - 3, y - 19, row.name))
        stacked: dict[float, int] = {}
        for tick, label in row.events:
            height = stacked.get(tick, 0)
            stacked[tick] = height + 1
            parts += self._marble(_x(tick), y - height * STACK, label)
        return parts

    def _marble(self, x: float, y: float, label: str) -> list[str]:
        half = max(RADIUS, len(label) * 3.6 + 6)
        colour = self.colours.get(label) or self.colours.get(label.lower()) or PLAIN
        shape = (
            f'<rect class="marble" x="{x - half:g}" y="{y - RADIUS:g}" width="{2 * half:g}" height="{2 * RADIUS}" '
            f'rx="{RADIUS}" fill="{colour}"/>'
        )
        return [shape, _text("value", x, y + 4.5, label)]


def _x(tick: float) -> float:
    return LEFT + RADIUS + 3 + tick * TICK


def _end(row: Row, y: int) -> str:
    """Draw the end; marbles of the same tick are drawn over it, so it is higher than they are."""
    assert row.end is not None
    x = _x(row.end)
    if row.failed:
        return f'<path class="error" d="M{x - 7:g} {y - 7}l14 14m0 -14l-14 14"/>'
    together = [tick for tick, _ in row.events].count(row.end)
    reach = RADIUS + 6 if together else RADIUS - 1
    top = y - reach - max(0, together - 1) * STACK
    return f'<path class="mark" d="M{x:g} {top}V{y + reach}"/>'


def _text(kind: str, x: float, y: float, words: str) -> str:
    return f'<text class="{kind}" x="{x:g}" y="{y:g}" xml:space="preserve">{escape(words)}</text>'


def _file(width: int, height: int, parts: list[str], title: str) -> str:
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" '
        f'role="img">\n<title>{escape(title)}</title>\n<style>{STYLE}</style>\n'
    )
    return head + "\n".join(parts) + "\n</svg>\n"
