"""What the page shows of a log: its subjects, whoever reads them here, and the groups of all processes.

The groups are in the store. To count them takes reads, so it is done every two seconds at most, by whichever viewer
comes to it first, and more rarely where it takes long: never more than a twentieth of the time.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

from evenflow._routing import names

from . import _words as words
from ._subjects import NOT_HERE, LifeLook, Row, Rows

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

    from evenflow._mailbox import Mailbox
    from evenflow.log import DurableSubject, DurableSubjectStatistics, GroupStatistics, LogStatistics
    from evenflow.log._consumer import Consumer, ConsumerFailed
    from evenflow.log._opening import Opening
    from evenflow.log._openings import Openings
    from evenflow.log._tail import Tail

    from ._happenings import Happenings

EVERY: Final = 2.0
"""Seconds between two looks into the store."""
SHARE: Final = 20
"""It takes a twentieth of the time at most."""
COUNTED: Final = 10_000
"""New events of a subject that are counted at one look; more are estimated."""


class LogLook:
    """One log, or some subjects of it.

    Attributes:
        key: what its rows' keys begin with.
        openings: the log's.
    """

    def __init__(
        self,
        key: str,
        openings: Openings,
        subjects: Callable[[], Collection[DurableSubject[Any]]],
        happenings: Happenings,
        clock: Callable[[], float],
        *,
        whole: bool,
        contents: bool,
    ) -> None:
        self.key = key
        self.openings = openings
        self.hidden: set[Mailbox] = set()  # the inspector's own
        self._subjects = subjects
        self._happenings = happenings
        self._clock = clock
        self._whole = whole
        self._contents = contents
        self._keys: dict[str, str] = {}
        self._tails: dict[str, LifeLook] = {}
        self._watched: dict[DurableSubject[Any], Callable[[ConsumerFailed], None]] = {}
        self._statistics: LogStatistics | None = None
        self._failed = ""
        self._dead: dict[tuple[str, str], int] = {}
        self._stored: dict[str, tuple[int, int]] = {}
        """How many events of each subject were stored since somebody looks, and up to which number."""
        self._next_look = -math.inf
        self._looked_at = 0.0
        self._is_looking = False

    def end(self) -> None:
        """Nobody looks any more."""
        for look in self._tails.values():
            look.end()
        self._tails.clear()
        for subject, watcher in self._watched.items():
            subject._watchers = tuple(one for one in subject._watchers if one is not watcher)
        self._watched.clear()
        self._statistics, self._next_look = None, -math.inf
        self._dead.clear()
        self._stored.clear()

    def key_of(self, subject: str) -> str:
        """The key of a subject's row."""
        return self._keys.setdefault(subject, f"{self.key}.{len(self._keys) + 1}")

    def subjects_by_key(self, key: object) -> list[str]:
        """The name of the subject whose row has this key; none where there is none."""
        return [name for name, known in self._keys.items() if known == key]

    def source(self, key: object) -> DurableSubject[Any] | None:
        """The subject whose row has this key, where this process knows its classes."""
        names_of = self.subjects_by_key(key)
        return next((subject for subject in self._subjects() if subject.name in names_of), None)

    def opening(self) -> Opening | None:
        """The present opening, if it can be looked at from here."""
        try:
            return self.openings.open()
        except RuntimeError:
            return None

    async def look(self) -> None:
        """Count what is in the store, if it is time, and nobody else does already."""
        opening = self.opening()
        if self._is_looking or opening is None or self._clock() < self._next_look:
            return
        self._is_looking, began = True, self._clock()
        try:
            is_first, statistics = self._statistics is None, await opening.statistics()
            for subject in statistics.subjects:
                await self._count(opening, subject, is_first=is_first)
            self._statistics, self._failed, self._looked_at = statistics, "", self._clock()
            self._note_dead(statistics, is_first=is_first)
        except Exception as error:  # noqa: BLE001 -- a log that fails, or is being closed: the page says so and goes on
            self._failed = words.error(error, contents=self._contents)[0]
        finally:
            self._is_looking = False
            took = self._clock() - began
            self._next_look = self._clock() + max(EVERY, took * SHARE)

    async def _count(self, opening: Opening, subject: DurableSubjectStatistics, *, is_first: bool) -> None:
        """Count what was stored since the last look: the numbers of a log are shared by its subjects, with gaps."""
        name, end = subject.name, subject.end.seq
        stored, seen = self._stored.get(name, (0, end if is_first else 0))
        after, counted = seen, 0
        while after < end and counted < COUNTED:
            page = await opening.engine.read(name, after, 1_000, until=end)
            counted += len(page.rows)
            if page.through <= after:
                break
            after = page.through
        if seen < after < end:
            counted = round(counted * (end - seen) / (after - seen))
        self._stored[name] = (stored + counted, end)

    def _note_dead(self, statistics: LogStatistics, *, is_first: bool) -> None:
        """Say what became a dead letter between two looks."""
        for subject in statistics.subjects:
            for group in subject.groups if self._shows(subject.name) else ():
                before = self._dead.get((subject.name, group.name), group.dead if is_first else 0)
                if group.dead > before:
                    key = self.key_of(subject.name)
                    self._happenings.note("dead", key, group.name, "new dead letters", count=group.dead - before)
                self._dead[subject.name, group.name] = group.dead

    def _shows(self, name: str) -> bool:
        return self._whole or any(subject.name == name for subject in self._subjects())

    def rows(self) -> Rows:
        """The rows of the log, its subjects, their subscriptions and groups."""
        opening, statistics = self.opening(), self._statistics
        known = {subject.name: subject for subject in self._subjects()}
        row: Row = {"k": "log", "name": self.openings.name, "engine": self.openings.engine_name, "open": True}
        if opening is None:
            row["open"] = self.openings.is_open
            row["error"] = NOT_HERE if self.openings.is_open else "it is not open"
            return {self.key: row} | {
                self.key_of(name): {"k": "durable", "of": self.key, "name": name, "takes": _takes(subject)}
                for name, subject in known.items()
            }
        if self._failed:
            row["error"] = self._failed
        found: Rows = {self.key: row}
        if statistics is not None:
            row |= {"events": statistics.events, "bytes": statistics.bytes, "wal": statistics.wal_bytes}
        self._watch(known.values())
        for name in dict.fromkeys([*known, *(one.name for one in (statistics.subjects if statistics else ()))]):
            if self._shows(name):
                found.update(self._subject(name, known.get(name), opening))
        return found

    def _watch(self, subjects: Iterable[DurableSubject[Any]]) -> None:
        """Hear what consumers raise."""
        for subject in subjects:
            if subject not in self._watched:
                key = self.key_of(subject.name)

                def failed(failure: ConsumerFailed, key: str = key) -> None:
                    what, where = words.error(failure.error, contents=self._contents)
                    self._happenings.note("failure", key, failure.consumer.name, what, where)

                self._watched[subject] = failed
                subject._watchers = (*subject._watchers, failed)

    def _subject(self, name: str, subject: DurableSubject[Any] | None, opening: Opening) -> Rows:
        key = self.key_of(name)
        row: Row = {"k": "durable", "of": self.key, "name": name, "takes": "" if subject is None else _takes(subject)}
        found: Rows = {key: row}
        for one in () if self._statistics is None else self._statistics.subjects:
            if one.name == name:
                row |= {"end": str(one.end), "floor": str(one.floor), "stored": self._stored.get(name, (0, 0))[0]}
                row["counted_at"] = round(self._looked_at, 2)
                consumers = [] if subject is None else [*subject._consumers]
                for group in one.groups:
                    found[f"{key}:{group.name}"] = self._group(key, group, consumers)
        taken = sum(consumer.statistics().handled for consumer in ([] if subject is None else [*subject._consumers]))
        row |= {"taken": taken, "lost": 0}
        if (tail := opening._tails.get(name)) is not None:
            found.update(self._tail(key, tail, row))
        return found

    def _tail(self, key: str, tail: Tail, row: Row) -> Rows:
        look = self._tails.get(key)
        if look is None or look.life is not tail.life:
            if look is not None:
                look.end()
            look = self._tails[key] = LifeLook(
                key, tail.life, self._happenings, self._clock, contents=self._contents, stall_after=math.inf
            )
            look.begin()
        feeds = {feed.mailbox: feed for feed in [*tail._feeds]}
        found = look.rows({}, feeds, self.hidden)
        row |= {"taken": row["taken"] + look.taken, "lost": look.lost}
        return found

    def _group(self, key: str, group: GroupStatistics, consumers: list[Consumer]) -> Row:
        own = [consumer for consumer in consumers if consumer._spec.group == group.name]
        known = next((consumer._spec.condition for consumer in own if consumer._spec.condition is not None), None)
        here = [consumer.statistics() for consumer in own]
        oldest = None if group.oldest_due is None else round(self._looked_at - group.oldest_due.total_seconds(), 1)
        return {
            "k": "group",
            "of": key,
            "name": group.name,
            "wants": words.stored_wants(group.wants, known, contents=self._contents),
            "position": group.position.seq,
            "due": group.due,
            "oldest": oldest,
            "in_hand": group.in_hand,
            "retrying": group.retrying,
            "dead": group.dead,
            "members": group.members,
            "paused": group.paused,
            "here": len(here),
            "handled": sum(one.handled for one in here),
            "failed": sum(one.failed for one in here),
            "handling": sum(one.handling for one in here),
        }


def _takes(subject: DurableSubject[Any]) -> str:
    return words.short(" | ".join(names(subject._types)))
