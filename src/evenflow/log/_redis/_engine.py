"""RedisEngine: a log on a Redis or Valkey server, which processes on several machines may have open.

What the loop asks goes through a pump (``_pump``); nothing here talks to the server but through one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, ClassVar, Final, Literal

from evenflow._errors import Unsupported
from evenflow.log._member_engine import MemberEngine
from evenflow.log._stored import Change, Done, Lineage, Page, Pulse, Record, Size

from . import _queries
from ._address import Address
from ._commits import Commit
from ._opening import Opening, Settings

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Mapping, Sequence

    from evenflow._loop import RunningLoop

KEEP_IDS: Final = timedelta(days=7)
LOOKED_AT: Final = 1_000
"""How many events are looked at in one question, where they must be counted."""


def _nothing(_: bool) -> None:
    """Nobody needs to hear of it."""


class RedisEngine(MemberEngine[Opening]):
    """A log on a server.

    Args:
        url: where the server is.
        log: the name of the log, which its keys have.
        durability: ``"power"`` refuses a server that does not write each change to its disk.
        keep_ids: how long the ids that publishers gave are known.
        publish_timeout: seconds that anything may take.
        on_connected: is told, in the loop, whether the server can be reached.
    """

    client: ClassVar[str] = "redis-py"

    def __init__(
        self,
        url: str,
        log: str = "log",
        *,
        durability: Literal["power", "server"] = "server",
        keep_ids: timedelta = KEEP_IDS,
        publish_timeout: float = 30.0,
        on_connected: Callable[[bool], object] = _nothing,
    ) -> None:
        if durability not in {"power", "server"}:
            raise ValueError(f"durability must be 'power' or 'server', not {durability!r}")
        if keep_ids < timedelta(0):
            raise ValueError(f"keep_ids must not be negative, and is {keep_ids}")
        if not publish_timeout > 0:
            raise ValueError(f"publish_timeout must be more than 0 seconds, not {publish_timeout}")
        self._settings = Settings(Address(url), log, durability, keep_ids, publish_timeout, on_connected)
        super().__init__(self._settings.name)

    def _learn(self, lineages: Sequence[Lineage]) -> None:
        """These are the lines of history; a new one may begin while the log is open."""
        self.lineages = lineages

    def _make(self, loop: RunningLoop) -> Opening:
        return Opening(self._settings, loop, self._learn, creates=self.creates)

    # ------------------------------------------------------------------ changes

    async def commit(self, change: Change, /, *, made: Callable[[Done], object] | None = None) -> Done:
        """Make a change; see ``Engine.commit``."""
        done: Done = await self._opened().commits.do(Commit(change, made))
        return done

    async def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool = False) -> int:
        """Remove the oldest events up to a number.

        Raises:
            Unsupported: the newest of each key are to be kept.
        """
        if keep_newest_of_keys:
            raise Unsupported("a stream of Redis cannot keep the newest event of each key", missing=("last_by",))
        opening = self._opened()
        removed: int = await opening.reads.do(_queries.trim(opening.names, subject, through, limit))
        if removed:
            opening.marks.changed()
        return removed

    # ------------------------------------------------------------------ reading

    async def read(
        self, subject: str, after: int, limit: int, *, types: Collection[str] | None = None, until: int | None = None
    ) -> Page:
        """A page of a subject's events."""
        opening = self._opened()
        page: Page = await opening.reads.do(
            _queries.read(opening.names, opening.reads.note, subject, after, limit, types, until)
        )
        return page

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
        """A page of a subject's events, and the records that are due until then: one question."""
        opening = self._opened()
        read = _queries.read(opening.names, opening.reads.note, subject, after, limit, types, None)
        due = _queries.due(opening.names, prefix, until, most)
        records, page = await opening.reads.do(_queries.both(due, read))
        return page, records

    async def end(self, subject: str) -> int:
        """The number of the newest event."""
        opening = self._opened()
        number: int = await opening.reads.do(_queries.end(opening.names, subject))
        return number

    async def place(self, subject: str, time: int) -> int:
        """The number before the first event at or after a time."""
        opening = self._opened()
        number: int = await opening.reads.do(_queries.place(opening.names, subject, time))
        return number

    async def floor(self, subject: str) -> int:
        """Up to where events may have been removed."""
        opening = self._opened()
        number: int = await opening.reads.do(_queries.floor(opening.names, subject))
        return number

    async def older_than(self, subject: str, events: int) -> int:
        """The number of the newest event with as many newer ones: the oldest are counted, which are few."""
        opening = self._opened()
        rest: int = await opening.reads.do(_queries.length(opening.names, subject)) - events
        last = 0
        while rest > 0:
            query = _queries.nth(opening.names, subject, last, min(rest, LOOKED_AT))
            found, last_found = await opening.reads.do(query)
            if not found:
                break
            rest, last = rest - found, last_found
        return last

    async def subjects(self) -> Sequence[str]:
        """The names of the subjects, sorted."""
        opening = self._opened()
        found: Sequence[str] = await opening.reads.do(_queries.subjects(opening.names))
        return found

    async def load(self, keys: Collection[str] = (), *, prefix: str | None = None) -> Mapping[str, Record]:
        """Records by key or prefix."""
        opening = self._opened()
        if not keys and prefix is None:
            return {}
        records: Mapping[str, Record] = await opening.reads.do(_queries.load(opening.names, keys, prefix))
        return records

    async def due(self, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
        """The records that are due until then, the earliest first."""
        opening = self._opened()
        records: Mapping[str, Record] = await opening.reads.do(_queries.due(opening.names, prefix, until, limit))
        return records

    async def next_due(self, prefix: str) -> float | None:
        """When the next record is due."""
        opening = self._opened()
        when: float | None = await opening.reads.do(_queries.next_due(opening.names, prefix))
        return when

    async def size(self) -> Size:
        """How much is stored; ``bytes`` is what the server says of its memory, worked out from samples."""
        opening = self._opened()
        subjects = await self.subjects()
        if not subjects:
            return Size(0, 0)
        size: Size = await opening.reads.do(_queries.size(opening.names, subjects))
        return size

    # ------------------------------------------------------------------ members

    async def pulses(self, members: Collection[str], /) -> Mapping[str, Pulse]:
        """What is known of these members: one that was heard of lately lives; of a silent one that is not known."""
        opening = self._opened()
        if not members:
            return {}
        pulses: Mapping[str, Pulse] = await opening.reads.do(opening.members.pulses(tuple(members)))
        return pulses
