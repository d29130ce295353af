"""The address of a log in PostgreSQL: its schema and its name, and what is left for asyncpg."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log import from_url
from evenflow.log._postgres._address import Address, address_in
from evenflow.log.postgres import PostgresLog


@pytest.mark.parametrize(
    "given, expected",
    [
        ("postgresql://h/db", Address("postgresql://h/db", None, None)),
        ("postgresql://h/db?schema=shop", Address("postgresql://h/db", "shop", None)),
        ("postgresql://me:s%40x@h:5/db?name=a&sslmode=require&schema=b", Address("postgresql://me:s%40x@h:5/db?sslmode=require", "b", "a")),
        ("postgresql://h/db?options=a%20b", Address("postgresql://h/db?options=a%20b", None, None)),
    ],
)  # fmt: skip
def test_what_is_ours_is_taken_out_and_the_rest_stays(given: str, expected: Address) -> None:
    """Whatever else a URL says is asyncpg's, and is not written anew where nothing was taken out."""
    assert address_in(given) == expected


def test_what_is_no_url_is_left_to_who_opens_it() -> None:
    """It says what is wrong with it."""
    wrong: Any = 5
    assert address_in(wrong) == Address(wrong, None, None)
    assert address_in("postgresql://[h/db") == Address("postgresql://[h/db", None, None)


def test_a_log_takes_its_schema_and_name_from_its_address_unless_they_are_given() -> None:
    """``env:SHOP`` of the command line is one text."""
    log = from_url("postgresql://h/db?schema=orders&name=shop")
    assert isinstance(log, PostgresLog)
    assert (log._dsn, log._settings["schema"], log.name) == ("postgresql://h/db", "orders", "shop")
    other = PostgresLog("postgresql://h/db?schema=orders&name=shop", schema="mine", name="other")
    assert (other._settings["schema"], other.name) == ("mine", "other")
    plain = PostgresLog("postgresql://h/db")
    assert (plain._settings["schema"], plain.name) == ("evenflow", "log")
    with pytest.raises(ValueError, match="schema must be small letters"):
        PostgresLog("postgresql://h/db?schema=No%20Name")
