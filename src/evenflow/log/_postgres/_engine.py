"""PostgresEngine: a log in a schema of a PostgreSQL database.

Rule 1: what runs between open and close is one object, ``Opening``; each opening is a member of its own.
Rule 2: everything that waits is bounded by ``patience`` seconds, and ends in ``LogError``.
Rule 3: it is asyncio's alone: on trio opening it is refused.
"""

from __future__ import annotations

import asyncio
import os
import re
from collections import deque
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from evenflow._errors import LogError, Unsupported
from evenflow._fork import forget_in_child
from evenflow.log._engine import Engine
from evenflow.log._stored import Change, Done, Lineage, Page, Pulse, Record, Size

from . import _queries
from ._changes import Writer, outlast
from ._connections import Connections, described
from ._driver import LOST, PostgresError
from ._pulse import PulseThread, pulses
from ._schema import prepare, quoted

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
    from datetime import timedelta

    from ._prepared import Session

REMEMBERED: Final = 64
"""Changes whose topics are known: whoever has missed more looks."""
_SCHEMA: Final = re.compile(r"[a-z_][a-z0-9_]{0,62}")


class Opening:
    """What runs between open and close."""

    def __init__(self, engine: PostgresEngine) -> None:
        self.loop = asyncio.get_running_loop()
        self.process = os.getpid()
        self.member = uuid4().hex
        self.mark = 0
        self._recent: deque[Collection[str] | None] = deque(maxlen=REMEMBERED)
        """The topics of the newest changes, one for each mark; None for anything."""
        self._sleepers: dict[asyncio.Future[None], Collection[str]] = {}
        self._ended: LogError | None = None
        self.connections = Connections(engine.dsn, engine.options, engine.patience, engine.tell_connected)
        keep_ids = round(engine.keep_ids.total_seconds() * 1e6)
        self.writer = Writer(
            self.connections, engine.schema, self.member, keep_ids, to_disk=engine.to_disk, changed=self.note_change
        )
        self.pulse = PulseThread(
            self.connections,
            engine.schema,
            self.member,
            keep_ids,
            to_disk=engine.to_disk,
            changed=self._note_change_from_thread,
        )

    def _note_change_from_thread(self) -> None:
        try:
            self.loop.call_soon_threadsafe(self.note_change)
        except RuntimeError:  # the loop has ended without closing the log: nobody waits any more
            self.pulse.stop()

    def note_change(self, topics: Collection[str] | None = None) -> None:
        """Something of these topics has changed, or anything may have: whoever waits for that goes on."""
        self.mark += 1
        self._recent.append(topics)
        for sleeper, about in [*self._sleepers.items()]:
            if _concerns(topics, about) and not sleeper.done():
                sleeper.set_result(None)

    async def wait(self, mark: int, about: Collection[str]) -> int:
        """Wait until the mark is another, because of something of these topics, or of anything."""
        if self._ended is None and not self._is_news(mark, about):
            sleeper = self.loop.create_future()
            self._sleepers[sleeper] = about
            try:
                await sleeper
            finally:
                del self._sleepers[sleeper]
        if self._ended is not None:
            raise self._ended.with_traceback(None)
        return self.mark

    def _is_news(self, mark: int, about: Collection[str]) -> bool:
        """Whether something of these topics has changed since the mark was this."""
        since = self.mark - mark
        if since > len(self._recent):
            return True
        return any(_concerns(self._recent[-place], about) for place in range(1, since + 1))

    async def close(self) -> None:
        """Finish what was handed over, and let go of the server."""
        self._ended = LogError(f"the log at {self.connections.shown} is closed; open it first")
        self.note_change()
        await self.writer.close()
        await self.pulse.close()
        await self.connections.close()


def _concerns(topics: Collection[str] | None, about: Collection[str]) -> bool:
    return topics is None or not about or any(topic in topics for topic in about)


class PostgresEngine(Engine):
    """A log in a schema of a database.

    Args:
        dsn: the server's address, as asyncpg takes it.
        schema: where the log's tables lie.
        keep_ids: how long the ids that publishers gave are known.
        patience: seconds that anything waits for the server.
        to_disk: whether a commit waits for the server's disk.
        options: for asyncpg.connect.
        tell_connected: called with whether the server is reached.
    """

    def __init__(
        self,
        dsn: str,
        *,
        schema: str,
        keep_ids: timedelta,
        patience: float,
        to_disk: bool,
        options: dict[str, Any],
        tell_connected: Callable[[bool], object] = lambda _: None,
    ) -> None:
        if not _SCHEMA.fullmatch(schema):
            raise ValueError(f"schema must be small letters, digits and _, at most 63, and not {schema!r}")
        self.dsn = dsn
        self.schema = schema
        self.keep_ids = keep_ids
        self.patience = patience
        self.to_disk = to_disk
        self.options = options
        self.tell_connected = tell_connected
        self.member: str = ""
        self.lineages: Sequence[Lineage] = ()
        self._opening: Opening | None = None
        forget_in_child(self)

    def _forked(self) -> None:
        """In a child process the sockets are the parent's: they are left alone."""

    def opened(self) -> Opening:
        """The present opening.

        Raises:
            LogError: it is not open here.
        """
        opening = self._opening
        if opening is None:
            raise LogError("the log is not open; open it first")
        if opening.process != os.getpid():
            raise LogError(
                f"the log was opened in process {opening.process}, of which this one is a fork: open it here anew"
            )
        return opening

    async def open(self) -> None:
        """Connect, and make the tables if there are none.

        Raises:
            Absent: there is no log in the schema, and ``creates`` is False.
            LogError: the server cannot be reached, or is too old; the message says which.
            Unsupported: the loop is trio's.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            raise Unsupported("a log in PostgreSQL needs asyncio: its client, asyncpg, does not run on trio") from None
        opening = Opening(self)
        sessions: list[Session] = []
        try:
            sessions.append(reading := await opening.connections.connect())
            sessions.append(writing := await opening.connections.connect())
            async with asyncio.timeout(self.patience), reading.connection.transaction():
                self.lineages = await self._prepare(opening, reading.connection)
            await opening.writer.start(writing)
            opening.connections.put(reading)  # whoever reads or publishes first does not wait for one
        except BaseException as error:
            for session in sessions:
                session.connection.terminate()
            if isinstance(error, (PostgresError, *LOST)):
                shown = opening.connections.shown
                failed = LogError(f"{shown} cannot be opened: {described(error)}", stored=False)
                raise failed from error  # noqa: ASYNC104 -- a cancellation is none of these
            raise
        self.member = opening.member
        opening.pulse.start()
        self._opening = opening
        self.tell_connected(True)

    async def _prepare(self, opening: Opening, connection: Any) -> Sequence[Lineage]:
        lineages = await prepare(connection, self.schema, opening.connections.shown, creates=self.creates)
        opening.pulse.set_clock(await connection.fetchval("SELECT extract(epoch FROM clock_timestamp())::float8"))
        return lineages

    async def close(self) -> None:
        """Finish what was handed over, and let go of the server; in a forked child, and the second time, do nothing."""
        opening, self._opening = self._opening, None
        if opening is None or opening.process != os.getpid():
            return
        closing = asyncio.ensure_future(opening.close())
        if await outlast(closing):
            raise asyncio.CancelledError
        closing.result()

    async def _ask(self, query: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
        schema = quoted(self.schema)
        return await self.opened().connections.read(lambda session: query(session, schema, *arguments))

    # ------------------------------------------------------------------ changes

    def commit(self, change: Change, /, *, made: Callable[[Done], object] | None = None) -> Any:
        """Make a change; see ``Engine.commit``."""
        return self.opened().writer.commit(change, made)  # not awaited here: each coroutine is a step for each event

    async def trim(self, subject: str, through: int, limit: int, *, keep_newest_of_keys: bool = False) -> int:
        """Remove the oldest events up to a number."""
        removed: int = await self._ask(_queries.trim, subject, through, limit, keep_newest_of_keys)
        if removed:
            self.opened().note_change()
        return removed

    # ------------------------------------------------------------------ reading

    async def read(
        self, subject: str, after: int, limit: int, *, types: Collection[str] | None = None, until: int | None = None
    ) -> Page:
        """A page of a subject's events."""
        page: Page = await self._ask(_queries.read, subject, after, limit, types, until)
        return page

    async def read_with_due(
        self, subject: str, after: int, limit: int, prefix: str, until: float, most: int, *,
        types: Collection[str] | None = None,
    ) -> tuple[Page, Mapping[str, Record]]:  # fmt: skip
        """Both in one round trip, and of one moment."""
        found: tuple[Page, Mapping[str, Record]] = await self._ask(
            _queries.read_with_due, subject, after, limit, types, prefix, until, most
        )
        return found

    async def end(self, subject: str) -> int:
        """The number of the newest event."""
        found: int = await self._ask(_queries.number, "last", subject)
        return found

    async def floor(self, subject: str) -> int:
        """Up to where events may have been removed."""
        found: int = await self._ask(_queries.number, "floor", subject)
        return found

    async def place(self, subject: str, time: int) -> int:
        """The number before the first event at or after a time."""
        found: int = await self._ask(_queries.place, subject, time)
        return found

    async def older_than(self, subject: str, events: int) -> int:
        """The number of the newest event with as many newer ones."""
        found: int = await self._ask(_queries.older_than, subject, events)
        return found

    async def subjects(self) -> Sequence[str]:
        """The names of the subjects, sorted."""
        found: Sequence[str] = await self._ask(_queries.subjects)
        return found

    async def size(self) -> Size:
        """How much is stored."""
        found: Size = await self._ask(_queries.size)
        return found

    async def load(self, keys: Collection[str] = (), *, prefix: str | None = None) -> Mapping[str, Record]:
        """Records by key or prefix."""
        records: Mapping[str, Record] = await self._ask(_queries.load, keys, prefix)
        return records

    async def due(self, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
        """The records that are due until then, the earliest first."""
        records: Mapping[str, Record] = await self._ask(_queries.due, prefix, until, limit)
        return records

    async def next_due(self, prefix: str) -> float | None:
        """When the next record is due."""
        when: float | None = await self._ask(_queries.next_due, prefix)
        return when

    # ------------------------------------------------------------------ waiting

    def mark(self) -> int:
        """A number that grows with each change."""
        return self.opened().mark

    async def wait(self, mark: int, /, about: Collection[str] = ()) -> int:
        """Wait until the mark is another one; another process's change is noticed within 50 ms, and wakes all."""
        return await self.opened().wait(mark, about)

    # ------------------------------------------------------------------ members

    def begin(self, group: str, seqs: Sequence[int], /) -> Sequence[int]:
        """Note that events are handed over: the server hears of it within 50 ms."""
        return self.opened().pulse.begin(group, seqs)

    def settled(self, marks: Sequence[int], /) -> None:
        """Take marks back; the server hears of it within 50 ms."""
        if self._opening is not None:
            self._opening.pulse.settled(marks)

    def beat(self) -> None:
        """Say that this member lives; the server hears of it within 50 ms."""
        if self._opening is not None:
            self._opening.pulse.beat()

    async def pulses(self, members: Collection[str], /) -> Mapping[str, Pulse]:
        """What is known of these members."""
        found: dict[str, Pulse] = dict(await self._ask(pulses, members))
        opening = self.opened()
        if opening.member in found:  # the server hears of what this process does a little later
            found[opening.member] = Pulse(alive=True, at=self.clock(), begun=opening.pulse.begun())
        return found

    def clock(self) -> float:
        """The server's clock, the same for all members."""
        return self.opened().pulse.clock()

    def wall(self) -> float:
        """The same: seconds since 1970, at the server."""
        return self.opened().pulse.clock()
