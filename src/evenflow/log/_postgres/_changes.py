"""Writer: one task that commits what has queued, several changes in one transaction.

    what is known of a transaction       what is done
    the server never got it              it is made again on another connection, within the patience
    its answer was lost                  it is asked for: committed, and with what result, or made again
    nobody can say                       ``Uncertain``

Where one call of ``change()`` does it all, that statement is the transaction: one round trip. Otherwise it begins and
commits in round trips of its own.

Each transaction leaves its number in the row of this writer, with what its first call returned: that is what is asked
for. Where the number is not there, whoever asks leaves the next one, so that a transaction that the server begins
late, or has not finished, is refused: it may have been made again.

Rule 1: a change that was handed over is not withdrawn once its transaction has begun: whoever is cancelled waits for
        the outcome, and is cancelled then. Before that it is not made.
Rule 2: a change waits for a turn of the loop before its transaction begins: by then the task that hands it over sleeps,
        and if it is being cancelled, both libraries have cancelled what it sleeps on.
Rule 3: one change that fails for a reason of its own fails alone: the others are made again without it.
Rule 4: what came of a transaction is told by ``Answers``: at once, or while the next one is under way.
"""

from __future__ import annotations

import asyncio
from collections import deque
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope

from evenflow._errors import Conflict, LogError, Uncertain

from ._answers import Answers
from ._calls import Job, answers, arguments, call_of, merged, topics_of
from ._connections import described
from ._driver import AGAIN, LOST, UNPREPARED, PostgresError
from ._schema import quoted

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenflow.log._stored import Change, Done

    from ._connections import Connections
    from ._prepared import Session

MOST_CHANGES: Final = 500
MOST_EVENTS: Final = 2_000
"""In one transaction."""
TRIES: Final = 20


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
        self._settings = (keep_ids, to_disk)
        self._changed = changed
        self._loop = asyncio.get_running_loop()
        self._queue: deque[Job] = deque()
        self._answers = Answers(self._loop)
        self._arrived = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._stopping = False
        self._session: Session | None = None
        self._change = call_of(self._schema)

    async def start(self, session: Session) -> None:
        """Begin to commit what is handed over, on this session, which is the writer's own from now on."""
        async with asyncio.timeout(self._connections.patience):
            await session.prepare(self._change)
        self._session = session
        self._task = self._loop.create_task(self._run(), name="evenflow log writer")

    async def commit(self, change: Change, made: Callable[[Done], object] | None) -> Done:
        """Make a change; see ``Engine.commit``."""
        if self._stopping or self._task is None:
            raise LogError(f"the log at {self._connections.shown} is closed; open it first", stored=False)
        job = Job(change, made, self._loop.create_future())
        if not self._queue:
            self._arrived.set()
        self._queue.append(job)
        try:
            return await job.future
        except asyncio.CancelledError:
            if not job.is_begun:
                job.future.cancel()
            elif not job.is_over:
                job.future = self._loop.create_future()  # the other was cancelled with this task
                await outlast(job.future)
            raise

    async def close(self) -> None:
        """Commit what was handed over, and end."""
        self._stopping = True
        self._arrived.set()
        if self._task is not None:
            await outlast(self._task)
        self._let_go()

    async def _run(self) -> None:
        jobs: list[Job] = []
        try:
            while self._queue or not self._stopping:
                if not self._queue:
                    await self._await_change()
                    continue
                ripe = len(self._queue)
                await asyncio.sleep(0)  # rule 2
                jobs = self._take(ripe)
                self._loop.call_soon(self._answers.tell)  # of the last, while this one is under way
                try:
                    if jobs:
                        self._answers.begin()
                        await self._make(jobs)
                        if self._answers.tell_some(len(self._queue)) and self._queue:
                            await asyncio.sleep(0)  # whoever has heard may hand over something
                except Exception as error:  # noqa: BLE001 -- whoever waits for it gets it
                    self._answers.tell()
                    for job in jobs:
                        job.fail(error)
        finally:  # a loop that is stopped cancels this task too, and nobody may wait for it for ever
            self._stopping = True
            self._answers.tell()
            for job in jobs:
                if not job.is_over:
                    job.fail(Uncertain("the loop was stopped while it committed; publish again with the same id"))
            for job in self._queue:
                job.fail(LogError("the loop was stopped before it was committed", stored=False))

    async def _await_change(self) -> None:
        """Wait until one is handed over; whoever hears of the last transaction has a turn of the loop to do so."""
        if self._answers.wait:
            await asyncio.sleep(0)
            if not self._queue:
                self._answers.tell()
            return
        self._arrived.clear()
        await self._arrived.wait()

    def _take(self, ripe: int) -> list[Job]:
        jobs: list[Job] = []
        events = 0
        while ripe and len(jobs) < MOST_CHANGES and events < MOST_EVENTS:
            ripe -= 1
            job = self._queue.popleft()
            if job.future.done():  # its task was cancelled
                continue
            job.is_begun = True
            events += len(job.change.appends)
            jobs.append(job)
        return jobs

    # ------------------------------------------------------------------ one transaction

    async def _make(self, jobs: list[Job]) -> None:
        """Make these changes; those that are refused hear of it, and the others are made."""
        try:
            await self._transact(merged(jobs))
        except _Alone as alone:
            if len(jobs) == 1:
                jobs[0].fail(alone.error)
                return
            for job in jobs:  # one of them has failed all: each by itself
                await self._make([job])

    async def _transact(self, groups: list[list[Job]]) -> None:
        for _ in range(TRIES):
            try:
                outcomes = await self._connections.insist(partial(self._once, groups))
            except _Again:
                continue
            except _OneByOne:
                groups = [[job] for group in groups for job in group]
                continue
            made = [job for group, outcome in outcomes if outcome["outcome"] == "ok" for job in group]
            if made:
                self._changed(topics_of(made))
            for group, outcome in outcomes:
                self._answers.add(answers(group, outcome))
            return
        raise LogError(f"{self._connections.shown}: others have changed the same records again and again", stored=False)

    async def _once(self, groups: list[list[Job]]) -> list[tuple[list[Job], Any]]:
        """One transaction; returns what was committed.

        Raises:
            _Again: it was not made, and may be begun anew.
            _OneByOne: an id of one of several is taken, and nothing was made.
            _Alone: it was not made, because of one of them.
        """
        if self._session is None or self._session.connection.is_closed():
            self._session = await self._connections.connect()
        session = self._session
        self._number += 1
        if len(groups) == 1 and session.keeps and not any(job.change.statements for job in groups[0]):
            found = await self._at_once(session, groups[0])
            if found["outcome"] == "taken" and len(groups[0]) > 1:
                raise _OneByOne
            return [(groups[0], found)]
        return await self._step_by_step(session, groups)

    async def _at_once(self, session: Session, group: list[Job]) -> Any:
        """The transaction is one statement."""
        call = self._arguments(group, self._number)
        try:
            async with asyncio.timeout(self._connections.patience):
                return (await session.within(self._change, *call))[0]
        except (*AGAIN, *UNPREPARED) as error:
            raise _Again from error
        except LOST as error:
            self._let_go()
            return await self._find_out(error)
        except (PostgresError, ValueError, TypeError, OverflowError) as error:
            raise _Alone(_as_log_error(error, self._connections.shown)) from error

    async def _step_by_step(self, session: Session, groups: list[list[Job]]) -> list[tuple[list[Job], Any]]:
        """The transaction is a statement for each group, and those of the application."""
        connection = session.connection
        outcomes: list[tuple[list[Job], Any]] = []
        try:
            async with asyncio.timeout(self._connections.patience):
                await connection.execute("BEGIN")
                waiting = deque(groups)
                while waiting:
                    group = waiting.popleft()
                    found = await self._call(session, group, None if outcomes else self._number)
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

    async def _find_out(self, lost: BaseException) -> Any:
        """The answer to a transaction was lost: ask what became of it; returns what its first call has returned.

        Raises:
            _Again: it was not committed, and never will be.
            Uncertain: nobody can be asked.
        """
        query = (
            f"INSERT INTO {self._schema}.writer AS w (member, made) VALUES ($1, $2 + 1) ON CONFLICT (member) DO UPDATE"
            " SET made = CASE WHEN w.made = $2 THEN w.made ELSE excluded.made END"
            " RETURNING made, outcome, detail, base, seqs, put_version"
        )
        lost_number, self._number = self._number, self._number + 1

        async def ask(session: Session) -> Any:
            try:
                return await session.fetchrow(query, self._member, lost_number)
            except AGAIN as error:
                raise OSError("the lost transaction ended meanwhile") from error

        try:
            found = await self._connections.read(ask)
        except LogError as error:
            raise Uncertain(
                f"{self._connections.shown} was lost while it committed ({described(lost)}), and cannot be asked what"
                " became of it; publish again with the same id, and it is there once"
            ) from error
        if found["made"] != lost_number:
            raise _Again
        return found

    async def _roll_back(self, connection: Any) -> None:
        try:
            async with asyncio.timeout(self._connections.patience):
                await connection.execute("ROLLBACK")
        except (PostgresError, *LOST):
            self._let_go()

    def _let_go(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            session.connection.terminate()

    def _arguments(self, group: Sequence[Job], number: int | None) -> tuple[Any, ...]:
        return (self._member, number, *arguments([job.change for job in group]), *self._settings)

    async def _call(self, session: Session, group: Sequence[Job], number: int | None) -> Any:
        found = (await session.within(self._change, *self._arguments(group, number)))[0]
        if found["outcome"] == "ok":
            for statement in (statement for job in group for statement in job.change.statements):
                status: str = await session.connection.execute(statement.sql, *_positional(statement.parameters))
                count = int(status.rsplit(" ", 1)[-1])
                if statement.rows is not None and count != statement.rows:
                    raise Conflict(
                        f"a statement affected {count} rows, not {statement.rows}; nothing is done: {statement.sql}"
                    )
        return found


class _Again(Exception):
    """The transaction was not made, and may be begun anew."""


class _OneByOne(Exception):
    """An id of one of several changes is taken: none of them was made, and each is a call of its own from now on."""


class _Alone(Exception):
    """A change has failed, and all others of its transaction with it."""

    def __init__(self, error: BaseException) -> None:
        super().__init__()
        self.error = error


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
