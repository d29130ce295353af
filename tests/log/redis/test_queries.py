"""What the replies of the server mean."""

from __future__ import annotations

from evenflow.log._redis import _queries
from evenflow.log._redis._names import Names
from evenflow.log._stored import NONE, Page, Row

NAMES = Names("shop")
ENTRY = [b"7-0", [b"type", b"Placed", b"version", b"2", b"time", b"5", b"data", b"{}"]]


def test_an_entry_of_a_stream_is_an_event() -> None:
    """With an id and headers, where it has any."""
    more = [b"9-0", [*ENTRY[1], b"id", b"x", b"headers", b'{"a":"b"}']]
    first, second, third, last = _queries.rows_of([ENTRY, more, [b"10-0", [*ENTRY[1], b"id", b"y"]], ENTRY])
    assert first == last == Row(7, "Placed", 2, b"{}", NONE, "", 5)
    assert isinstance(first, Row)
    assert second == Row(9, "Placed", 2, b"{}", {"a": "b"}, "x", 5)
    assert third == Row(10, "Placed", 2, b"{}", NONE, "y", 5)


def test_a_page_says_how_far_was_looked() -> None:
    """A full one to its last event, a short one to the newest number, or to where it was to end."""
    seen: list[object] = []

    def note(lineage: bytes | None, newest: bytes | None) -> int:
        seen.append(lineage)
        return int(newest or 0)

    def page(limit: int, types: set[str] | None = None, until: int | None = None, floor: bytes | None = None) -> Page:
        query = _queries.read(NAMES, note, "orders", 3, limit, types, until)
        found: Page = query.parse([b"OK", b"QUEUED", b"QUEUED", b"QUEUED", [[b"a", b"20", b"4"], floor, [ENTRY]]])
        return found

    assert page(1).through == 7
    assert page(2).through == 20
    assert page(2, until=9).through == 9
    assert page(2, until=30).through == 20
    assert page(1, types={"Other"}) == Page([], 20, 4)
    assert page(2, floor=b"6").floor == 6
    assert set(seen) == {b"a"}


def test_two_questions_are_sent_as_one_and_each_has_its_replies() -> None:
    """The commands of both, in their order."""
    one, other = _queries.end(NAMES, "orders"), _queries.floor(NAMES, "orders")
    both = _queries.both(one, other)
    assert both.commands == [*one.commands, *other.commands]
    assert both.parse([b"7", b"3", b"4"]) == (7, 4)


def test_records_come_sorted_and_only_those_that_were_asked_for() -> None:
    """A prefix may end within the last part of a key."""
    query = _queries.load(NAMES, ["a/z", "a/y", "b"], "a/x")
    assert len(query.commands) == 3
    found = query.parse([[b"3 - v", None], [b"4 1.5 w w"], [b"a/", [b"x1", b"5 - ", b"other", b"6 - q"]]])
    assert list(found) == ["a/x1", "a/z", "b"]
    assert found["b"].value == b"w w"
    assert found["b"].due == 1.5
