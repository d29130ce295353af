"""Cursors: what a client may write, in the header and in the query."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.web._cursor import Asked, asked_for, memory_cursor, parsed_memory_cursor


@pytest.mark.parametrize(
    "header, query, expected",
    [
        (None, None, None),
        ("", "", None),
        ("a", None, Asked("a", strict=False)),
        (None, "b", Asked("b", strict=True)),
        ("a", "b", Asked("a", strict=False)),
        ("", "b", Asked("b", strict=True)),
    ],
)
def test_the_header_wins_and_what_is_empty_says_nothing(
    header: str | None, query: str | None, expected: Asked | None
) -> None:
    """A browser sends the header by itself; an empty one means that it has no id."""
    assert asked_for(header, query) == expected


@pytest.mark.parametrize("header", [b"0123456789-1", 7])
def test_a_header_that_is_no_text_is_refused_before_anything_begins(header: Any) -> None:
    """A framework that gives bytes must have them decoded by the endpoint."""
    with pytest.raises(TypeError, match="last_event_id must be the text of the header Last-Event-ID, or None, not"):
        asked_for(header, None)


@pytest.mark.parametrize("text", ["evenflow.end", "orders.a.1"])
def test_only_the_end_is_the_end(text: str) -> None:
    """204 is answered for that alone."""
    assert Asked(text, strict=False).is_the_end is (text == "evenflow.end")


def test_a_cursor_in_memory_is_read_as_it_was_written() -> None:
    """An epoch and a number."""
    assert parsed_memory_cursor(memory_cursor("0123456789", 42)) == ("0123456789", 42)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "0123456789",
        "0123456789-",
        "0123456789--1",
        "0123456789-1 ",
        "0123456789-1\n",
        "ABCDEF0123-1",
        "0123456789-\u0661",
        "0123456789-" + "1" * 19,
        "x" * 100_000,
    ],
)
def test_anything_else_is_no_cursor(text: str) -> None:
    """Not other digits, not a number of any length, not a line end after it."""
    assert parsed_memory_cursor(text) is None
