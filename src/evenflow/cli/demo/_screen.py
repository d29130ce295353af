"""What the user sees: a live table on a terminal, else plain lines. One subscription, conflated by source, feeds it."""

from __future__ import annotations

import math
import time
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from anyio import EndOfStream, Event, move_on_after
from rich.console import Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from ._events import CoreLoad, DiskFlow, LoadAverage, MemoryUse, NetFlow, ProcessCount, Reading
from ._report import NAME, now_head, now_line, so_far

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from rich.console import Console, RenderableType

    from evenflow import Subscription

    from ._ledger import Row
    from ._output import Output
    from ._publishers import Books
    from ._readers import Notes

FRAMES = 8
"""Pictures a second on a terminal; without a terminal, it is one line a second."""
CELL = 38
"""The least number of characters for one source."""
BUSY, VERY_BUSY = 60, 90
"""From these percentages on, a bar is yellow, or red."""
LONGEST = 999.5
"""From here on, a number would be printed with four digits."""
SHORT = 10
"""Below this, a number has room for a decimal."""


@dataclass(frozen=True)
class Scene:
    """What can be shown; it is read anew for each picture."""

    seconds: float
    notes: Notes
    publishers: Sequence[Books]
    rows: Callable[[], list[Row]]


class Screen(Protocol):
    """Shows the latest readings."""

    pause: float

    def entered(self) -> AbstractContextManager[object]:
        """Use the terminal, and restore it at the end."""
        ...

    def show(self, latest: Mapping[str, Reading]) -> None:
        """Show the latest reading of each source."""
        ...


def screen_for(console: Output, scene: Scene) -> Screen:
    """A live table if it can be drawn in place, else plain lines."""
    return LiveScreen(console, scene) if console.can_draw else PlainScreen(console, scene)


async def keep_showing(readings: Subscription[Reading], screen: Screen, over: Event) -> None:
    """Show the latest reading of each source until the end: a picture, then a pause; no pause once it is over."""
    latest: dict[str, Reading] = {}
    async with readings:
        while True:
            # As fast as an eye can follow. Newer readings replace those that nobody has seen yet.
            with move_on_after(screen.pause):
                await over.wait()
            try:
                batch = await readings.batches().receive()
            except EndOfStream:
                return
            latest.update((reading.source, reading) for reading in batch)
            screen.show(latest)


class PlainScreen:
    """A few lines a second, for a log or a pipe."""

    pause = 1.0

    def __init__(self, console: Output, scene: Scene) -> None:
        self._console = console
        self._scene = scene
        self._started = time.monotonic()
        self._said: dict[str, str] = {}

    def entered(self) -> AbstractContextManager[object]:
        """Plain lines need nothing from the terminal."""
        return nullcontext()

    def show(self, latest: Mapping[str, Reading]) -> None:
        """Print one line of readings, and one for each reader of which there is something new to say."""
        at = f"{time.monotonic() - self._started:5.1f} s"
        self._console.lines(f"{at}  {', '.join(self._readings(latest))}")
        for row in self._scene.rows():
            said = so_far(row, self._scene.publishers, self._scene.notes.last)
            if self._said.get(row.name) != said:
                self._said[row.name] = said
                self._console.lines(f"{'':{len(at)}}  {row.name:{NAME}}{said}")

    def _readings(self, latest: Mapping[str, Reading]) -> list[str]:
        cores = [reading.percent for reading in latest.values() if isinstance(reading, CoreLoad)]
        busy = [f"{len(cores)} core{'s'[: len(cores) > 1]} {sum(cores) / len(cores):.0f} % busy"] if cores else []
        return busy + [
            f"{source} {plain(reading).lstrip()}"
            for source, reading in latest.items()
            if isinstance(reading, MemoryUse | LoadAverage | ProcessCount)
        ]


class LiveScreen:
    """One picture, drawn again and again in the same place."""

    pause = 1 / FRAMES

    def __init__(self, console: Console, scene: Scene) -> None:
        self._console = console
        self._scene = scene
        self._started = time.monotonic()
        self._live = Live(console=console, auto_refresh=False, transient=True)
        self._bar = bars_for(console)

    def entered(self) -> AbstractContextManager[object]:
        """The picture disappears at the end, and the ledger is printed in its place."""
        return self._live

    def show(self, latest: Mapping[str, Reading]) -> None:
        """Draw the picture."""
        self._live.update(self._picture(latest), refresh=True)

    def _picture(self, latest: Mapping[str, Reading]) -> RenderableType:
        rows = self._scene.rows()
        below = 2 * len(rows) + 7
        return Group(
            self._head(),
            self._readings(latest, max(self._console.height - below, 2)),
            Text(now_head(), "dim", no_wrap=True),
            *(line for row in rows for line in self._reader(row)),
        )

    def _reader(self, row: Row) -> tuple[Text, Text]:
        said = so_far(row, self._scene.publishers, self._scene.notes.last)
        return (
            Text(now_line(row, self._bar), "bold", no_wrap=True),
            Text(f"  {'':{NAME}}{said}", no_wrap=True, overflow="ellipsis"),
        )

    def _head(self) -> Text:
        ran = time.monotonic() - self._started
        whole = "" if self._scene.seconds == float("inf") else f" of {self._scene.seconds:g}"
        return Text.assemble(
            ("  One source, five readers, each at its own pace", "bold"),
            (f"   {ran:.1f}{whole} s   Ctrl-C ends it", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )

    def _readings(self, latest: Mapping[str, Reading], height: int) -> RenderableType:
        columns = max(1, self._console.width // (CELL + 2))
        cells = [self._cell(reading) for reading in latest.values()]
        room = columns * height
        if len(cells) > room:
            cells[room - 1 :] = [Text(f"and {len(cells) - room + 1} more", style="dim")]
        grid = Table.grid(padding=(0, 2, 0, 0))
        for _ in range(columns):
            grid.add_column(width=self._console.width // columns - 2, no_wrap=True)
        lines = -(-len(cells) // columns)
        for number in range(lines):
            grid.add_row(*cells[number::lines])
        return Group(Text(), grid, Text())

    def _cell(self, reading: Reading) -> Text:
        name = f"  {reading.source:12.12} "
        if isinstance(reading, CoreLoad | MemoryUse):
            bar = self._bar(reading.percent / 100, 8)
            style = "red" if reading.percent >= VERY_BUSY else "yellow" if reading.percent >= BUSY else "green"
            return Text.assemble(name, (bar, style), f" {plain(reading)}")
        return Text.assemble(name, (plain(reading), "cyan"))


def plain(reading: Reading) -> str:
    """A reading in a few characters."""
    match reading:
        case CoreLoad():
            text = f"{reading.percent:3.0f} %"
        case MemoryUse():
            text = f"{reading.percent:3.0f} % of {size(reading.total)}"
        case LoadAverage():
            text = f"{reading.tasks:.2f}"
        case ProcessCount():
            text = f"{reading.processes}"
        case DiskFlow():
            text = f"r {size(reading.read)}/s  w {size(reading.written)}/s"
        case NetFlow():
            text = f"in {size(reading.received)}/s  out {size(reading.sent)}/s"
        case _:
            text = ""
    return text


def size(amount: float) -> str:
    """Bytes, in the unit that makes them a short number."""
    for unit in ("B", "kB", "MB", "GB"):
        if amount < LONGEST:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= SHORT else f"{amount:.1f} {unit}"
        amount /= 1_000
    return f"{amount:.1f} TB"


def bars_for(console: Console) -> Callable[[float, int], str]:
    """The function that draws a bar for a part of a whole, in characters that this terminal has."""
    full, empty = ("━", "╌") if console.encoding.startswith("utf") else ("#", "-")

    def bar(part: float, width: int) -> str:
        lit = min(width, math.ceil(part * width))
        return full * lit + empty * (width - lit)

    return bar
