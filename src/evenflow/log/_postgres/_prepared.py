"""Prepared: a statement that is asked again and again on one connection, at one round trip instead of two.

Its name in the session says its text: whoever shares a session through a pooler, and finds the name, finds the very
same statement. A pooler that gives each transaction another session, and does not know of prepared statements, answers
that the name is unknown, or taken: from then on the statement is sent anew each time.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any

from ._driver import UNPREPARED


class Prepared:
    """A statement of one opening; use it on one connection at a time."""

    def __init__(self, sql: str) -> None:
        self._sql = sql
        self._name = f"evenflow_{sha256(sql.encode()).hexdigest()[:32]}"
        self._connection: Any = None
        self._statement: Any = None
        self.is_refused: bool = False

    async def fetchrow(self, connection: Any, *arguments: Any) -> Any:
        """The first row of what it returns.

        Raises:
            UNPREPARED: the session did not keep it; begin the transaction anew, and it does not rely on that any more.
        """
        if self.is_refused:
            return await connection.fetchrow(self._sql, *arguments)
        try:
            if self._connection is not connection:
                self._statement = await connection.prepare(self._sql, name=self._name)
                self._connection = connection
            return await self._statement.fetchrow(*arguments)
        except UNPREPARED:
            self.is_refused = True
            self._connection = self._statement = None
            raise
