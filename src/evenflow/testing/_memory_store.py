"""What a memory engine stores: events, records and ids, as a database would keep them, in virtual time.

Rule 1: a change is looked at whole before anything of it is made; nothing here waits.
Rule 2: numbers, versions and times only grow, whatever is removed, and whichever loop looks at the clock.
"""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import count, islice
from typing import TYPE_CHECKING, Final, NamedTuple

import anyio

from evenflow._errors import Unsupported
from evenflow.log._names import checked_keep_ids
from evenflow.log._stored import ABSENT, Change, Done, IdTaken, Lineage, Outdated, Page, Put, Record, Row

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable

    from evenflow.log._stored import Append

NEW_YEAR: Final = datetime(2026, 1, 1, tzinfo=UTC)
KEEP_IDS: Final = timedelta(days=7)
LOOKED_AT: Final = 10_000
"""How many events one read looks at, where it wants only some types."""
_numbers: Final = count(1)


@dataclass(slots=True)
class Topic:
    """The events of one subject; ``keys`` has the key of each."""

    rows: list[Row] = field(default_factory=list[Row])
    seqs: list[int] = field(default_factory=list[int])
    keys: list[str | None] = field(default_factory=list["str | None"])
    newest_of_key: dict[str, int] = field(default_factory=dict[str, int])
    end: int = 0
    floor: int = 0

    def append(self, row: Row, key: str | None) -> None:
        """Store an event."""
        self.rows.append(row)
        self.seqs.append(row.seq)
        self.keys.append(key)
        self.end = row.seq
        if key is not None:
            self.newest_of_key[key] = row.seq

    def keep(self, positions: list[int]) -> None:
        """Remove all but what is at these positions."""
        self.rows = [self.rows[position] for position in positions]
        self.seqs = [self.seqs[position] for position in positions]
        self.keys = [self.keys[position] for position in positions]


class Taken(NamedTuple):
    """Who has an id: the event with this number, until a time; number 0 is an event that is still scheduled."""

    seq: int
    digest: bytes
    until: float


@dataclass(slots=True)
class Heart:
    """What the store knows of a member."""

    alive: bool
    at: float
    begun: dict[int, tuple[str, int]] = field(default_factory=dict[int, tuple[str, int]])


class MemoryStore:
    """What several memory engines share, as processes share a file: each engine that opens it is a member.

    Attributes:
        lineages: the lines of its history.
        members: what is known of each engine that was opened.
        mark: how often something has changed.
    """

    def __init__(self, *, start: datetime = NEW_YEAR, keep_ids: timedelta = KEEP_IDS) -> None:
        checked_keep_ids(keep_ids)
        if not isinstance(start, datetime):
            raise TypeError(f"start must be an aware datetime, not {start!r}")
        if start.utcoffset() is None:
            raise ValueError(f"start must have a time zone, and {start} has none: datetime(..., tzinfo=UTC)")
        self.lineages: list[Lineage] = [Lineage(f"memory-{next(_numbers)}", 0)]
        self.members: dict[str, Heart] = {}
        self.mark: int = 0
        self.newest: int = 0
        self._start = start.timestamp()
        self._keep_ids = keep_ids.total_seconds()
        self._topics: dict[str, Topic] = {}
        self._records: dict[str, Record] = {}
        self._ids: dict[tuple[str, str], Taken] = {}
        self._version = 0
        self._newest_time = 0
        self._before: float | None = None
        self._ahead = 0.0
        self._sleepers: set[anyio.Event] = set()

    # ------------------------------------------------------------------ time

    def clock(self) -> float:
        """The loop's clock; where another loop's began anew, it goes on from where the last one was."""
        try:
            now = anyio.current_time() + self._ahead
        except anyio.NoEventLoopError:  # asked from a thread
            return self._before or 0.0
        if self._before is not None and now < self._before:
            self._ahead += self._before - now
            now = self._before
        if self._before is None:
            self._start -= now
        self._before = now
        return now

    def wall(self) -> float:
        """The start, and what has passed since the first look."""
        return self.clock() + self._start

    # ------------------------------------------------------------------ a change

    def commit(self, change: Change) -> Done:
        """Make a change, or raise and do nothing."""
        if change.statements:
            raise Unsupported("a log in memory has no tables of yours: it cannot run statements")
        if outdated := [key for key, version in change.expect.items() if self.version(key) != version]:
            raise Outdated(outdated)
        now = self.wall()
        ids = self._claimed_ids(change, now)
        seqs = [
            self._append(append, now) if seq is None else seq
            for append, seq in zip(change.appends, self._known_seqs(change.appends, ids), strict=True)
        ]
        for (subject, name), taken in ids.items():
            self._ids[subject, name] = taken
        for subject, name in change.frees:
            if self._ids.get((subject, name), Taken(1, b"", 0)).seq == 0:
                del self._ids[subject, name]
        for key in change.deletes:
            self._records.pop(key, None)
        versions = {key: self._put(key, put) for key, put in change.puts.items()}
        self.note_change()
        return Done(seqs, versions)

    def version(self, key: str) -> int:
        """The version of a record."""
        record = self._records.get(key)
        return ABSENT if record is None else record.version

    def _put(self, key: str, put: Put) -> int:
        self._version += 1
        self._records[key] = Record(put.value, self._version, put.due)
        return self._version

    def _append(self, append: Append, now: float) -> int:
        self.newest += 1
        self._newest_time = max(self._newest_time, round(now * 1e6))
        row = Row(
            self.newest,
            append.type,
            append.version,
            append.data,
            dict(append.headers),
            append.id or "",
            self._newest_time,
        )
        self._topics.setdefault(append.subject, Topic()).append(row, append.key)
        return self.newest

    def _claimed_ids(self, change: Change, now: float) -> dict[tuple[str, str], Taken]:
        """The ids that a change takes; the numbers are those that its events will have."""
        claimed: dict[tuple[str, str], Taken] = {}
        seq = self.newest
        for append in change.appends:
            if append.id is None:
                seq += 1
                continue
            key = (append.subject, append.id)
            taken = claimed.get(key) or self._taken(key, now)
            if taken is not None and taken.seq == 0 and append.scheduled:
                taken = None
            if taken is None:
                seq += 1
                claimed[key] = Taken(seq, append.digest, now + self._keep_ids)
            elif taken.seq == 0 or taken.digest != append.digest:
                raise IdTaken(append.subject, append.id, scheduled=taken.seq == 0)
        for subject, name, digest in change.reserves:
            key = (subject, name)
            if (taken := claimed.get(key) or self._taken(key, now)) is not None:
                raise IdTaken(subject, name, scheduled=taken.seq == 0, same=taken.seq > 0 and taken.digest == digest)
            claimed[key] = Taken(0, digest, float("inf"))
        return claimed

    def _known_seqs(self, appends: Iterable[Append], claimed: dict[tuple[str, str], Taken]) -> list[int | None]:
        """For each event the number that its id has already; None for one that must be stored."""
        found: list[int | None] = []
        stored: set[tuple[str, str]] = set()
        for append in appends:
            key = (append.subject, append.id or "")
            if append.id is None or (key in claimed and key not in stored):
                stored.add(key)
                found.append(None)
            else:
                found.append((claimed.get(key) or self._ids[key]).seq)
        return found

    def _taken(self, key: tuple[str, str], now: float) -> Taken | None:
        taken = self._ids.get(key)
        return None if taken is None or taken.until <= now else taken

    # ------------------------------------------------------------------ events

    def topic(self, subject: str) -> Topic:
        """The events of a subject."""
        return self._topics.get(subject) or Topic()

    def read(self, subject: str, after: int, limit: int, types: Collection[str] | None, until: int | None) -> Page:
        """A page of events, as ``Engine.read`` says."""
        topic = self.topic(subject)
        last = self.newest if until is None else min(until, self.newest)
        begin, end = bisect_right(topic.seqs, after), bisect_right(topic.seqs, last)
        stop = min(end, begin + LOOKED_AT)
        rows = (row for row in islice(topic.rows, begin, stop) if types is None or row.type in types)
        found = list(islice(rows, limit))
        looked_at = last if stop == end else topic.seqs[stop - 1]
        through = found[-1].seq if len(found) == limit else looked_at
        return Page(found, max(after, through), topic.floor)

    def place(self, subject: str, time: int) -> int:
        """The number before the first event at or after a time."""
        topic = self.topic(subject)
        return next((row.seq - 1 for row in topic.rows if row.time >= time), topic.end)

    def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool) -> int:
        """Remove the oldest events up to a number."""
        topic = self.topic(subject)
        end = bisect_right(topic.seqs, through)
        keys = topic.newest_of_key if keep_newest_of_keys else {}
        going = [at for at in range(end) if (key := topic.keys[at]) is None or keys.get(key, 0) != topic.seqs[at]][
            :limit
        ]
        if going:
            topic.floor = max(topic.floor, topic.seqs[going[-1]])
            gone = set(going)
            topic.keep([at for at in range(len(topic.rows)) if at not in gone])
            self.note_change()
        return len(going)

    def subjects(self) -> list[str]:
        """The names of the subjects, sorted."""
        return sorted(self._topics)

    def size(self) -> tuple[int, int]:
        """How many events are stored, and how many bytes of data."""
        rows = [row for topic in self._topics.values() for row in topic.rows]
        return len(rows), sum(len(row.data) for row in rows)

    # ------------------------------------------------------------------ records

    def load(self, keys: Collection[str], prefix: str | None) -> dict[str, Record]:
        """The records with these keys, and with this prefix, sorted by key."""
        wanted = set(keys)
        return {
            key: self._records[key]
            for key in sorted(self._records)
            if key in wanted or (prefix is not None and key.startswith(prefix))
        }

    def dues(self, prefix: str) -> list[tuple[float, str]]:
        """When each record with this prefix is due, in order."""
        return sorted(
            (record.due, key)
            for key, record in self._records.items()
            if record.due is not None and key.startswith(prefix)
        )

    def record(self, key: str) -> Record:
        """One record, which exists."""
        return self._records[key]

    # ------------------------------------------------------------------ waiting

    def note_change(self) -> None:
        """Something has changed: whoever waits for that goes on."""
        self.mark += 1
        sleepers, self._sleepers = self._sleepers, set()
        for sleeper in sleepers:
            sleeper.set()

    async def wait(self, mark: int) -> int:
        """Wait until something has changed since this mark."""
        while self.mark == mark:
            sleeper = anyio.Event()
            self._sleepers.add(sleeper)
            try:
                await sleeper.wait()
            finally:
                self._sleepers.discard(sleeper)
        return self.mark
