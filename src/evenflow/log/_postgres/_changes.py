"""Writer: one task that commits what has queued, several changes in one transaction.

    what is known of a commit            what is done
    the server never got it              it is made again on another connection, within the patience
    its answer was lost                  it is asked for: committed, or made again
    nobody can say                       ``Uncertain``

Each transaction leaves its number in the row of this writer: that is what is asked for. The server's own number of the
transaction says only that it is over, for a server that has crashed may give one number twice.

Rule 1: a change that was handed over is not withdrawn once its transaction has begun: whoever is cancelled waits for
        the outcome, and is cancelled then. Before that it is taken out of the queue.
Rule 2: one change that fails for a reason of its own fails alone: the others are made again without it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope

from evenflow._errors import Conflict, LogError, Uncertain
from evenflow.log._engine import ABSENT, Change, Done, IdTaken, Outdated

from ._connections import described
from ._driver import AGAIN, LOST, NEVER_BEGUN, PostgresError
from ._schema import quoted

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._connections import Connections

MOST_CHANGES: Final = 500
MOST_EVENTS: Final = 2_000
"""In one transaction."""
TRIES: Final = 20


class Job:
    """A change that is to be made, and what became of it."""

    __slots__ = ("begun", "change", "future", "made")

    def __init__(self, change: Change, made: Callable[[Done], object] | None, future: asyncio.Future[Done]) -> None:
        self.change = change
        self.made = made
        self.future = future
        self.begun: bool = False

    def succeed(self, done: Done) -> None:
        if self.made is not None:
            self.made(done)
        if not self.future.done():
            self.future.set_result(done)

    def fail(self, error: BaseException) -> None:
        if not self.future.done():
            self.future.set_exception(error)


class Writer:
    """Commits changes, as long as it runs."""

    def __init__(
        self, connections: Connections, schema: str, member: str, keep_ids: int, *, to_disk: bool,
        changed: Callable[[], object],
    ) -> None:  # fmt: skip
        self._connections = connections
        self._member = member
        self._number = 0
        """Of the newest transaction that was begun here."""
        self._schema = quoted(schema)
        self._keep_ids = keep_ids
        self._to_disk = to_disk
        self._changed = changed
        self._queue: deque[Job] = deque()
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._connection: Any = None

    def start(self) -> None:
        """Begin to commit what is handed over."""
        self._task = asyncio.get_running_loop().create_task(self._run(), name="evenflow log writer")

    async def commit(self, change: Change, made: Callable[[Done], object] | None) -> Done:
        """Make a change; see ``Engine.commit``."""
        if self._stopping or self._task is None:
            raise LogError(f"the log at {self._connections.shown} is closed; open it first", stored=False)
        job = Job(change, made, asyncio.get_running_loop().create_future())
        self._queue.append(job)
        self._arrived.set()
        try:
            return await asyncio.shield(job.future)
        except asyncio.CancelledError:
            if not job.begun and job in self._queue:
                self._queue.remove(job)
                job.future.cancel()
                raise
            await outlast(job.future)
            raise

    async def close(self) -> None:
        """Commit what was handed over, and end."""
        self._stopping = True
        self._arrived.set()
        if self._task is not None:
            await outlast(self._task)
            self._task = None
        if self._connection is not None:
            self._connection.terminate()

    async def _run(self) -> None:
        while self._queue or not self._stopping:
            if not self._queue:
                self._arrived.clear()
                await self._arrived.wait()
                continue
            jobs = self._take()
            try:
                await self._make(jobs)
            except Exception as error:  # noqa: BLE001 -- whoever waits for it gets it
                for job in jobs:
                    job.fail(error)

    def _take(self) -> list[Job]:
        jobs: list[Job] = []
        events = 0
        while self._queue and len(jobs) < MOST_CHANGES and events < MOST_EVENTS:
            job = self._queue.popleft()
            job.begun = True
            events += len(job.change.appends)
            jobs.append(job)
        return jobs

    # ------------------------------------------------------------------ one transaction

    async def _make(self, jobs: list[Job]) -> None:
        """Make these changes; those that are refused hear of it, and the others are made."""
        merged = _merged(jobs)
        try:
            await self._transact(merged)
        except _Alone as alone:
            if len(jobs) == 1:
                jobs[0].fail(alone.error)
                return
            for job in jobs:  # one of them has failed all: each by itself
                await self._make([job])

    async def _transact(self, groups: list[list[Job]]) -> None:
        for _ in range(TRIES):
            try:
                outcomes = await self._connections.insist(lambda: self._once(groups))
            except _Again:
                continue
            if any(outcome["outcome"] == "ok" for outcome in outcomes):
                self._changed()
            for group, outcome in zip(groups, outcomes, strict=True):
                _tell(group, outcome)
            return
        raise LogError(f"{self._connections.shown}: others have changed the same records again and again", stored=False)

    async def _once(self, groups: list[list[Job]]) -> list[Any]:
        """One transaction: raises what says that it may be made again, or ``_Alone``, or returns what was committed."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connections.connect()
        connection = self._connection
        outcomes: list[Any] = []
        self._number += 1
        try:
            async with asyncio.timeout(self._connections.patience):
                await connection.execute("BEGIN")
                outcomes.extend([await self._call(connection, group) for group in groups])
        except AGAIN as error:
            await self._roll_back(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise _Again from error
        except LOST:
            self._let_go()
            raise
        except (PostgresError, Conflict, ValueError, TypeError, OverflowError) as error:
            await self._roll_back(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise _Alone(_as_log_error(error, self._connections.shown)) from error
        await self._finish(connection, outcomes)
        return outcomes

    async def _finish(self, connection: Any, outcomes: list[Any]) -> None:
        row = (
            f"INSERT INTO {self._schema}.writer (member, made) VALUES ('{self._member}', {self._number})"
            " ON CONFLICT (member) DO UPDATE SET made = excluded.made, at = now()"
        )
        try:
            async with asyncio.timeout(self._connections.patience):
                await connection.execute(f"{row}; COMMIT")
        except AGAIN as error:
            await self._roll_back(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise _Again from error
        except LOST as error:
            self._let_go()
            await self._find_out(outcomes[-1]["xid"], error)
        except PostgresError as error:  # a deferred constraint of the application's own tables
            await self._roll_back(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise _Alone(_as_log_error(error, self._connections.shown)) from error

    async def _find_out(self, xid: str, lost: BaseException) -> None:
        """The answer to a commit was lost: ask what became of it; returns where it was committed.

        Raises:
            _Again: it was not.
            Uncertain: nobody can be asked.
        """
        try:
            await self._connections.read(lambda connection: _until_over(connection, xid))
            query = f"SELECT made FROM {self._schema}.writer WHERE member = $1"
            made: int | None = await self._connections.read(lambda asked: asked.fetchval(query, self._member))
        except LogError as error:
            raise Uncertain(
                f"{self._connections.shown} was lost while it committed ({described(lost)}), and cannot be asked what"
                " became of it; publish again with the same id, and it is there once"
            ) from error
        if made != self._number:
            raise _Again

    async def _roll_back(self, connection: Any) -> None:
        try:
            async with asyncio.timeout(self._connections.patience):
                await connection.execute("ROLLBACK")
        except (PostgresError, *LOST):
            self._let_go()

    def _let_go(self) -> None:
        if self._connection is not None:
            self._connection.terminate()
            self._connection = None

    async def _call(self, connection: Any, group: list[Job]) -> Any:
        changes = [job.change for job in group]
        found = await connection.fetchrow(
            f"SELECT * FROM {self._schema}.change($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15,"
            " $16, $17, $18, $19, $20, $21, $22)",
            *_arguments(changes),
            self._keep_ids,
            self._to_disk,
        )
        if found["outcome"] == "ok":
            for statement in (statement for change in changes for statement in change.statements):
                status: str = await connection.execute(statement.sql, *_positional(statement.parameters))
                count = int(status.rsplit(" ", 1)[-1])
                if statement.rows is not None and count != statement.rows:
                    raise Conflict(
                        f"a statement affected {count} rows, not {statement.rows}; nothing is done: {statement.sql}"
                    )
        return found


async def _until_over(connection: Any, xid: str) -> None:
    """Raise, so that it is asked again, while a transaction is under way."""
    try:
        status: str | None = await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", xid)
    except NEVER_BEGUN:  # the server has crashed, and forgot that it gave this number
        return
    if status == "in progress":
        raise OSError("the server has not noticed yet that the connection was lost")


class _Again(Exception):
    """The transaction was not made, and may be begun anew."""


class _Alone(Exception):
    """A change has failed, and all others of its transaction with it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _merged(jobs: list[Job]) -> list[list[Job]]:
    """Neighbours that only append events without ids are one call; each other change is a call of its own."""
    groups: list[list[Job]] = []
    was_plain = False
    for job in jobs:
        change = job.change
        others = (change.expect, change.puts, change.deletes, change.reserves, change.frees, change.statements)
        plain = not any(others) and all(append.id is None for append in change.appends)
        if plain and was_plain:
            groups[-1].append(job)
        else:
            groups.append([job])
        was_plain = plain
    return groups


def _tell(group: list[Job], outcome: Any) -> None:
    if outcome["outcome"] == "outdated":
        group[0].fail(Outdated(outcome["detail"]))
        return
    if outcome["outcome"] == "taken":
        subject, name, scheduled = outcome["detail"]
        group[0].fail(IdTaken(subject, name, scheduled=scheduled == "true"))
        return
    seqs: list[int] = outcome["seqs"]
    begin = 0
    for job in group:
        end = begin + len(job.change.appends)
        job.succeed(Done(seqs[begin:end], dict.fromkeys(job.change.puts, int(outcome["put_version"] or 0))))
        begin = end


def _arguments(changes: list[Change]) -> list[Any]:
    first = changes[0]
    appends = [append for change in changes for append in change.appends]
    puts, expect = first.puts, first.expect
    return [
        list(expect),
        [0 if version == ABSENT else version for version in expect.values()],
        list(puts),
        [put.value for put in puts.values()],
        [put.due for put in puts.values()],
        list(first.deletes),
        [append.subject for append in appends],
        [append.type for append in appends],
        [append.version for append in appends],
        [append.data.decode() for append in appends],
        [json.dumps(dict(append.headers)) if append.headers else None for append in appends],
        [append.id for append in appends],
        [append.digest for append in appends],
        [append.key for append in appends],
        [append.scheduled for append in appends],
        [reserve.subject for reserve in first.reserves],
        [reserve.id for reserve in first.reserves],
        [reserve.digest for reserve in first.reserves],
        [subject for subject, _ in first.frees],
        [name for _, name in first.frees],
    ]


def _positional(parameters: Any) -> tuple[Any, ...]:
    if isinstance(parameters, dict):
        raise TypeError(
            "a statement for PostgreSQL has numbered placeholders, $1 and $2; give its parameters as a tuple"
        )
    return tuple(parameters)


def _as_log_error(error: BaseException, shown: str) -> BaseException:
    if isinstance(error, PostgresError):
        return LogError(f"{shown} refused: {described(error)}", stored=False)
    return error


async def outlast(future: asyncio.Future[Any]) -> bool:
    """Wait for a future, whatever happens to the one who waits; its outcome is for others.

    Returns whether whoever waits was cancelled meanwhile, by ``task.cancel()``: anyio's scopes say that by themselves.
    """
    interrupted = False
    with CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:  # noqa: ASYNC103 -- returned: the caller raises it
                interrupted = True
    if not future.cancelled():
        future.exception()
    return interrupted
