"""Messages as events and records, and back."""

from __future__ import annotations

from types import SimpleNamespace

from hypothesis import given, strategies as st

from evenflow.log._nats._values import (
    PACKED,
    Message,
    event_headers,
    key_in,
    message_from,
    message_of,
    micros,
    put_message,
    record_of,
    row_of,
)
from evenflow.log._stored import Append, Put

TEXT = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"]), max_size=30)


@given(TEXT.filter(bool), TEXT, st.one_of(st.none(), TEXT.filter(bool)), st.integers(1, 999))
def test_an_event_comes_back_from_its_headers(kind: str, value: str, given_id: str | None, version: int) -> None:
    """Its type, version, headers and id; the headers are one line of ASCII each, as CloudEvents says."""
    append = Append("orders", kind, version, b"{}", {"tenant": value}, given_id)
    headers = event_headers("shop", append, "derived")
    assert all(text.isascii() and text == text.strip() and text for text in headers.values())
    row = row_of(Message("s", 7, 5, headers, b"{}"))
    assert (row.seq, row.type, row.version, dict(row.headers), row.id, row.time) == (
        7, kind, version, {"tenant": value}, given_id or "", 5,
    )  # fmt: skip


def test_an_event_of_another_program_is_read_too() -> None:
    """One that only has what CloudEvents asks for."""
    headers = {
        "ce-id": "x%201",
        "ce-type": "Placed",
        "ce-source": "urn:other",
        "ce-specversion": "1.0",
        "ce-time": "now",
    }
    row = row_of(Message("s", 1, 0, headers, b"[]"))
    assert (row.type, row.version, dict(row.headers), row.id) == ("Placed", 1, {}, "x 1")


@given(st.binary(max_size=100), st.one_of(st.none(), st.floats(0, 1e10)))
def test_a_record_comes_back(value: bytes, due: float | None) -> None:
    """Its value, when it is due, and its key, where its subject does not tell it."""
    data, headers = put_message(Put(value, due), "a/ü")
    message = Message("s", 3, 0, headers, data)
    assert record_of(message) == (value, 3, due)
    assert key_in(message) == "a/ü"
    assert key_in(Message("s", 3, 0, put_message(Put(value), None)[1], data)) is None


def test_a_large_value_is_compressed() -> None:
    """So that a dead letter of a large event is smaller than the event was."""
    data, headers = put_message(Put(b"x" * 100_000), None)
    assert headers[PACKED]
    assert len(data) < 1_000
    assert record_of(Message("s", 1, 0, headers, data)).value == b"x" * 100_000


def test_times_of_the_server_are_read_to_the_microsecond() -> None:
    """However many digits it writes."""
    assert micros("1970-01-01T00:00:01Z") == 1_000_000
    assert micros("1970-01-01T00:00:01.5Z") == 1_500_000
    assert micros("1970-01-01T00:01:01.123456789Z") == 61_123_456


def test_a_message_is_the_same_from_a_follower_and_from_the_leader() -> None:
    """One answers with headers, the other in JSON."""
    headers = {
        "ce-type": "Placed", "Nats-Subject": "s", "Nats-Sequence": "4", "Nats-Time-Stamp": "1970-01-01T00:00:01.25Z",
    }  # fmt: skip
    one = message_of(SimpleNamespace(headers=headers, data=b"{}"))
    other = message_from(
        {
            "subject": "s", "seq": 4, "time": "1970-01-01T00:00:01.25Z", "data": "e30=",
            "hdrs": "TkFUUy8xLjANCmNlLXR5cGU6IFBsYWNlZA0KDQo=",
        }
    )  # fmt: skip
    assert (one.subject, one.seq, one.time, one.data) == (other.subject, other.seq, other.time, other.data)
    assert other.headers == {"ce-type": "Placed"}
