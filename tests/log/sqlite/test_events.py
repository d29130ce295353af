"""How events become rows."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager

import pytest
from hypothesis import given, strategies as st

from evenflow.log._sqlite import _events
from evenflow.log._sqlite._events import insert
from evenflow.log._sqlite._schema import LAST_SEQ, prepare
from evenflow.log._stored import Append

KINDS = [
    Append("orders", "Placed", 1, b"{}"),
    Append("orders", "Placed", 2, b"{}"),
    Append("orders", "Placed", 1, b"{}", headers={"a": "\u00fc"}),
    Append("orders", "Placed", 1, b"{}", key='"eu"'),
    Append("orders", "Placed", 1, b"{}", id="x", digest=b"1"),
    Append("stock", "Sent", 1, b"{}", route=(("region",), 1, ("eu",))),  # type: ignore[arg-type]  # a plain tuple will do
]
DATA = st.sampled_from([b"{}", b"1", b'"\xc3\xbc\\u0000"', b"[1.0, 2]", b'{"a":"' + b"x" * 50 + b'"}'])


@contextmanager
def tables() -> Iterator[sqlite3.Connection]:
    """The tables of a log."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        prepare(connection, ":memory:", survives_power_cut=True)
        yield connection


def stored(*together: Sequence[Append]) -> list[tuple[object, ...]]:
    """What is in the table once these are stored, one list after the other."""
    last = 7
    with tables() as connection:
        for events in together:
            insert(connection, events, last, 5)
            last += len(events)
        assert connection.execute(LAST_SEQ).fetchone() == (last if last > 7 else 0,)
        return connection.execute("SELECT *, typeof(data), typeof(headers) FROM evenflow_event ORDER BY seq").fetchall()


@given(
    st.lists(st.tuples(st.sampled_from(KINDS), st.lists(DATA, max_size=20)), max_size=4),
    st.sampled_from([20, 2**22]),
    st.booleans(),
)
def test_whatever_comes_together_is_stored_as_each_alone(
    runs: list[tuple[Append, list[bytes]]], most: int, json: bool
) -> None:
    """Many alike, few, mixed; with ids, keys and headers; cut into several statements or not; with JSON or without."""
    events = [kind._replace(data=data) for kind, some in runs for data in some]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_events, "MOST_BYTES", most)
        patch.setattr(_events, "knows_json", lambda: json)
        assert stored(events) == stored(*([event] for event in events))


def test_many_that_are_alike_are_one_statement() -> None:
    """A thousand events of one ``publish_many``; of more data than a statement has, some statements."""
    assert _events.knows_json()
    with tables() as connection:
        told: list[str] = []
        connection.set_trace_callback(told.append)
        insert(connection, [Append("orders", "Placed", 1, b'{"n":1}')] * 1_000, 0, 5)
        assert len(told) == 1
        large = b'"' + b"x" * (_events.MOST_BYTES // 2) + b'"'
        insert(connection, [Append("orders", "Placed", 1, large)] * 9, 1_000, 5)
        assert len(told) == 1 + 9
        assert connection.execute("SELECT max(seq), min(length(data)) FROM evenflow_event").fetchone() == (1_009, 7)
