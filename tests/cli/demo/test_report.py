"""The ledger in words."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from evenflow import SubscriptionStatistics
from evenflow.cli.demo._ledger import Ledger, Row
from evenflow.cli.demo._output import Output
from evenflow.cli.demo._publishers import Books
from evenflow.cli.demo._report import ledger_table, print_ledger, publisher_line, summary, times

ROWS = [
    Row("publishers wait", SubscriptionStatistics("machine/archive", 1_205, 1_200, 0, 0, 0, 5, 8)),
    Row("oldest dropped", SubscriptionStatistics("machine/[odd]", 20, 10, 4, 6, 0, 0, 8)),
]
LEDGER = Ledger(
    rows=ROWS,
    publishers=[Books("sampler", rounds=3, published=700, wanted=1_225, waits=2, waited=0.5)],
    missed=6,
    dropped=6,
    lines=1_200,
    taken=1_200,
)


def printed(rows: list[Row], *, fill: bool) -> str:
    """The table as text."""
    console = Console(file=io.StringIO(), width=120)
    console.print(ledger_table(rows, 120, fill=(lambda part, width: f"<{part * width:.2f}>") if fill else None))
    return console.file.getvalue()  # type: ignore[attr-defined] -- it is a StringIO


def test_a_row_shows_what_became_of_the_events_of_a_subscription() -> None:
    """Large numbers have commas, and a name in brackets is a name, not a style."""
    said = printed(ROWS, fill=False)
    archive, odd = (line.split() for line in said.splitlines()[-2:])
    assert archive == ["archive", "publishers", "wait", "1,205", "1,200", "0", "0", "0", "5"]
    assert odd == ["[odd]", "oldest", "dropped", "20", "10", "4", "6", "0", "0"]


def test_while_it_runs_a_row_shows_how_full_the_buffer_is() -> None:
    """The bar stands in place of what is left at the end."""
    said = printed(ROWS, fill=True)
    assert "<3.75> 5/8" in said
    assert "discarded" not in said


@pytest.mark.parametrize("number, said", [(1, "once"), (2, "2 times"), (1_000, "1,000 times")])
def test_how_often_something_happened_is_said_in_words(number: int, said: str) -> None:
    """Once is a word of its own."""
    assert times(number) == said


def test_a_publisher_that_never_waited_says_so() -> None:
    """Otherwise it says how often and how long it waited."""
    assert publisher_line(LEDGER.publishers[0]).endswith("700 events in 3 rounds, had to wait 2 times, 0.50 s in all")
    assert publisher_line(Books("watcher", rounds=1)).endswith("0 events in 1 rounds, never had to wait")


def test_the_summary_names_what_full_buffers_led_to() -> None:
    """Waiting, replacing and dropping, each with its number."""
    assert summary(LEDGER) == "Publishers waited 2 times, 4 events were replaced, 6 dropped and told of."


def test_the_whole_ledger_is_printed_with_every_sum(capsys: pytest.CaptureFixture[str]) -> None:
    """The sums of all sides stand below the table, so that a reader can compare them."""
    print_ledger(Output(), LEDGER, ["sampler  did this"])
    said = capsys.readouterr().out
    assert "  sampler  did this\n" in said
    sums = [line.split()[-1] for line in said.splitlines() if line.startswith("  what ")]
    assert sums == ["1,225", "1,225"]
    assert "lines found in the archive            1,200    of 1,200 delivered to it" in said
    assert "events missing in the gaps                6    of 6 dropped" in said
