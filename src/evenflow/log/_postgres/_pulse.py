"""Pulse: a thread with a loop and a connection of its own, which goes on while the application's loop is blocked.

Every ``LOOK`` seconds, in one statement, it looks whether anybody has committed and what time it is at the server.
When something is to be said it says that this process lives, and what its handlers have begun; when rows wait in the
outbox it moves them into the log; and now and then it removes ids whose time is over.

The version of the records is taken before its commit can be seen. So while a transaction is under way that may have
taken the newest version, the mark goes on moving, for ``SETTLING`` seconds at most: who looked too early looks again.
"""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from time import monotonic
from typing import TYPE_CHECKING, Any, Final

from evenflow.log._begun import Begun
from evenflow.log._stored import Pulse as MemberPulse

from ._connections import described
from ._driver import LOST, PostgresError
from ._schema import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from ._connections import Connections
    from ._prepared import Session

LOOK: Final = 0.04
SETTLING: Final = 0.2
LONGEST_PAUSE: Final = 2.0
FORGOTTEN: Final = 7 * 86_400.0
"""Seconds after which a member is forgotten."""
OUTBOX: Final = 1_000
"""Rows of the outbox that are moved in one transaction."""

PRUNE: Final = 10.0
"""Seconds from one look for ids whose time is over to the next."""
PRUNED: Final = 1_000
"""Ids that are removed in one transaction; while there are more, the next follows at once."""

_QUESTION: Final = """
SELECT c.seq, CASE WHEN v.is_called THEN v.last_value ELSE 0 END AS version,
    extract(epoch FROM clock_timestamp())::float8 AS now,
    pg_snapshot_xmin(pg_current_snapshot())::text::bigint AS oldest,
    pg_snapshot_xmax(pg_current_snapshot())::text::bigint AS next,
    EXISTS (SELECT 1 FROM {s}.outbox WHERE refused IS NULL) AS waits
FROM {s}.counter c, {s}.version v
"""

# Nobody waits for the disk: it is old in a moment, and what is committed after it takes it along.
_SAY: Final = """
WITH quick AS MATERIALIZED (SELECT set_config('synchronous_commit', 'off', true))
INSERT INTO {s}.member (member, at, begun) SELECT $1, $2, $3 FROM quick
    ON CONFLICT (member) DO UPDATE SET at = excluded.at, begun = excluded.begun
"""

# Whoever holds an id takes it anew, and it stays: so this waits for nobody, and nobody deadlocks with it.
_PRUNE: Final = """
DELETE FROM {s}.dedup WHERE (subject, id) IN (SELECT subject, id FROM {s}.dedup
    WHERE until <= extract(epoch FROM clock_timestamp()) * 1e6 LIMIT $1 FOR UPDATE SKIP LOCKED)
"""

_log = logging.getLogger("evenflow.log")


class PulseThread:
    """What this process says to the server, and what it hears of others."""

    def __init__(
        self, connections: Connections, schema: str, member: str, keep_ids: int, *, to_disk: bool,
        changed: Callable[[], object],
    ) -> None:  # fmt: skip
        self._connections = connections
        self._schema = quoted(schema)
        self._member = member
        self._question = _QUESTION.format(s=self._schema)
        self._relay = (OUTBOX, keep_ids, to_disk)
        self._changed = changed
        self._ahead = 0.0
        self._beats = 0
        self._begun = Begun()
        self._lock = threading.Lock()
        self._said: tuple[int, str] | None = None
        self._seen: tuple[int, int] | None = None
        self._settled_at: int | None = None
        """The number of a transaction: once all before it are over, what was seen is all there."""
        self._moves_until = 0.0
        self._prune_at = 0.0
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._home: asyncio.AbstractEventLoop | None = None
        self._is_away = False

    # ------------------------------------------------------------------ from the application's side

    def set_clock(self, server: float) -> None:
        """It is this time at the server now."""
        self._ahead = server - monotonic()

    def clock(self) -> float:
        """The server's time, in seconds since 1970."""
        return monotonic() + self._ahead

    def beat(self) -> None:
        """Have it said that this member lives. From any thread."""
        self._beats += 1

    def begin(self, group: str, seqs: Sequence[int]) -> Sequence[int]:
        """Have it said that events were handed over; returns a mark for each."""
        with self._lock:
            return self._begun.begin(group, seqs)[1]

    def settled(self, marks: Sequence[int]) -> None:
        """Take marks back."""
        with self._lock:
            self._begun.settle(marks)

    def start(self) -> None:
        """Begin to look, until it is closed, or the loop that runs now has ended without closing it."""
        self._home = asyncio.get_running_loop()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), name="evenflow log pulse", daemon=True)
        self._thread.start()

    async def close(self) -> None:
        """Look no more; the server forgets this member."""
        self._stop.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            await asyncio.get_running_loop().run_in_executor(None, thread.join)

    def stop(self) -> None:
        """Look no more, and wait for nobody: the loop that it was started in has ended."""
        self._stop.set()

    # ------------------------------------------------------------------ in the thread

    async def _run(self) -> None:
        pause = LOOK
        session: Session | None = None
        while not self._is_over():
            try:
                if session is None:
                    session = await self._connections.connect()
                await self._look(session)
                self._note(None)
                pause = LOOK
            except (PostgresError, *LOST) as error:
                self._note(error)
                if session is not None:
                    session.connection.terminate()
                session, pause = None, min(LONGEST_PAUSE, 2 * pause)
            await asyncio.sleep(pause)
        if session is not None:
            await self._leave(session)

    def _is_over(self) -> bool:
        return self._stop.is_set() or self._home is None or self._home.is_closed()

    def _note(self, error: BaseException | None) -> None:
        away = error is not None
        if away != self._is_away:
            self._is_away = away
            if error is not None:
                _log.warning("the log at %s cannot be reached: %s", self._connections.shown, described(error))
            else:
                _log.info("the log at %s is reached again", self._connections.shown)
                self._changed()

    async def _look(self, session: Session) -> None:
        async with asyncio.timeout(self._connections.patience):
            before = monotonic()
            row = await session.fetchrow(self._question)
            self._ahead = row["now"] - (before + monotonic()) / 2
            await self._say(session, row["now"])
        self._hear(row)
        if row["waits"]:
            await self._move(session)
        if monotonic() >= self._prune_at:
            await self._prune(session.connection)

    async def _prune(self, connection: Any) -> None:
        """Remove ids whose time is over: one slice."""
        async with asyncio.timeout(self._connections.patience), connection.transaction():
            done: str = await connection.execute(_PRUNE.format(s=self._schema), PRUNED)
        if int(done.rpartition(" ")[2]) < PRUNED:
            self._prune_at = monotonic() + PRUNE

    def _hear(self, row: Any) -> None:
        seen = row["seq"], row["version"]
        if seen != self._seen:
            self._seen, self._settled_at, self._moves_until = seen, row["next"], monotonic() + SETTLING
        elif self._settled_at is None:
            return
        if row["oldest"] >= self._settled_at or monotonic() > self._moves_until:
            self._settled_at = None
        self._changed()

    async def _say(self, session: Session, now: float) -> None:
        with self._lock:
            begun = json.dumps(sorted(self._begun.events()))
        if (said := (self._beats, begun)) == self._said:
            return
        await session.fetch(_SAY.format(s=self._schema), self._member, now, begun)
        self._said = said

    async def _move(self, session: Session) -> None:
        while not self._stop.is_set():
            async with asyncio.timeout(self._connections.patience):
                done = await session.fetchrow(f"SELECT * FROM {self._schema}.relay($1, $2, $3)", *self._relay)
            if done["refused"] is not None:
                _log.error(
                    "an event in the outbox of %s has the id %r, which belongs to other data: it stays there, marked",
                    self._connections.shown,
                    done["refused"],
                )
            elif not done["moved"]:
                return
            self._changed()

    async def _leave(self, session: Session) -> None:
        """Say what was begun, and that this member is closed; those that were closed long ago are forgotten."""
        connection = session.connection
        try:
            async with asyncio.timeout(self._connections.patience):
                await self._say(session, self.clock())
                async with connection.transaction():
                    await connection.execute(
                        f"UPDATE {self._schema}.member SET closed = true WHERE member = $1", self._member
                    )
                    for table, old in (("member", "$1"), ("writer", "to_timestamp($1)")):
                        await connection.execute(
                            f"DELETE FROM {self._schema}.{table} WHERE at < {old}", self.clock() - FORGOTTEN
                        )
            await connection.close(timeout=1.0)
        except (PostgresError, *LOST):
            connection.terminate()

    def begun(self) -> frozenset[tuple[str, int]]:
        """What this process has begun."""
        with self._lock:
            return self._begun.events()


async def pulses(session: Session, schema: str, members: Iterable[str]) -> Mapping[str, MemberPulse]:
    """What is known of these members; that one lives is known by its beats alone."""
    wanted = list(members)
    query = f"SELECT member, at, begun, closed FROM {schema}.member WHERE member = ANY($1)"
    found = {
        row["member"]: MemberPulse(
            False if row["closed"] else None,
            row["at"],
            frozenset((group, seq) for group, seq in json.loads(row["begun"])),
        )
        for row in await session.fetch(query, wanted)
    }
    unknown = MemberPulse(alive=False, at=float("-inf"), begun=frozenset())
    return {member: found.get(member, unknown) for member in wanted}
