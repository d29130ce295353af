"""Session: one connection, and the statements that are prepared on it, at one round trip for each use.

A statement's name in the session says its text: whoever shares a session through a pooler, and finds the name, finds
the very same statement. A pooler that gives each transaction another session, and does not know of prepared
statements, answers that the name is unknown, or taken. From then on the opening prepares nothing: each statement is
sent anew, inside a transaction, so that the session that has got its text is the one that is asked.
"""

from __future__ import annotations

from functools import lru_cache
from hashlib import sha256
from typing import Any

from ._driver import UNPREPARED


class Habits:
    """What is known of the sessions of one opening.

    Attributes:
        keep: whether a session keeps what is prepared on it, as far as is known.
    """

    def __init__(self) -> None:
        self.keep: bool = True


class Session:
    """A connection of asyncpg, on which each of these statements is a transaction of its own.

    Attributes:
        connection: the connection.
    """

    def __init__(self, connection: Any, habits: Habits) -> None:
        self.connection: Any = connection
        self._habits = habits
        self._prepared: dict[str, Any] = {}

    @property
    def keeps(self) -> bool:
        """Whether it keeps what is prepared on it, as far as is known."""
        return self._habits.keep

    async def fetch(self, sql: str, *arguments: Any) -> Any:
        """All rows that a statement returns."""
        if self._habits.keep:
            try:
                return await self.within(sql, *arguments)
            except UNPREPARED:  # nothing was done
                pass
        async with self.connection.transaction():
            return await self.connection.fetch(sql, *arguments)

    async def fetchrow(self, sql: str, *arguments: Any) -> Any:
        """The first row; None where there is none."""
        rows = await self.fetch(sql, *arguments)
        return rows[0] if rows else None

    async def fetchval(self, sql: str, *arguments: Any) -> Any:
        """The first value of the first row; None where there is none."""
        row = await self.fetchrow(sql, *arguments)
        return None if row is None else row[0]

    async def within(self, sql: str, *arguments: Any) -> Any:
        """All rows that a statement returns, in the transaction that is open.

        Raises:
            UNPREPARED: the session did not keep it; begin the transaction anew, and nothing is prepared any more.
        """
        if not self._habits.keep:
            return await self.connection.fetch(sql, *arguments)
        try:
            statement = self._prepared.get(sql) or await self._prepare(sql)
            return await statement.fetch(*arguments)
        except UNPREPARED:
            self._habits.keep = False
            self._prepared.clear()
            raise

    async def prepare(self, sql: str) -> None:
        """Prepare a statement before it is needed, if the session keeps it."""
        try:
            await self._prepare(sql)
        except UNPREPARED:
            self._habits.keep = False

    async def _prepare(self, sql: str) -> Any:
        statement = self._prepared[sql] = await self.connection.prepare(sql, name=name_of(sql))
        return statement


@lru_cache(maxsize=256)
def name_of(sql: str) -> str:
    """What a statement is called in a session."""
    return f"evenflow_{sha256(sql.encode()).hexdigest()[:32]}"
