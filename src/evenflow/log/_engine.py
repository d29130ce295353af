"""What stores a log: the little that each engine must do. Everything else is written once, above it.

Two kinds of things are stored: *events*, which are appended, numbered and never changed; and *records*, small values
by key, each with a version. What a log does, publishing, groups, schedules, is a ``Change``: appended events, and
records put and deleted, all or nothing, on the condition that certain records still have the version that was seen.

Rule 1: an event is read only once it is as durable as the engine promises, and never behind one that was read.
Rule 2: a change is made whole or not at all. ``Outdated`` means not at all: load again, decide again.
Rule 3: an engine is used in one process and in one loop; what it does for other processes is its own affair.
Rule 4: an operation that waits is bounded by the engine's own time limits, and ends in ``LogError``.
Rule 5: cancelled before it was handed over, a change is not made; after that the caller waits until its outcome is
        known, and only then is the cancellation raised.

Two clocks: ``clock`` for leases, which nobody steps, and ``wall``, seconds since 1970, for what must outlive a restart.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import nullcontext
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar

from ._stored import Away

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Coroutine, Mapping, Sequence
    from contextlib import AbstractAsyncContextManager

    from ._routes import Wanted
    from ._stored import Change, Done, Lineage, Page, Pulse, Record, Size


class Engine(ABC):
    """One opened log, as it is stored.

    Attributes:
        member: the name of this opening, unlike that of any other, of any process.
        lineages: the lines of the log's history, the oldest first; the last is written now.
        wall_is_steady: whether nobody can set the wall clock while the log is open, as in virtual time.
        creates: whether opening makes a log where there is none. Whoever only looks sets it to False before.
        most_claimed: how many events one claim may have, so that what becomes of each of them fits into one change.
        filters: whether ``read_wanted`` leaves out events by their routes.
    """

    member: str
    lineages: Sequence[Lineage]
    wall_is_steady: ClassVar[bool] = False
    creates: bool = True
    most_claimed: ClassVar[int] = 1_000
    filters: ClassVar[bool] = False

    @abstractmethod
    async def open(self) -> None:
        """Open it: from now on everything else may be called.

        Raises:
            Absent: there is no log, and ``creates`` is False: nothing was made.
            LogError: it cannot be opened; the message says why, and the way out.
        """

    @abstractmethod
    async def close(self) -> None:
        """Finish what was handed over, and let go of everything. Bounded; the second time it does nothing."""

    @abstractmethod
    def commit(self, change: Change, /, *, made: Callable[[Done], object] | None = None) -> Coroutine[Any, Any, Done]:
        """Make a change; returns once it is durable.

        ``made`` is called in the loop once the change is made, also where the caller is cancelled meanwhile and gets
        the cancellation instead of the result. It must not raise.

        Raises:
            Outdated: a record has another version than expected.
            IdTaken: an id belongs to other data.
            Conflict: a statement affected another number of rows.
            LogError: it failed, and ``stored`` says whether it is known to be made. See rule 5 for cancelling.
        """

    @property
    def is_writing(self) -> bool:
        """Whether a change waits for something that a busy loop delays, so that readers of history should pause."""
        return False

    @abstractmethod
    async def read(
        self, subject: str, after: int, limit: int, *, types: Collection[str] | None = None, until: int | None = None
    ) -> Page:
        """At most ``limit`` events of a subject after a number, up to ``until``; of these types only, where given.

        ``through`` of the page is the last number that was looked at: where fewer than ``limit`` rows came, it is
        ``until``, or the newest number of the log. A long run of other types may be looked at in several pages.
        """

    async def read_with_due(
        self,
        subject: str,
        after: int,
        limit: int,
        prefix: str,
        until: float,
        most: int,
        *,
        types: Collection[str] | None = None,
    ) -> tuple[Page, Mapping[str, Record]]:
        """What ``read`` and ``due`` return: each claim of a group asks for both.

        An engine where each of them is a way to a thread, or to a server, may override it to ask for both at once.
        """
        page = await self.read(subject, after, limit, types=types)
        return page, await self.due(prefix, until, most)

    async def read_when_back(
        self, subject: str, after: int, limit: int, *, types: Collection[str] | None = None
    ) -> Page:
        """As ``read``, for a reader that goes on by itself: while the server is away, it waits."""
        while True:
            try:
                return await self.read(subject, after, limit, types=types)
            except Away:
                pass

    async def read_wanted(
        self, subject: str, after: int, limit: int, wanted: Wanted, *, until: int | None = None
    ) -> Page:
        """As ``read``; what ``wanted`` says nobody wants may be left out, and must be counted as looked at.

        Whoever reads asks each event again: too many rows do no harm, and one too few is lost.
        """
        return await self.read(subject, after, limit, types=wanted.types, until=until)

    async def read_wanted_when_back(self, subject: str, after: int, limit: int, wanted: Wanted) -> Page:
        """As ``read_wanted``, for a reader that goes on by itself: while the server is away, it waits."""
        while True:
            try:
                return await self.read_wanted(subject, after, limit, wanted)
            except Away:
                pass

    async def wait_for_wanted(self, mark: int, subject: str, wanted: Wanted) -> int:  # noqa: ARG002 -- it may wake for others, too
        """As ``wait``, for new events of a subject of which ``wanted`` says what may be left out."""
        return await self.wait(mark, (subject,))

    @abstractmethod
    async def end(self, subject: str) -> int:
        """The number of the subject's newest event, even if it was removed since; 0 where there was none."""

    @abstractmethod
    async def place(self, subject: str, time: int) -> int:
        """The number before the subject's first event at or after a time (microseconds since 1970)."""

    @abstractmethod
    async def floor(self, subject: str) -> int:
        """Everything of the subject up to this number may have been removed by retention."""

    @abstractmethod
    async def older_than(self, subject: str, events: int) -> int:
        """The number of the newest event that is older than this many others of the subject; 0 where none is."""

    @abstractmethod
    async def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool = False) -> int:
        """Remove at most ``limit`` events up to a number, the oldest first; returns how many.

        With ``keep_newest_of_keys`` an event stays as long as no newer one has its key.
        """

    @abstractmethod
    async def load(self, keys: Collection[str] = (), *, prefix: str | None = None) -> Mapping[str, Record]:
        """The records with these keys, and those whose key begins with ``prefix``, sorted by key."""

    async def load_some(self, prefix: str, after: str, limit: int) -> Mapping[str, Record]:
        """At most ``limit`` of the records whose key begins with ``prefix``, those behind the key ``after``, by key.

        An engine that can read a part of them does, so that memory does not follow their number.
        """
        found = await self.load(prefix=prefix)
        return dict(islice(((key, record) for key, record in found.items() if key > after), limit))

    @abstractmethod
    async def due(self, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
        """At most ``limit`` records whose key begins with ``prefix``, due until then, in the order of their times."""

    @abstractmethod
    async def next_due(self, prefix: str) -> float | None:
        """When the next record whose key begins with ``prefix`` is due; None where none is."""

    @abstractmethod
    def mark(self) -> int:
        """A number that grows whenever something may have changed in the log, by whomever. Does not wait."""

    @abstractmethod
    async def wait(self, mark: int, /, about: Collection[str] = ()) -> int:
        """Wait until the mark is another one than this, and return that. Cancelling changes nothing.

        ``about`` says for what, as ``Change.topics`` does: the names of subjects, the keys of records, and the kinds of
        records that become due. An engine may wake for other changes, too; without it, it wakes for all.
        """

    def turn(self, name: str, /) -> AbstractAsyncContextManager[None]:  # noqa: ARG002 -- for engines that have turns
        """A block in which others that ask for this name wait: what they would decide meanwhile would be outdated.

        It only saves work: an engine may let several in, and the wait is short whatever the others do.
        """
        return nullcontext()

    @abstractmethod
    def begin(self, group: str, seqs: Sequence[int], /) -> Sequence[int]:
        """Note, before this returns, that events are handed to a handler; returns a mark for each, for ``settled``.

        Cheap, and does not wait. What was noted is found in the ``Pulse`` of this member, after its death too.
        """

    @abstractmethod
    def settled(self, marks: Sequence[int], /) -> None:
        """Take these marks back: what was begun with them is settled. Cheap, and does not wait."""

    @abstractmethod
    def beat(self) -> None:
        """Say that this member lives. From any thread; cheap."""

    @abstractmethod
    async def pulses(self, members: Collection[str], /) -> Mapping[str, Pulse]:
        """What is known of these members; one that nobody knows is not alive, and has begun nothing."""

    @abstractmethod
    def clock(self) -> float:
        """The lease clock: seconds that nobody steps, the same for all members of this machine."""

    @abstractmethod
    def wall(self) -> float:
        """The wall clock: seconds since 1970."""

    @abstractmethod
    async def subjects(self) -> Sequence[str]:
        """The names of the subjects that have, or had, events, sorted."""

    @abstractmethod
    async def size(self) -> Size:
        """How much is stored."""
