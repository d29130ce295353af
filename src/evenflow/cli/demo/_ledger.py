"""Where every event went, and whether the sums hold. Numbers in, sentences out; nothing is measured here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenflow import SubscriptionStatistics

    from ._publishers import Books


@dataclass(frozen=True)
class Row:
    """One subscription: what happens when its buffer is full, and its numbers."""

    rule: str
    of: SubscriptionStatistics

    @property
    def name(self) -> str:
        """Its name without the name of the subject."""
        return self.of.name.rpartition("/")[2]

    @property
    def accounted_for(self) -> int:
        """How many events the numbers explain."""
        of = self.of
        return of.delivered + of.replaced + of.dropped + of.discarded + of.waiting

    @property
    def holds(self) -> bool:
        """Whether that is every event that it wanted."""
        return self.accounted_for == self.of.wanted


@dataclass(frozen=True)
class Ledger:
    """All numbers of a run, from three sides: the subscriptions, the publishers, and what readers found."""

    rows: Sequence[Row]
    publishers: Sequence[Books]
    missed: int
    """Events in the gaps that the analyst received."""
    dropped: int
    """Events that the analyst's subscription has dropped."""
    lines: int
    """Lines in the archive's file, or events in its log, of this run."""
    taken: int
    """Events that were delivered to the archive."""
    holds: str = "its file has {:,} lines"
    """How that is said."""
    historian: str = ""
    """What the historian of a log has done."""

    @property
    def wanted(self) -> int:
        """How many events the subscriptions wanted, added up."""
        return sum(row.of.wanted for row in self.rows)

    @property
    def returned(self) -> int:
        """The sum of what `publish` returned."""
        return sum(books.wanted for books in self.publishers)

    @property
    def waits(self) -> int:
        """Publishes that had to wait for room."""
        return sum(books.waits for books in self.publishers)

    def mistakes(self) -> list[str]:
        """A sentence for each sum that does not hold."""
        found = [
            f"{row.name} wanted {row.of.wanted:,}, and {row.accounted_for:,} are accounted for"
            for row in self.rows
            if not row.holds
        ]
        if self.wanted != self.returned:
            found.append(f"publish returned {self.returned:,} in all, and {self.wanted:,} were wanted")
        if self.lines != self.taken:
            found.append(f"the archive was given {self.taken:,}, and {self.holds.format(self.lines)} more")
        if self.missed != self.dropped:
            found.append(f"the analyst was told of {self.missed:,} missed events, and {self.dropped:,} were dropped")
        return found

    def was_full(self) -> bool:
        """Whether any buffer was ever full, so that a publisher waited or an event was dropped."""
        return bool(self.waits or any(row.of.dropped for row in self.rows))
