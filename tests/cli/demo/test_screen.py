"""What the user sees."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evenflow import SubscriptionStatistics
from evenflow.cli.demo._events import CoreLoad, MemoryUse
from evenflow.cli.demo._ledger import Row
from evenflow.cli.demo._publishers import Books
from evenflow.cli.demo._readers import Notes
from evenflow.cli.demo._screen import LiveScreen, Scene, bars_for, size


@pytest.mark.parametrize(
    "amount, said",
    [
        (0, "0 B"),
        (999, "999 B"),
        (1_000, "1.0 kB"),
        (9_940, "9.9 kB"),
        (12_300, "12 kB"),
        (999_600, "1.0 MB"),
        (25_000_000_000, "25 GB"),
        (4e12, "4.0 TB"),
    ],
)
def test_a_size_is_a_short_number_with_a_unit(amount: float, said: str) -> None:
    """Two or three digits are enough on a screen."""
    assert size(amount) == said


@pytest.mark.parametrize("encoding, lit", [("utf-8", "━━━╌╌╌"), ("ascii", "###---")])
def test_a_bar_uses_characters_that_the_terminal_has(encoding: str, lit: str) -> None:
    """A terminal that only has ASCII gets a bar of ASCII characters."""
    bar = bars_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding=encoding)))
    assert bar(0.5, 6) == lit


@pytest.mark.parametrize("part, lit", [(0.0, 0), (0.01, 1), (0.5, 4), (0.99, 8), (1.0, 8)])
def test_a_bar_is_empty_only_for_nothing(part: float, lit: int) -> None:
    """One event in a large buffer can be seen."""
    bar = bars_for(Console(file=io.TextIOWrapper(io.BytesIO(), encoding="utf-8")))
    assert bar(part, 8).count("━") == lit


@pytest.mark.parametrize("width, height", [(80, 24), (110, 34), (200, 60), (80, 16)])
@pytest.mark.parametrize("cores", [1, 8, 192])
def test_a_picture_fits_on_the_terminal_however_many_cores_there_are(width: int, height: int, cores: int) -> None:
    """Cores that do not fit are counted, and the ledger is always visible."""
    console = Console(file=io.StringIO(), width=width, height=height, force_terminal=True, color_system=None)
    notes = Notes()
    notes.say("census", "something " * 20)
    names = ("screen", "archive", "analyst", "alarm", "census")
    rows = [Row("publishers wait", SubscriptionStatistics(f"machine/{name}", 9, 5, 1, 1, 1, 1, 8)) for name in names]
    screen = LiveScreen(console, Scene(10.0, notes, [Books("sampler"), Books("watcher")], lambda: rows))
    readings = [CoreLoad(source=f"cpu{n}", core=n, percent=n / 2) for n in range(cores)]
    readings.append(MemoryUse(source="memory", percent=50, used=1, total=64_000_000_000))
    console.print(screen._picture({reading.source: reading for reading in readings}))
    lines = console.file.getvalue().splitlines()  # type: ignore[attr-defined] -- it is a StringIO
    assert all(len(line) <= width for line in lines)
    assert any("wanted" in line for line in lines)
    assert any("Ctrl-C ends it" in line for line in lines)
    for said in ("shows only the newest", "waits for the disk", "thinks for long", "above 90 %", "only for processes"):
        assert any(said in line for line in lines)
    if height > 20:
        assert len(lines) < height
    if cores == 192 and height < 60:
        assert any("more" in line for line in lines)
