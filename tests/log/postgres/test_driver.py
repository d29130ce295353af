"""What counts as a lost connection, and what may be begun again."""

from __future__ import annotations

import asyncpg
import pytest

from evenflow.log._postgres import _driver
from tests.servers import Postgres

from .kit import on_postgres


@pytest.mark.parametrize(
    "error",
    [
        ConnectionRefusedError(), TimeoutError(), asyncpg.ConnectionDoesNotExistError(), asyncpg.InterfaceError("closed"),
        asyncpg.CannotConnectNowError(), asyncpg.AdminShutdownError(), asyncpg.CrashShutdownError(),
        asyncpg.TooManyConnectionsError(), asyncpg.InternalClientError("state"),
    ],
    ids=lambda error: type(error).__name__,
)  # fmt: skip
def test_these_say_that_another_connection_may_be_had(error: Exception) -> None:
    """They are waited out."""
    assert isinstance(error, _driver.LOST)
    assert not isinstance(error, _driver.AGAIN)


@pytest.mark.parametrize("error", [asyncpg.DeadlockDetectedError(), asyncpg.SerializationError()])
def test_these_end_a_transaction_that_may_be_made_again(error: Exception) -> None:
    """On the same connection."""
    assert isinstance(error, _driver.AGAIN)
    assert not isinstance(error, _driver.LOST)


@pytest.mark.parametrize("error", [asyncpg.UniqueViolationError(), asyncpg.InsufficientPrivilegeError()])
def test_these_are_the_servers_word(error: Exception) -> None:
    """Trying again would not help."""
    assert isinstance(error, _driver.PostgresError)
    assert not isinstance(error, (*_driver.LOST, *_driver.AGAIN))


@on_postgres
async def test_a_number_of_no_transaction_is_refused_as_expected(server: Postgres) -> None:
    """What the writer takes for an answer is what the server says."""
    connection = await _driver.connect(server.dsn)
    with pytest.raises(_driver.NEVER_BEGUN, match="future"):
        await connection.fetchval("SELECT pg_xact_status($1::text::xid8)", str(2**40 + 5))
    await connection.close()
