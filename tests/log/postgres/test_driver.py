"""What counts as a lost connection, and what may be begun again."""

from __future__ import annotations

import asyncpg
import pytest

from evenflow.log._postgres import _driver


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
