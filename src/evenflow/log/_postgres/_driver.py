"""asyncpg, as far as it is used here: it has no types of its own.

Chosen by measuring (docs/decisions/0029): a thousand events as arrays cost it 0.6 ms of this process's time, and
psycopg 38 ms.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final, cast

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_asyncpg: Final[Any] = import_module("asyncpg")

connect: Final = cast("Callable[..., Awaitable[Any]]", _asyncpg.connect)
PostgresError: Final = cast("type[Exception]", _asyncpg.PostgresError)
"""What the server says."""

LOST: Final = (
    OSError,
    TimeoutError,
    cast("type[Exception]", _asyncpg.PostgresConnectionError),
    cast("type[Exception]", _asyncpg.InterfaceError),
    cast("type[Exception]", _asyncpg.InternalClientError),
    cast("type[Exception]", _asyncpg.CannotConnectNowError),
    cast("type[Exception]", _asyncpg.AdminShutdownError),
    cast("type[Exception]", _asyncpg.CrashShutdownError),
    cast("type[Exception]", _asyncpg.TooManyConnectionsError),
)
"""What says that a connection is gone, and that another may be had."""

AGAIN: Final = (
    cast("type[Exception]", _asyncpg.DeadlockDetectedError),
    cast("type[Exception]", _asyncpg.SerializationError),
    cast("type[Exception]", _asyncpg.LockNotAvailableError),
)
"""What ends a transaction that may be begun again."""

UNPREPARED: Final = (
    cast("type[Exception]", _asyncpg.InvalidSQLStatementNameError),
    cast("type[Exception]", _asyncpg.DuplicatePreparedStatementError),
    cast("type[Exception]", _asyncpg.InvalidCachedStatementError),
)
"""What says that a session has not kept a prepared statement, or has one of that name from somebody else."""
