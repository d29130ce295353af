"""One write transaction, and what a Change does in it.

Rule 1: a change is looked at whole before anything of it is written: one that is refused has touched nothing, and
        needs no savepoint. One with statements of the application's has one, for these are known to fail only late.
Rule 2: events and ids are written together, at the end of the transaction or before whoever must see them.
Rule 3: the time of an event is the later of the clock and the newest event's.
"""

from __future__ import annotations

import logging
from random import Random
from time import time_ns
from typing import TYPE_CHECKING, Final

from evenflow._errors import Conflict
from evenflow.log._stored import ABSENT, Done, Outdated

from ._connect import RELEASE, ROLLBACK_TO, SAVEPOINT
from ._events import insert
from ._faults import is_fault
from ._ids import Ids
from ._jobs import Job
from ._removal import prune_ids, trim
from ._schema import LAST_SEQ, SUBJECT_INDEX

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

    from evenflow.log._stored import Append, Change, Put, Statement

    from ._connect import Guard

_PUT: Final = """
    INSERT INTO evenflow_record (key, version, due, value) VALUES (?, ?, ?, ?)
    ON CONFLICT (key) DO UPDATE SET version = excluded.version, due = excluded.due, value = excluded.value
"""
_SWAP: Final = "UPDATE evenflow_record SET version = ?, due = ?, value = ? WHERE key = ? AND version = ?"
_SWAP_OUT: Final = "DELETE FROM evenflow_record WHERE key = ? AND version = ?"
_AHEAD: Final = 60_000_000
_EXPIRY_LOOK: Final = 5_000_000
_versions: Final = Random()  # noqa: S311 -- not a secret; an object of its own, which nobody seeds
_logger: Final = logging.getLogger("evenflow.log")


class Kept:
    """What a connection knows from one transaction to the next, as long as nobody else has written.

    Attributes:
        seq: the number of the last event.
        time: of the newest event, in microseconds.
        subjects: those that have a row.
        looks_at_ids: when ids are looked at whose time is over, in microseconds.
    """

    def __init__(self, connection: sqlite3.Connection, guard: Guard, keep_ids: int) -> None:
        self.connection = connection
        self.guard = guard
        self.keep_ids = keep_ids
        self.seq = 0
        self.time = 0
        self.subjects: frozenset[str] = frozenset()
        self.looks_at_ids = 0
        self._data_version: int | None = None
        self._warned = False

    def refresh(self) -> None:
        """In a write transaction: look whether somebody else has written since."""
        (data_version,) = self.connection.execute("PRAGMA data_version").fetchone()
        if data_version == self._data_version:
            return
        execute = self.connection.execute
        (self.seq,) = execute(LAST_SEQ).fetchone()
        (newest,) = execute(
            "SELECT coalesce((SELECT time FROM evenflow_event ORDER BY seq DESC LIMIT 1), 0)"
        ).fetchone()
        subjects = execute("SELECT name, floor_time FROM evenflow_subject").fetchall()
        self.subjects = frozenset(name for name, _ in subjects)
        self.time = max(newest, *(time for _, time in subjects), 0)
        self._data_version = data_version

    def forget(self) -> None:
        """A transaction has failed: what was known may be wrong."""
        self._data_version = None

    def now(self) -> int:
        """The time for an event that is stored now; a clock that was once far ahead is warned of."""
        clock = time_ns() // 1_000
        if clock >= self.time:
            self._warned = False
            return clock
        if self.time - clock > _AHEAD and not self._warned:
            self._warned = True
            _logger.warning(
                "the newest event's time is %.0f s ahead of this machine's clock: a clock was wrong when it was"
                " published; new events get its time until the clock has passed it",
                (self.time - clock) / 1e6,
            )
        return self.time


class Batch:
    """One write transaction that has begun.

    Attributes:
        seq: the number of the last event.
        is_sound: whether what was refused has touched nothing; if not, the whole transaction must be rolled back.
    """

    def __init__(self, kept: Kept) -> None:
        self.is_sound = True
        self._kept = kept
        self._connection = kept.connection
        self.seq = kept.seq
        self._time = kept.time
        self._wrote: bool = False
        self._subjects = kept.subjects
        self._ids: Ids | None = None
        """Of a transaction that has looked."""
        self._new: list[Append] = []
        """Events that are not written yet; the last of them has the number ``seq``."""

    def _look(self) -> Ids:
        """See what the log is, before the first event or id: what settles and claims needs neither, at a sixth less."""
        if self._ids is None:
            kept = self._kept
            kept.refresh()
            self.seq = kept.seq
            self._time = kept.now()
            self._subjects = kept.subjects
            self._ids = Ids(kept.connection, self._time, kept.keep_ids)
        return self._ids

    def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool) -> int:
        """Remove events; see ``_removal``."""
        self.flush()
        return trim(self._connection, subject, through, limit, keep_newest_of_keys=keep_newest_of_keys)

    def finish(self) -> None:
        """Write what is left; the transaction can be committed then, and ``committed`` is called."""
        if self._ids is None:
            return
        self.flush()
        kept = self._kept
        if self._time >= kept.looks_at_ids:
            more = prune_ids(self._connection, self._time, 500 + 2 * self._ids.added)
            kept.looks_at_ids = self._time + (0 if more else _EXPIRY_LOOK)

    def committed(self) -> None:
        """The transaction is committed: remember what it has changed."""
        if self._ids is None:
            return
        self._kept.seq = self.seq
        self._kept.subjects = self._subjects
        if self._wrote:
            self._kept.time = self._time

    def flush(self) -> None:
        """Write the events and ids that were not written yet."""
        new = self._new
        if new:
            self._wrote = True
            for subject in {append[0] for append in new} - self._subjects:
                self._add_subject(subject)
            insert(self._connection, new, self.seq - len(new), self._time)
            self._new = []
        if self._ids is not None:
            self._ids.flush()

    # ------------------------------------------------------------------ a change

    def make(self, change: Change) -> Done:
        """Make a change, but for its statements.

        Raises:
            Outdated, IdTaken: it is refused, and has touched nothing.
        """
        expect, puts, deletes, appends, reserves, frees, _ = change
        if len(expect) == 1 == len(puts) + len(deletes) and not (appends or reserves or frees):
            ((key, version),) = expect.items()
            if version != ABSENT and (key in puts or key in deletes):
                return self._swap(key, version, puts.get(key))
        if expect:
            self._compare(expect)
        if not (appends or reserves or frees):
            return Done((), self._put(puts, deletes))
        ids = self._look()
        if not (puts or deletes or reserves or frees) and (plain := self._append_plain(appends)) is not None:
            return Done(plain, {})
        seqs, claimed = ids.claim(change, self.seq)
        # from here on nothing is refused: what fails is no refusal
        self.is_sound = False
        new = [append for append, seq in zip(appends, _growing(seqs, self.seq), strict=True) if seq]
        self._new += new
        self.seq += len(new)
        if claimed or frees:
            ids.keep(claimed, frees)
        return Done(seqs, self._put(puts, deletes))

    def _swap(self, key: str, version: int, put: Put | None) -> Done:
        """Change or delete one record that was seen, which is what settling does: one statement, and not two."""
        if put is None:
            found, versions = self._connection.execute(_SWAP_OUT, (key, version)).rowcount, dict[str, int]()
        else:
            versions = {key: _new_version()}
            row = (versions[key], put.due, put.value, key, version)
            found = self._connection.execute(_SWAP, row).rowcount
        if not found:
            raise Outdated([key])
        return Done((), versions)

    def _append_plain(self, appends: Sequence[Append]) -> Sequence[int] | None:
        """Append events that have no ids, the quick way; None if one has, and then nothing was done."""
        for append in appends:
            if append[5] is not None:
                return None
        first = self.seq
        self._new += appends
        self.seq = last = first + len(appends)
        return range(first + 1, last + 1)

    def _put(self, puts: Mapping[str, Put], deletes: Collection[str]) -> dict[str, int]:
        """Delete and store records, the last of a change; returns the versions of those that are stored."""
        self.is_sound = False
        if deletes:
            self._connection.executemany("DELETE FROM evenflow_record WHERE key = ?", [(key,) for key in deletes])
        versions = {key: _new_version() for key in puts}
        if puts:
            rows = [(key, versions[key], due, value) for key, (value, due) in puts.items()]
            self._connection.executemany(_PUT, rows)
        self.is_sound = True
        return versions

    def _add_subject(self, subject: str) -> None:
        self._connection.execute("INSERT OR IGNORE INTO evenflow_subject (name) VALUES (?)", (subject,))
        self._subjects |= {subject}
        if len(self._subjects) == 2:  # noqa: PLR2004 -- one needs no index
            self._connection.execute(SUBJECT_INDEX)

    def _compare(self, expect: Mapping[str, int]) -> None:
        outdated: list[str] = []
        for key, version in expect.items():
            row = self._connection.execute("SELECT version FROM evenflow_record WHERE key = ?", (key,)).fetchone()
            if (ABSENT if row is None else row[0]) != version:
                outdated.append(key)
        if outdated:
            raise Outdated(outdated)

    # ------------------------------------------------------------------ the application's statements

    def make_in_savepoint(self, change: Change) -> Done:
        """Make a change with its statements.

        Raises:
            Outdated, IdTaken, Conflict: it is refused, and has touched nothing.
        """
        ids = self._look()
        self.flush()
        before = self.seq, self._subjects, self._wrote
        self._connection.execute(SAVEPOINT)
        try:
            done = self.make(change)
            self.flush()
            for statement in change.statements:
                self._execute(statement)
        except BaseException as error:
            self.is_sound = False
            if is_fault(error) or not self._connection.in_transaction:
                raise
            self._new.clear()
            ids.discard()
            self._connection.execute(ROLLBACK_TO)
            self._connection.execute(RELEASE)
            self.seq, self._subjects, self._wrote = before
            self.is_sound = True
            raise
        self._connection.execute(RELEASE)
        return done

    def _execute(self, statement: Statement) -> None:
        before = self._connection.total_changes
        with self._kept.guard.closed(statement.sql):
            cursor = self._connection.execute(statement.sql, statement.parameters)
            cursor.fetchall()  # a statement that returns rows has changed them all only then
        if statement.rows is None:
            return
        affected = cursor.rowcount
        if affected < 0:  # sqlite3 does not count what begins with WITH
            changed = self._connection.total_changes != before
            affected = self._connection.execute("SELECT changes()").fetchone()[0] if changed else 0
        if affected != statement.rows:
            raise Conflict(_conflict(statement, affected), expected=statement.rows, affected=affected)


class ChangeJob(Job):
    """A change that somebody waits for."""

    __slots__ = ("change",)

    def __init__(self, change: Change, made: Callable[[Done], object] | None = None) -> None:
        super().__init__(_no_work, 1 + len(change.appends) + len(change.puts), made)
        self.change = change

    def run(self, argument: Batch) -> None:
        """In the thread: make it, and keep the outcome."""
        change = self.change
        try:
            self.succeed(argument.make_in_savepoint(change) if change.statements else argument.make(change))
        except BaseException as error:  # noqa: ASYNC103, BLE001 -- it belongs to the caller
            self.fail(error)


def _new_version() -> int:
    """Never ABSENT, and never that of a record of the same key that was deleted."""
    return _versions.getrandbits(62) + 1


def _no_work(_: Batch) -> None:
    """What it does is ``run``."""


def _growing(seqs: Sequence[int], last: int) -> Iterator[int]:
    """Each number that is greater than all before it, and 0 for one that is not."""
    for seq in seqs:
        yield seq if seq > last else 0
        last = max(last, seq)


def _conflict(statement: Statement, affected: int) -> str:
    return (
        f"the statement affected {affected} rows and must affect {statement.rows}, so nothing of the"
        f" transaction was done: {statement.sql}"
    )
