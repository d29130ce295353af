"""The ids that publishers gave, within one write transaction.

Rule 1: what a change claims is worked out first, and changes nothing; it is kept when the change is made.
Rule 2: an id is taken until its time is over, whatever retention removes; number 0 is an event that is scheduled.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evenflow.log._stored import IdTaken

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Sequence

    from evenflow.log._stored import Change

Key = tuple[str, str]
"""A subject and an id."""
Taken = tuple[int, bytes]
"""The number of the event that has an id, and its digest."""

_LOOK: Final = "SELECT seq, digest FROM evenflow_dedup WHERE subject = ? AND id = ? AND (until IS NULL OR until > ?)"
_KEEP: Final = "INSERT OR REPLACE INTO evenflow_dedup (subject, id, seq, digest, until) VALUES (?, ?, ?, ?, ?)"
_FREE: Final = "DELETE FROM evenflow_dedup WHERE subject = ? AND id = ?"


class Ids:
    """Ids as they will be when the transaction is committed.

    Args:
        now: the time of this transaction, in microseconds.
        kept: how long an id is taken, in microseconds.
    """

    def __init__(self, connection: sqlite3.Connection, now: int, kept: int) -> None:
        self._connection = connection
        self._now = now
        self._until = now + kept
        self._known: dict[Key, Taken | None] = {}
        self.added = 0

    def find(self, key: Key) -> Taken | None:
        """Who has an id now."""
        if key in self._known:
            return self._known[key]
        row: Taken | None = self._connection.execute(_LOOK, (*key, self._now)).fetchone()
        return row

    def claim(self, change: Change, seq: int) -> tuple[list[int], dict[Key, Taken]]:
        """The number of each event of a change, where ``seq`` was the last one; and the ids that it takes.

        Raises:
            IdTaken: one of them belongs to something else.
        """
        claimed: dict[Key, Taken] = {}
        seqs: list[int] = []
        for append in change.appends:
            key = (append.subject, append.id or "")
            taken = None if append.id is None else claimed.get(key) or self.find(key)
            if taken is not None and taken[0] == 0 and append.scheduled:
                taken = None
            if taken is None:
                seq += 1
                seqs.append(seq)
                if append.id is not None:
                    claimed[key] = (seq, append.digest)
            elif taken[0] == 0 or taken[1] != append.digest:
                raise IdTaken(*key, scheduled=taken[0] == 0)
            else:
                seqs.append(taken[0])
        for subject, name, digest in change.reserves:
            if (taken := claimed.get((subject, name)) or self.find((subject, name))) is not None:
                raise IdTaken(subject, name, scheduled=taken[0] == 0, same=taken[0] > 0 and taken[1] == digest)
            claimed[subject, name] = (0, digest)
        return seqs, claimed

    def keep(self, claimed: dict[Key, Taken], frees: Sequence[Key]) -> None:
        """The change is made: what it claimed is taken, and what it frees is free, if it was only reserved."""
        self._known.update(claimed)
        for key in frees:
            taken = self.find(key)
            if taken is not None and taken[0] == 0:
                self._known[key] = None

    def flush(self) -> None:
        """Write them."""
        if not self._known:
            return
        taken = [
            (*key, found[0], found[1], self._until if found[0] else None)
            for key, found in self._known.items()
            if found is not None
        ]
        self._connection.executemany(_KEEP, taken)
        self._connection.executemany(_FREE, [key for key, found in self._known.items() if found is None])
        self.added += len(taken)
        self._known.clear()

    def discard(self) -> None:
        """Forget what was not written: it is not made."""
        self._known.clear()
