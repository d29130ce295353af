"""HeldPage: a page of events that one reader has in hand, as far as the reader knows."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ._group_rules import Fate

if TYPE_CHECKING:
    from evenflow._errors import LogError

    from ._group_records import PageRecord


@dataclass(eq=False, slots=True)
class HeldPage:
    """A page that this reader has in hand.

    Attributes:
        id: its name.
        record: what is stored, as far as is known.
        version: its version.
        is_lost: whether another has taken it.
        gone: the places of events that left it, because one of their key before them did.
        leaving: the places of those that would leave it with a commit whose outcome is not known.
        doubt: the error of that commit: the page must be loaded before the next.
        doubted: what that commit would have made of its events, by place.
        seen: how often this process had been silent when the page was known to be this reader's.
    """

    id: str
    record: PageRecord
    version: int
    seen: int = 0
    is_lost: bool = False
    gone: set[int] = field(default_factory=set[int])
    leaving: set[int] = field(default_factory=set[int])
    doubt: LogError | None = None
    doubted: dict[int, Fate] = field(default_factory=dict[int, Fate])

    def went_out(self, index: int, fate: Fate) -> bool:
        """Whether a commit whose answer was lost has sent this event out again, or buried it, other than ``fate``."""
        before = self.doubted.get(index, Fate.DONE)
        return before is not Fate.DONE and before is not fate and self.record.is_done(index)

    def has(self, index: int) -> bool:
        """Whether an event of it is still this reader's, unless it was settled."""
        return not self.is_lost and index not in self.gone

    @property
    def is_plain(self) -> bool:
        """Whether there is nothing to decide where an event of it is acknowledged."""
        return not (self.is_lost or self.gone or self.doubted) and self.record.is_plain
