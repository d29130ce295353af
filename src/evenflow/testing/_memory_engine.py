"""MemoryEngine: a log's engine without a file and without a thread, in virtual time.

Several engines on one ``MemoryStore`` are what several processes on one file are: each is a member of its own.
"""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING, Final

from anyio.lowlevel import cancel_shielded_checkpoint, checkpoint, checkpoint_if_cancelled

from evenflow._errors import LogError
from evenflow.log._engine import Engine
from evenflow.log._stored import Absent, Pulse, Size
from evenflow.testing._memory_store import Heart, MemoryStore

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from evenflow.log._stored import Change, Done, Lineage, Page, Record

_numbers: Final = count(1)
_marks: Final = count(1)


class MemoryEngine(Engine):
    """One opening of a store. Each operation lets the loop turn once, as one on a file would.

    Attributes:
        store: what it has opened.
    """

    wall_is_steady = True

    def __init__(self, store: MemoryStore | None = None) -> None:
        self.store: MemoryStore = MemoryStore() if store is None else store
        self.member: str = f"memory-{next(_numbers)}"
        self.lineages: Sequence[Lineage] = self.store.lineages
        self._heart: Heart | None = None
        self._why = "was not opened"

    def kill(self) -> None:
        """Die, as a process does: from now on every call fails, what is stored stays, and so do its marks."""
        if self._heart is not None:
            self._heart.alive = False
        self._heart, self._why = None, "was killed"
        self.store.note_change()

    def _living(self) -> Heart:
        if self._heart is None:
            raise LogError(f"the engine {self.member} {self._why}")
        return self._heart

    async def open(self) -> None:
        """Become a member of the store."""
        await checkpoint()
        if self._why == "was killed":
            raise LogError(f"the engine {self.member} was killed; make another one for the store")
        if not self.creates and not self.store.members:
            raise Absent("a log in memory")
        if self._heart is None:
            self._heart = self.store.members[self.member] = Heart(alive=True, at=self.store.clock())

    async def close(self) -> None:
        """Leave the store."""
        if self._heart is not None:
            self._heart.alive = False
            self._heart, self._why = None, "was closed"
            self.store.note_change()
        await cancel_shielded_checkpoint()

    async def commit(self, change: Change, /, *, made: Callable[[Done], object] | None = None) -> Done:
        """Make a change; cancelled before it was made, nothing is done."""
        await checkpoint_if_cancelled()
        self._living()
        await cancel_shielded_checkpoint()
        self._living()
        done = self.store.commit(change)
        if made is not None:
            made(done)
        return done

    async def read(
        self, subject: str, after: int, limit: int, *, types: Collection[str] | None = None, until: int | None = None
    ) -> Page:
        """A page of a subject's events."""
        await checkpoint()
        self._living()
        return self.store.read(subject, after, limit, types, until)

    async def end(self, subject: str) -> int:
        """The number of the newest event."""
        await checkpoint()
        self._living()
        return self.store.topic(subject).end

    async def place(self, subject: str, time: int) -> int:
        """The number before the first event at or after a time."""
        await checkpoint()
        self._living()
        return self.store.place(subject, time)

    async def floor(self, subject: str) -> int:
        """Up to where events may have been removed."""
        await checkpoint()
        self._living()
        return self.store.topic(subject).floor

    async def older_than(self, subject: str, events: int) -> int:
        """The number of the newest event with as many newer ones."""
        await checkpoint()
        self._living()
        seqs = self.store.topic(subject).seqs
        return seqs[-events - 1] if len(seqs) > events else 0

    async def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool = False) -> int:
        """Remove the oldest events up to a number."""
        await checkpoint()
        self._living()
        return self.store.trim(subject, through, limit, keep_newest_of_keys=keep_newest_of_keys)

    async def load(self, keys: Collection[str] = (), *, prefix: str | None = None) -> Mapping[str, Record]:
        """Records by key or prefix."""
        await checkpoint()
        self._living()
        return self.store.load(keys, prefix)

    async def due(self, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
        """The records that are due until then, the earliest first."""
        await checkpoint()
        self._living()
        return {key: self.store.record(key) for due, key in self.store.dues(prefix)[:limit] if due <= until}

    async def next_due(self, prefix: str) -> float | None:
        """When the next record is due."""
        await checkpoint()
        self._living()
        return next((due for due, _ in self.store.dues(prefix)), None)

    def mark(self) -> int:
        """A number that grows with each change."""
        return self.store.mark

    async def wait(self, mark: int, /, about: Collection[str] = ()) -> int:  # noqa: ARG002 -- it wakes for all
        """Wait for the next change; returns at once where there was one."""
        self._living()
        await checkpoint_if_cancelled()
        found = await self.store.wait(mark)
        self._living()
        return found

    def begin(self, group: str, seqs: Sequence[int], /) -> Sequence[int]:
        """Note that events are handed over."""
        heart = self._living()
        marks = [next(_marks) for _ in seqs]
        heart.begun.update(zip(marks, [(group, seq) for seq in seqs], strict=True))
        return marks

    def settled(self, marks: Sequence[int], /) -> None:
        """Take marks back; a dead process takes none back."""
        if self._heart is not None and self._heart.alive:
            for mark in marks:
                self._heart.begun.pop(mark, None)

    def beat(self) -> None:
        """Say that this member lives."""
        if self._heart is not None:
            self._heart.at = self.store.clock()

    async def pulses(self, members: Collection[str], /) -> Mapping[str, Pulse]:
        """What is known of these members."""
        await checkpoint()
        self._living()
        return {member: self._pulse(member) for member in members}

    def _pulse(self, member: str) -> Pulse:
        heart = self.store.members.get(member)
        if heart is None:
            return Pulse(alive=False, at=float("-inf"), begun=frozenset())
        return Pulse(heart.alive, heart.at, frozenset(heart.begun.values()))

    def clock(self) -> float:
        """The loop's clock."""
        return self.store.clock()

    def wall(self) -> float:
        """The store's start, and the virtual time since."""
        return self.store.wall()

    async def subjects(self) -> Sequence[str]:
        """The names of the subjects."""
        await checkpoint()
        self._living()
        return self.store.subjects()

    async def size(self) -> Size:
        """How much is stored."""
        await checkpoint()
        self._living()
        return Size(*self.store.size())
