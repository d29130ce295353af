"""Writer: one task that commits what has queued, several changes in one transaction.

    what is known of a commit            what is done
    the server never got it              it is made again on another connection, within the patience
    its answer was lost                  it is asked for: committed, or made again
    nobody can say                       ``Uncertain``

Each transaction leaves its number in the row of this writer, with its first change: that is what is asked for. Whoever
asks waits until the lost transaction is over, for it holds the row; and where the number is not there, leaves the next
one, so that a transaction that the server begins late is refused: it may have been made again.

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
from ._driver import AGAIN, LOST, UNPREPARED, PostgresError
from ._prepared import Prepared
from ._schema import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._connections import Connections

MOST_CHANGES: Final = 500
MOST_EVENTS: Final = 2_000
"""In one transaction."""
TRIES: Final = 20
ARGUMENTS: Final = 24
"""Of ``change()``."""


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
        changed: Callable[[set[str]], object],
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
        places = ", ".join(f"${place}" for place in range(1, ARGUMENTS + 1))
        self._change = Prepared(f"SELECT * FROM {self._schema}.change({places})")

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
            made = [job for group, outcome in outcomes if outcome["outcome"] == "ok" for job in group]
            if made:
                self._changed({topic for job in made for topic in job.change.topics()})
            for group, outcome in outcomes:
                _tell(group, outcome)
            return
        raise LogError(f"{self._connections.shown}: others have changed the same records again and again", stored=False)

    async def _once(self, groups: list[list[Job]]) -> list[tuple[list[Job], Any]]:
        """One transaction: raises what says that it may be made again, or ``_Alone``, or returns what was committed."""
        if self._connection is None or self._connection.is_closed():
            self._connection = await self._connections.connect()
        connection = self._connection
        outcomes: list[tuple[list[Job], Any]] = []
        self._number += 1
        try:
            async with asyncio.timeout(self._connections.patience):
                await connection.execute("BEGIN")
                waiting = deque(groups)
                while waiting:
                    group = waiting.popleft()
                    found = await self._call(connection, group, None if outcomes else self._number)
                    if found["outcome"] == "taken" and len(group) > 1:  # one id of theirs: each by itself
                        waiting.extendleft([job] for job in reversed(group))
                    outcomes.append((group, found))
        except (*AGAIN, *UNPREPARED) as error:
            await self._roll_back(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise _Again from error
        except LOST:
            self._let_go()
            raise
        except (PostgresError, Conflict, ValueError, TypeError, OverflowError) as error:
            await self._roll_back(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise _Alone(_as_log_error(error, self._connections.shown)) from error
        await self._finish(connection)
        return [(group, found) for group, found in outcomes if found["outcome"] != "taken" or len(group) == 1]

    async def _finish(self, connection: Any) -> None:
        try:
            async with asyncio.timeout(self._connections.patience):
                await connection.execute("COMMIT")
        except AGAIN as error:
            await self._roll_back(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise _Again from error
        except LOST as error:
            self._let_go()
            await self._find_out(error)
        except PostgresError as error:  # a deferred constraint of the application's own tables
            await self._roll_back(connection)  # noqa: ASYNC120 -- cancelled, that goes out
            raise _Alone(_as_log_error(error, self._connections.shown)) from error

    async def _find_out(self, lost: BaseException) -> None:
        """The answer to a commit was lost: ask what became of it; returns where it was committed.

        Raises:
            _Again: it was not.
            Uncertain: nobody can be asked.
        """
        query = (
            f"INSERT INTO {self._schema}.writer AS w (member, made) VALUES ($1, $2 + 1) ON CONFLICT (member) DO UPDATE"
            " SET made = CASE WHEN w.made = $2 THEN w.made ELSE excluded.made END RETURNING made"
        )
        lost_number, self._number = self._number, self._number + 1

        async def ask(connection: Any) -> int:
            try:
                found: int = await connection.fetchval(query, self._member, lost_number)
            except AGAIN as error:
                raise OSError("the lost transaction ended meanwhile") from error
            return found

        try:
            made = await self._connections.read(ask)
        except LogError as error:
            raise Uncertain(
                f"{self._connections.shown} was lost while it committed ({described(lost)}), and cannot be asked what"
                " became of it; publish again with the same id, and it is there once"
            ) from error
        if made != lost_number:
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

    async def _call(self, connection: Any, group: list[Job], number: int | None) -> Any:
        changes = [job.change for job in group]
        arguments = self._member, number, *_arguments(changes), self._keep_ids, self._to_disk
        found = await self._change.fetchrow(connection, *arguments)
        if found["outcome"] == "ok":
            for statement in (statement for change in changes for statement in change.statements):
                status: str = await connection.execute(statement.sql, *_positional(statement.parameters))
                count = int(status.rsplit(" ", 1)[-1])
                if statement.rows is not None and count != statement.rows:
                    raise Conflict(
                        f"a statement affected {count} rows, not {statement.rows}; nothing is done: {statement.sql}"
                    )
        return found


class _Again(Exception):
    """The transaction was not made, and may be begun anew."""


class _Alone(Exception):
    """A change has failed, and all others of its transaction with it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


def _merged(jobs: list[Job]) -> list[list[Job]]:
    """Neighbours that only append events are one call; each other change is a call of its own."""
    groups: list[list[Job]] = []
    was_plain = False
    for job in jobs:
        change = job.change
        others = (change.expect, change.puts, change.deletes, change.reserves, change.frees, change.statements)
        plain = not any(others) and not any(append.scheduled for append in change.appends)
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
    seqs: list[int] | None = outcome["seqs"]
    base, version = outcome["base"] or 0, outcome["put_version"] or 0
    begin = 0
    for job in group:
        end = begin + len(job.change.appends)
        numbers = list(range(base + begin + 1, base + end + 1)) if seqs is None else seqs[begin:end]
        job.succeed(Done(numbers, dict.fromkeys(job.change.puts, version)))
        begin = end


def _arguments(changes: list[Change]) -> list[Any]:
    """What ``change()`` gets: arrays of one where all events have the same, and nothing where they have nothing."""
    first = changes[0]
    appends = first.appends if len(changes) == 1 else [append for change in changes for append in change.appends]
    subjects, types, versions, datas, headers, ids, digests, keys, scheduled, *_ = (
        zip(*appends, strict=True) if appends else [()] * 9
    )
    puts, expect, reserves = first.puts, first.expect, first.reserves
    has_ids = _is_any(ids)
    return [
        list(expect) or None,
        [0 if version == ABSENT else version for version in expect.values()] or None,
        list(puts) or None,
        [put.value for put in puts.values()] or None,
        [put.due for put in puts.values()] or None,
        list(first.deletes) or None,
        _same(subjects),
        _same(types),
        _same(versions),
        [data.decode() for data in datas] or None,
        [json.dumps(dict(one)) if one else None for one in headers] if any(headers) else None,
        ids if has_ids else None,
        digests if has_ids else None,
        keys if _is_any(keys) else None,
        scheduled if any(scheduled) else None,
        [reserve.subject for reserve in reserves] or None,
        [reserve.id for reserve in reserves] or None,
        [reserve.digest for reserve in reserves] or None,
        [subject for subject, _ in first.frees] or None,
        [name for _, name in first.frees] or None,
    ]


def _is_any(values: Sequence[object]) -> bool:
    return values.count(None) < len(values)


def _same(values: tuple[Any, ...]) -> tuple[Any, ...] | None:
    return (values[:1] if values.count(values[0]) == len(values) else values) if values else None


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
