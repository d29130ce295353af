"""What the page shows of a subject in memory, and of the newest end of a durable one: read from what they count.

Rule 1: nothing is hooked before ``begin``, and nothing is left after ``end``.
Rule 2: the numbers are those of ``statistics()``: they are taken from the same places, at one moment.
Rule 3: a row is plain data. It keeps no event, and no value of one unless contents are shown.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio import ClosedResourceError

from evenflow._errors import SlowSubscriber
from evenflow._options import STALL_AFTER
from evenflow._routing import names

from . import _words as words
from ._ages import Ages
from ._holds import Holds

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evenflow._life import Life
    from evenflow._mailbox import Mailbox
    from evenflow._members import Member
    from evenflow._observers import Observer
    from evenflow._statistics import SubscriptionStatistics
    from evenflow._subject import Subject

    from ._happenings import Happenings

Row = dict[str, Any]
Rows = dict[str, Row]

NOT_HERE: Final = "it runs in another thread or event loop, and cannot be looked at from here"


class KnownMailbox:
    """A subscription that was seen before."""

    __slots__ = ("ages", "dropped", "fixed", "key", "ledger", "row", "stalled", "taken")

    def __init__(self, key: str, fixed: Row) -> None:
        self.key = key
        self.fixed = fixed  # what never changes
        self.row = fixed  # as it was at the last look; never changed, but made anew
        self.ledger: SubscriptionStatistics | None = None  # its numbers then
        self.ages = Ages()
        self.taken = self.dropped = 0
        self.stalled = False


class LifeLook:
    """The subscriptions of one life of a subject."""

    def __init__(
        self,
        key: str,
        life: Life[Any],
        happenings: Happenings,
        clock: Callable[[], float],
        *,
        contents: bool,
        stall_after: float,
    ) -> None:
        self.life = life
        self.taken = self.lost = 0  # what was read and what was dropped since somebody looks, for the rates
        self._key = key
        self._happenings = happenings
        self._clock = clock
        self._contents = contents
        self._stall_after = stall_after
        self._known: dict[Mailbox, KnownMailbox] = {}
        self._number = 0
        self._holds = Holds(key, life.name, happenings, clock, contents=contents)

    def begin(self) -> None:
        """Hook what needs watching."""
        self._holds.begin(self.life.gate.missed)
        self.life.gate.watch(self._holds)

    def end(self) -> None:
        """Unhook it."""
        self.life.gate.unwatch(self._holds)
        self._known.clear()

    def rows(self, observers: Mapping[Mailbox, Observer], feeds: Mapping[Mailbox, Any], hidden: set[Mailbox]) -> Rows:
        """A row for each subscription, by its key; not for those that the inspector has made itself."""
        found: Rows = {}
        active = {mailbox: member for mailbox, member in [*self.life.members.active.items()] if mailbox not in hidden}
        for mailbox, feed in feeds.items():
            if mailbox not in active and mailbox not in hidden and mailbox.end is None:
                active[mailbox] = feed
        for mailbox, member in active.items():
            known = self._known.get(mailbox) or self._meet(mailbox, member, observers.get(mailbox))
            row = self._row(mailbox, known, feeds.get(mailbox))
            observer = observers.get(mailbox)
            found[known.key] = row if observer is None else row | _handling(observer)
        for mailbox in [mailbox for mailbox in self._known if mailbox not in active]:
            self._part(mailbox)
        return found

    def _meet(self, mailbox: Mailbox, member: Member | Any, observer: Observer | None) -> KnownMailbox:
        self._number += 1
        ledger = mailbox.ledger()
        known = self._known[mailbox] = KnownMailbox(
            f"{self._key}.{self._number}",
            {
                "k": "observer" if observer is not None else "sub",
                "of": self._key,
                "name": mailbox.name if observer is None else observer.name,
                "made": words.place(mailbox.created_at),
                "made_in": mailbox.created_at[0],
                "wants": words.wants(member.interest, contents=self._contents),
                "found": self.life.members.found_by(mailbox) if mailbox in self.life.members.active else "in the log",
                "overflow": mailbox.overflow,
                "conflated": mailbox.conflated,
                "running": True,
            },
        )
        known.taken, known.dropped = ledger.delivered, ledger.dropped
        return known

    def _row(self, mailbox: Mailbox, known: KnownMailbox, feed: Any) -> Row:
        ledger, held = mailbox.ledger(), self._holds.of(mailbox)
        if ledger == known.ledger and not ledger.waiting and held is None and feed is None:
            return known.row  # most are idle, and a look should cost little
        now, known.ledger = self._clock(), ledger
        self.taken += max(0, ledger.delivered - known.taken)
        lost = max(0, ledger.dropped - known.dropped)
        self.lost += lost
        known.taken, known.dropped = ledger.delivered, ledger.dropped
        if lost:
            what = "the newest events were dropped" if mailbox.overflow == "drop_newest" else "events were dropped"
            self._happenings.note("gap", self._key, mailbox.name, what, count=lost)
        oldest = known.ages.look(mailbox.buffer, now)
        since = None if held is None else held.since
        self._look_for_stall(mailbox, known, since, now)
        known.row = {
            **known.fixed,
            "wanted": ledger.wanted,
            "delivered": ledger.delivered,
            "replaced": ledger.replaced,
            "dropped": ledger.dropped,
            "discarded": ledger.discarded,
            "waiting": ledger.waiting,
            "capacity": ledger.capacity,
            "lag": 0 if feed is None else feed.lag(),
            "undecodable": 0 if feed is None else feed.undecodable,
            "oldest": None if oldest is None else round(oldest.since, 1),
            "at_least": oldest is not None and oldest.at_least,
            "holding": len(self.life.gate.missed.get(mailbox, ())),
            "since": None if since is None else round(since, 1),
            "held": 0 if held is None else held.publishes,
            "held_for": 0.0 if held is None else round(held.seconds, 1),
        }
        return known.row

    def _look_for_stall(self, mailbox: Mailbox, known: KnownMailbox, since: float | None, now: float) -> None:
        stalled = since is not None and now - since >= self._stall_after
        if stalled and not known.stalled:
            what = f"has held a publisher for more than {self._stall_after:g} s"
            self._happenings.note("stall", self._key, mailbox.name, what, known.fixed["made"])
        known.stalled = stalled

    def _part(self, mailbox: Mailbox) -> None:
        """A subscription has ended since the last look: say so where that was no wish of its own."""
        del self._known[mailbox]
        self._holds.forget(mailbox)
        end = mailbox.end
        if isinstance(end, partial) and end.func is SlowSubscriber:
            self._happenings.note("disconnect", self._key, mailbox.name, "was too slow, and was disconnected")
        elif isinstance(end, Exception) and not isinstance(end, ClosedResourceError) and not self.life.is_closed:
            what, where = words.error(end, contents=self._contents)
            self._happenings.note("failure", self._key, mailbox.name, f"ended with {what}", where)


def _handling(observer: Observer) -> Row:
    statistics = observer.statistics()
    return {
        "running": statistics.running,
        "handled": statistics.handled,
        "failed": statistics.failed,
        "handling": statistics.handling,
        "cancelled": statistics.cancelled,
    }


class MemoryLook(ABC):
    """One source in memory: a subject, a state, or what ``share()`` returns.

    Attributes:
        key: of its row.
        source: what is looked at.
        hidden: the subscriptions of the inspector itself.
    """

    def __init__(
        self,
        key: str,
        source: Any,
        happenings: Happenings,
        clock: Callable[[], float],
        *,
        contents: bool,
    ) -> None:
        self.key = key
        self.source = source
        self.hidden: set[Mailbox] = set()
        self._make = partial(
            LifeLook, key, happenings=happenings, clock=clock, contents=contents, stall_after=self._stall_after()
        )
        self._contents = contents
        self._look: LifeLook | None = None

    @abstractmethod
    def rows(self) -> Rows:
        """The rows of the source and of whoever reads it; of itself alone where it runs elsewhere."""

    def end(self) -> None:
        """Nobody looks any more."""
        if self._look is not None:
            self._look.end()
        self._look = None

    def _stall_after(self) -> float:
        """Seconds after which a subscription that holds a publisher has stalled."""
        return STALL_AFTER

    def _rows(self, life: Life[Any], own: Row, observers: Mapping[Mailbox, Observer]) -> Rows:
        """The rows of one life, which may have begun since the last look; ``own`` is what its source says itself."""
        try:
            life.check_here()
        except RuntimeError:
            return {self.key: {"k": "subject", "name": life.name, "error": NOT_HERE, **own}}
        if self._look is None or self._look.life is not life:
            self.end()
            self._look = self._make(life)
            self._look.begin()
        found = self._look.rows(observers, {}, self.hidden)
        numbers: Row = {
            "k": "subject",
            "name": life.name,
            "closed": life.is_closed,
            "published": life.delivery.published,
            "deliveries": life.delivery.deliveries,
            "kept": 0 if life.history is None else len(life.history),
            "publishers": life.gate.waiting(),
            "taken": self._look.taken,
            "lost": self._look.lost,
        }
        return {self.key: numbers | own, **found}


class SubjectLook(MemoryLook):
    """One subject in memory."""

    def __init__(
        self,
        key: str,
        source: Subject[Any],
        happenings: Happenings,
        clock: Callable[[], float],
        *,
        contents: bool,
    ) -> None:
        super().__init__(key, source, happenings, clock, contents=contents)
        self._resting: dict[Observer, str] = {}
        self._rested = 0

    def end(self) -> None:
        super().end()
        self._resting.clear()

    def _stall_after(self) -> float:
        stall_after: float = self.source._stall_after
        return stall_after

    def rows(self) -> Rows:
        subject: Subject[Any] = self.source
        supervisor = subject._supervisor
        observers = {
            observer._subscription._mailbox: observer
            for observer in [*supervisor.observers]
            if observer._subscription is not None
        }
        takes = words.short(" | ".join(names(subject._types)) or "Event")
        found = self._rows(subject._life, {"takes": takes, "entered": supervisor.is_entered}, observers)
        if "error" not in found[self.key]:
            resting = [observer for observer in [*supervisor.observers] if observer not in supervisor.running]
            found.update(self._rest(resting))
        return found

    def _rest(self, resting: list[Observer]) -> Rows:
        """Observers that do not run."""
        found: Rows = {}
        known, self._resting = self._resting, {}
        for observer in resting:
            if (key := known.get(observer)) is None:
                self._rested += 1
                key = f"{self.key}.o{self._rested}"
            self._resting[observer] = key
            created_at = observer._options["created_at"]
            found[key] = {
                "k": "observer",
                "of": self.key,
                "name": observer.name,
                "made": words.place(created_at),
                "made_in": created_at[0],
                "wants": words.wants(observer._interest, contents=self._contents),
                "overflow": observer._options["overflow"],
                "capacity": observer._options["capacity"],
                **_handling(observer),
            }
        return found
