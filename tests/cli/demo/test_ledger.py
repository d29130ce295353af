"""Whether the sums hold, from three sides."""

from __future__ import annotations

from dataclasses import replace

import pytest

from evenflow import SubscriptionStatistics
from evenflow.cli.demo._ledger import Ledger, Row
from evenflow.cli.demo._publishers import Books


def row(name: str, wanted: int, **places: int) -> Row:
    numbers = dict.fromkeys(("delivered", "replaced", "dropped", "discarded", "waiting"), 0) | places
    return Row("rule", SubscriptionStatistics(name=f"machine/{name}", wanted=wanted, capacity=8, **numbers))


GOOD = Ledger(
    rows=[row("archive", 5, delivered=5), row("analyst", 5, delivered=2, dropped=3), row("table", 4, delivered=1, replaced=3)],
    publishers=[Books("sampler", published=4, wanted=12), Books("watcher", published=1, wanted=2)],
    missed=3,
    dropped=3,
    lines=5,
    taken=5,
)  # fmt: skip


def test_books_that_agree_have_no_mistakes() -> None:
    """If all sums hold, there is nothing to say."""
    assert GOOD.mistakes() == []


@pytest.mark.parametrize(
    "change, says",
    [
        ({"rows": [row("archive", 14, delivered=13)]}, "archive wanted 14, and 13 are accounted for"),
        ({"publishers": [Books("sampler", wanted=13)]}, "publish returned 13 in all, and 14 were wanted"),
        ({"lines": 4}, "the archive was given 5, and its file has 4 lines more"),
        ({"missed": 2}, "the analyst was told of 2 missed events, and 3 were dropped"),
    ],
)
def test_each_sum_that_does_not_hold_is_a_sentence_of_its_own(change: dict[str, object], says: str) -> None:
    """The sentence names what is wrong, with both numbers."""
    assert replace(GOOD, **change).mistakes() == [says]  # type: ignore[arg-type] -- any one field


@pytest.mark.parametrize(
    "waits, places, full",
    [(0, {"delivered": 5}, False), (1, {"delivered": 5}, True), (0, {"delivered": 4, "dropped": 1}, True)],
)
def test_a_buffer_was_full_where_a_publisher_waited_or_an_event_was_dropped(
    waits: int, places: dict[str, int], full: bool
) -> None:
    """Replacing needs no full buffer, so it does not count."""
    books = Books("sampler", waits=waits)
    ledger = replace(GOOD, rows=[row("one", 5, **places), row("table", 4, delivered=1, replaced=3)], publishers=[books])
    assert ledger.was_full() is full
