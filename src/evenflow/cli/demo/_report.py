"""The numbers in words: the ledger as a table, and a sentence for each publisher."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.markup import escape
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._ledger import Ledger, Row
    from ._output import Output
    from ._publishers import Books

WIDE = 100
"""How many characters on a line leave room for a wide table."""


def ledger_table(rows: Sequence[Row], width: int, *, fill: Callable[[float, int], str] | None = None) -> Table:
    """A row for each subscription; with ``fill``, how full its buffer is now, instead of what is left at the end."""
    table = Table(box=SIMPLE_HEAD, pad_edge=False, padding=(0, 2 if width >= WIDE else 0, 0, 0), show_edge=False)
    table.add_column("  reader", no_wrap=True)
    table.add_column("when full", no_wrap=True)
    if fill is not None:
        table.add_column("buffer", no_wrap=True)
    numbers = ("wanted", "delivered", "replaced", "dropped", *(() if fill else ("discarded", "waiting")))
    for name in numbers:
        table.add_column(name, justify="right", no_wrap=True)
    for row in rows:
        of = row.of
        buffer = [] if fill is None else [f"{fill(min(of.waiting / of.capacity, 1), 6)} {of.waiting}/{of.capacity}"]
        counted: list[int] = [getattr(of, name) for name in numbers]
        shown = [f"{number:,}" if number else "[dim]0[/]" for number in counted]
        table.add_row(f"  {escape(row.name)}", row.rule, *buffer, *shown)
    return table


def times(number: int) -> str:
    """How often, in words."""
    return "once" if number == 1 else f"{number:,} times"


def publisher_line(books: Books) -> str:
    """What one publisher did."""
    waited = f"had to wait {times(books.waits)}, {books.waited:.2f} s in all" if books.waits else "never had to wait"
    return f"{books.name:9}{books.published:,} events in {books.rounds:,} rounds, {waited}"


def summary(ledger: Ledger) -> str:
    """What happened because buffers were full."""
    replaced = sum(row.of.replaced for row in ledger.rows)
    dropped = sum(row.of.dropped for row in ledger.rows)
    return (
        f"Publishers waited {times(ledger.waits)}, {replaced:,} events were replaced, {dropped:,} dropped and told of."
    )


def print_ledger(console: Output, ledger: Ledger, said: Sequence[str]) -> None:
    """Print where every event went, what publishers and readers say, and the sums."""
    console.print()
    console.print(ledger_table(ledger.rows, console.width))
    console.print()
    for line in said:
        console.say(line)
    console.print()
    console.say(f"what publish returned, added up   {ledger.returned:>9,}")
    console.say(f"what subscriptions wanted         {ledger.wanted:>9,}")
    console.say(f"lines found in the archive        {ledger.lines:>9,}    of {ledger.taken:,} delivered to it")
    console.say(f"events missing in the gaps        {ledger.missed:>9,}    of {ledger.dropped:,} dropped")
    console.print()
