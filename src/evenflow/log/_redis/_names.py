"""The names of a log's keys on the server. All of them have one hash tag, so that a cluster keeps them in one slot.

evenflow:{shop}:meta              hash: format, lineages, lineage, seq, rev, time, floor
evenflow:{shop}:events:orders     stream: the events of a subject; an id is the number of the event, as in ``17-0``
evenflow:{shop}:ends              hash: the number of the newest event of each subject
evenflow:{shop}:floors            hash: up to which number retention has removed events of each subject
evenflow:{shop}:id:orders:x17     string: number and digest of the event that has this id; it expires
evenflow:{shop}:records:D         hash: the records whose key is ``D`` and a last part; version, due, value of each
evenflow:{shop}:due:D             sorted set: the last parts of those that are due at some time, by that time
evenflow:{shop}:dirs              sorted set: each ``D`` that has records
evenflow:{shop}:bell              stream: one entry, whose id grows with every change
evenflow:{shop}:member:M          hash: when this member was last heard of; its last batch, and what that came to
evenflow:{shop}:begun:M           set: what this member has begun and not settled
"""

from __future__ import annotations


class Names:
    """The names of one log's keys.

    Attributes:
        base: what each begins with.
    """

    def __init__(self, log: str) -> None:
        self.base: str = f"evenflow:{{{log}}}:"
        self.meta: str = self.base + "meta"
        self.ends: str = self.base + "ends"
        self.floors: str = self.base + "floors"
        self.bell: str = self.base + "bell"

    def events(self, subject: str) -> str:
        """The stream of a subject."""
        return f"{self.base}events:{subject}"

    def records(self, directory: str) -> str:
        """The hash of the records in a directory."""
        return f"{self.base}records:{directory}"

    def member(self, member: str) -> str:
        """The hash of a member."""
        return f"{self.base}member:{member}"

    def begun(self, member: str) -> str:
        """The set of what a member has begun."""
        return f"{self.base}begun:{member}"


def split(key: str) -> tuple[str, str]:
    """The directory of a record's key, and its last part."""
    directory, slash, last = key.rpartition("/")
    return directory + slash, last
