"""The connections of one opening: made when they are needed, made again when they are lost; and the bounds of waiting.

Rule 1: every use is one statement, or one transaction, and relies on nothing in the session (see ``_schema``, rule 3).
Rule 2: what only reads is tried again on a new connection, up to ``patience`` seconds; then it is a ``LogError``.
Rule 3: a connection whose use was cancelled, or failed, is closed, and never used again.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import urlsplit, urlunsplit

from evenflow._errors import LogError

from ._driver import LOST, PostgresError, connect
from ._prepared import Habits, Session

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Awaitable, Callable

T = TypeVar("T")

MOST: Final = 4
"""Connections that read; one more writes, and one is the pulse's."""
SOON: Final = 0.01
"""Seconds that whoever reads waits for a connection in use, before another is made: that takes about as long."""
FIRST_PAUSE: Final = 0.05
LONGEST_PAUSE: Final = 2.0

_log = logging.getLogger("evenflow.log")


def masked(dsn: str) -> str:
    """An address without what is secret in it."""
    parts = urlsplit(dsn)
    if not parts.scheme:
        return "PostgreSQL"
    host = parts.netloc.rpartition("@")[2]
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


class Connections:
    """Connections to one server.

    Attributes:
        shown: the server's address, for errors.
        patience: seconds that anything waits for the server.
    """

    def __init__(self, dsn: str, options: dict[str, Any], patience: float, connected: Callable[[bool], object]) -> None:
        self._dsn = dsn
        self._options = options
        self.shown: str = masked(dsn)
        self.patience: float = patience
        self._tell = connected
        self._habits = Habits()
        self._free: list[Session] = []
        self._busy = 0
        self._waiters: deque[asyncio.Future[Session]] = deque()
        """Who would rather have a connection that is in use than make one."""
        self._room = asyncio.Semaphore(MOST)
        self._closed = False

    async def connect(self) -> Session:
        """A new connection; raises what asyncpg does."""
        connection = await connect(self._dsn, statement_cache_size=0, timeout=self.patience, **self._options)
        return Session(connection, self._habits)

    @asynccontextmanager
    async def one(self) -> AsyncGenerator[Session]:
        """A connection for one use."""
        async with self._room:
            session = await self._take()
            self._busy += 1
            try:
                yield session
            except BaseException as error:
                if isinstance(error, PostgresError) and not isinstance(error, LOST):
                    self.put(session)  # the server refused it, and the transaction is over
                else:
                    session.connection.terminate()
                raise
            finally:
                self._busy -= 1
            self.put(session)

    async def _take(self) -> Session:
        """A free connection; where all are in use, the first that is free soon, or else a new one."""
        if self._free:
            return self._free.pop()
        if self._busy:
            waiter: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await asyncio.wait([waiter], timeout=SOON)
            except asyncio.CancelledError:
                if not waiter.cancel():
                    self.put(waiter.result())
                raise
            if not waiter.cancel():
                return waiter.result()
        return await self.connect()

    def put(self, session: Session) -> None:
        """It is free: whoever reads next may use it."""
        if self._closed or session.connection.is_closed():
            session.connection.terminate()
            return
        while self._waiters:
            if not (waiter := self._waiters.popleft()).done():
                waiter.set_result(session)
                return
        self._free.append(session)

    async def read(self, work: Callable[[Session], Awaitable[T]]) -> T:
        """Ask one statement that may be asked twice, on any connection, until it succeeds.

        Raises:
            LogError: the server could not be reached in time, or refused it.
        """
        return await self.insist(lambda: self._read_once(work))

    async def _read_once(self, work: Callable[[Session], Awaitable[T]]) -> T:
        async with self.one() as session, asyncio.timeout(self.patience):
            return await work(session)

    async def insist(self, work: Callable[[], Awaitable[T]]) -> T:
        """Do something that may be done again, until the server answers.

        Raises:
            LogError: it could not be reached in time, or refused it.
        """
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + self.patience, FIRST_PAUSE
        while True:
            try:
                done = await work()
            except LOST as error:
                self._free_all()
                self._tell(False)
                if self._closed or loop.time() + pause > until:
                    raise LogError(
                        f"{self.shown} could not be reached for {self.patience:g} seconds: {described(error)}",
                        stored=False,
                    ) from error
            except PostgresError as error:
                raise LogError(f"{self.shown} refused: {described(error)}", stored=False) from error
            else:
                if not self._closed:
                    self._tell(True)
                return done
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE, 2 * pause)

    def _free_all(self) -> None:
        free, self._free = self._free, []
        for session in free:
            session.connection.terminate()

    async def close(self) -> None:
        """Let go of all connections."""
        self._closed = True
        self._tell(False)
        free, self._free = self._free, []
        for session in free:
            try:
                await session.connection.close(timeout=1.0)
            except (TimeoutError, *LOST):
                session.connection.terminate()


def described(error: BaseException) -> str:
    """An error in one line, never empty."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
