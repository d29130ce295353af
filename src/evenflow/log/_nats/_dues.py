"""Which records of a prefix are due when: kept for each prefix, and brought up to date by what has changed since.

A stream is asked for nothing but messages of some subjects behind a sequence. So the records of a prefix are read once,
and then those that came after; a deleted one has left a message, which the server keeps long enough.

Rule 1: what this process has changed itself is known at once.
Rule 2: after too long a time everything is read anew: messages of deletions may be gone.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from evenflow.log._stored import Record

from ._plan import GONE
from ._values import key_in, record_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evenflow.log._stored import Change, Done

    from ._names import Names
    from ._reads import Reads
    from ._values import Message

OLD: Final = GONE / 3
MOST: Final = 1_000
"""Prefixes that are known at a time; the one that was asked for least lately is forgotten first."""


class Dues:
    """What is due at some time, of one prefix."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.records: dict[str, Record] = {}
        self.seen: int = 0
        self.at: float = float("-inf")

    def put(self, key: str, record: Record) -> None:
        """A record is this now, unless it is known to be newer."""
        known = self.records.get(key)
        if known is not None and known.version >= record.version:
            return
        if record.due is None:
            self.records.pop(key, None)
        else:
            self.records[key] = record

    def delete(self, key: str) -> None:
        """A record is no more."""
        self.records.pop(key, None)


class AllDues:
    """What is due at some time, by prefix."""

    def __init__(self, reads: Reads, names: Names) -> None:
        self._reads = reads
        self._names = names
        self._known: dict[str, Dues] = {}

    def note(self, change: Change, done: Done) -> None:
        """This process has made a change."""
        if not self._known:
            return
        for dues in self._known.values():
            for key in change.deletes:
                if key.startswith(dues.prefix):
                    dues.delete(key)
            for key, put in change.puts.items():
                if key.startswith(dues.prefix):
                    dues.put(key, Record(put.value, done.versions[key], put.due))

    async def of(self, prefix: str) -> dict[str, Record]:
        """The records of a prefix that are due at some time, by key."""
        dues = self._known.pop(prefix, None) or Dues(prefix)
        self._known[prefix] = dues
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
        now = time.monotonic()
        if now - dues.at > OLD:
            fresh = Dues(prefix)
            await self._follow(fresh)
            dues.records, dues.seen, dues.at = fresh.records, fresh.seen, now
        else:
            await self._follow(dues)
            dues.at = now
        return dues.records

    async def _follow(self, dues: Dues) -> None:
        for message in await self._reads.scan(self._names.records(dues.prefix), dues.seen):
            dues.seen = max(dues.seen, message.seq)
            key = key_of(self._names, message)
            if key.startswith(dues.prefix):
                if message.is_deletion:
                    known = dues.records.get(key)
                    if known is None or known.version < message.seq:
                        dues.delete(key)
                else:
                    dues.put(key, record_of(message))


def earliest(records: Mapping[str, Record], until: float, limit: int) -> dict[str, Record]:
    """Those that are due until then, in the order of their times; not more than ``limit``."""
    found = [(key, record) for key, record in records.items() if record.due is not None and record.due <= until]
    found.sort(key=lambda item: (item[1].due or 0.0, item[0]))
    return dict(found[:limit])


def key_of(names: Names, message: Message) -> str:
    """The key of a record."""
    return key_in(message) or names.key(message.subject) or ""


def records_of(names: Names, found: Mapping[str, Message], prefix: str) -> dict[str, Record]:
    """The records of a prefix, sorted by key."""
    by_key = {
        key: record_of(message)
        for message in found.values()
        if not message.is_deletion and (key := key_of(names, message)).startswith(prefix)
    }
    return dict(sorted(by_key.items()))
