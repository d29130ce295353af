"""A change as messages."""

from __future__ import annotations

import json

import pytest

from evenflow.log._nats._names import Names
from evenflow.log._nats._plan import MOST, Id, Plan, Writing, differing, id_in, parts_of
from evenflow.log._nats._values import DELETED, EXPECTED, EXPECTED_OF, ROLLUP, TTL, Message
from evenflow.log._stored import ABSENT, Append, Change, IdTaken, Outdated, Put, Reserve

NAMES = Names("S", "p")
WRITING = Writing(NAMES, "shop", "me", 600)


def event(text: str, given: str | None = None) -> Append:
    return Append("orders", "Placed", 1, text.encode(), id=given, digest=text.encode() if given else b"")


def plan(change: Change, ids: dict[str, Id] | None = None, versions: dict[str, int] | None = None) -> Plan:
    return Plan(WRITING, change, "c", ids or {}, versions or {})


def test_an_id_is_a_record_before_its_event() -> None:
    """It must not be there, and the server removes it in time; the event's number is one more."""
    made = plan(Change(appends=[event("a", "one"), event("b")]))
    first, second, third = made.messages
    assert (first.subject, first.headers[EXPECTED], first.headers[TTL]) == ("p_quiet.ids.orders.one", "0", "600s")
    assert (second.data, third.data) == (b"a", b"b")
    assert made.done(10).seqs == [11, 12]
    assert made.newest_event(10) == 12


def test_an_id_that_is_known_stores_nothing_or_is_refused() -> None:
    """The same data has the number of the first; other data, or a scheduled event, is refused."""
    known = {"p_quiet.ids.orders.one": Id(5, b"a".hex())}
    made = plan(Change(appends=[event("a", "one"), event("b")]), known)
    assert made.done(10).seqs == [6, 10]
    with pytest.raises(IdTaken):
        plan(Change(appends=[event("other", "one")]), known)
    with pytest.raises(IdTaken) as caught:
        plan(Change(appends=[event("a", "one")]), {"p_quiet.ids.orders.one": Id(5, b"a".hex(), reserved=True)})
    assert caught.value.scheduled


def test_an_id_twice_in_one_change_is_one_event() -> None:
    """With other data it is refused."""
    made = plan(Change(appends=[event("a", "one"), event("b"), event("a", "one")]))
    assert made.done(1).seqs == [2, 3, 2]
    with pytest.raises(IdTaken):
        plan(Change(appends=[event("a", "one"), event("b", "one")]))


def test_a_reserved_id_is_kept_without_an_end_and_freed_by_a_deletion() -> None:
    """What nobody has reserved is not freed."""
    (out,) = plan(Change(reserves=[Reserve("orders", "one", b"d")])).messages
    assert TTL not in out.headers
    assert json.loads(out.data)["reserved"]
    kept = {"p_quiet.ids.orders.one": Id(5, "d", reserved=True)}
    (out,) = plan(Change(frees=[("orders", "one"), ("orders", "two")]), kept).messages
    assert (out.headers[DELETED], out.headers[EXPECTED]) == ("DEL", "5")


def test_records_are_rolled_up_and_expected_where_they_are_written() -> None:
    """A record that must not exist may have left a message; a deleted one leaves one for a while."""
    change = Change({"a": 7, "b": ABSENT, "c": ABSENT}, {"a": Put(b"1"), "b": Put(b"2", 5.0)}, ["c"])
    made = plan(change, versions={"b": 4})
    by_subject = {out.subject: out.headers for out in made.messages}
    assert all(headers[ROLLUP] == "sub" for headers in by_subject.values())
    assert [by_subject[f"p.records.{key}"][EXPECTED] for key in "abc"] == ["7", "4", "0"]
    assert by_subject["p.records.c"][TTL]
    assert made.done(20).versions == {"a": 20, "b": 21}


def test_what_is_only_expected_travels_with_another_message() -> None:
    """With a filler where there is none that expects nothing itself."""
    made = plan(Change({"a": 7}, appends=[event("x")]))
    assert [(out.headers[EXPECTED], out.headers[EXPECTED_OF]) for out in made.messages] == [("7", "p.records.a")]
    made = plan(Change({"a": 7, "b": 3}, {"b": Put(b"")}))
    assert [out.headers.get(EXPECTED_OF) for out in made.messages] == [None, "p.records.a"]
    assert made.touched == {"p.records.a", "p.records.b"}


def test_what_the_log_has_is_compared_with_what_was_expected() -> None:
    """A deletion is as good as nothing, and its sequence is what must be expected then."""
    there = Message("p.records.a", 7, 0, {}, b"")
    gone = Message("p.records.b", 8, 0, {DELETED: "DEL"}, b"")
    found = {"p.records.a": there, "p.records.b": gone}
    assert differing(NAMES, Change({"a": 7, "b": ABSENT, "c": ABSENT}), found) == {"b": 8}
    with pytest.raises(Outdated) as caught:
        differing(NAMES, Change({"a": ABSENT, "b": 8, "c": 1}), found)
    assert set(caught.value.keys) == {"a", "b", "c"}


def test_the_record_of_an_id_is_read() -> None:
    """Nothing, a deletion, and one."""
    assert id_in(None) == Id()
    assert id_in(Message("s", 4, 0, {DELETED: "DEL"}, b"")) == Id(4)
    assert id_in(Message("s", 4, 0, {}, b'{"digest": "ab"}')) == Id(4, "ab")


def test_more_than_a_batch_can_have_is_made_in_parts() -> None:
    """Events alone, and deletions alone, can be made in parts; each part fits."""
    many = Change(appends=[event(str(n), f"id{n}") for n in range(MOST)])
    parts = parts_of(many)
    assert [append for part in parts for append in part.appends] == list(many.appends)
    assert all(len(plan(part).messages) <= MOST for part in parts)
    gone = Change({"g": ABSENT}, deletes=[f"d/{n}" for n in range(MOST + 1)])
    assert sum(len(part.deletes) for part in parts_of(gone)) == MOST + 1
    assert all(part.expect == {"g": ABSENT} for part in parts_of(gone))
    assert parts_of(Change(appends=[event("a")])) == [Change(appends=[event("a")])]
    records = Change(puts={f"p/{n}": Put(b"") for n in range(MOST + 1)})
    assert parts_of(records) == [records]


def test_the_largest_message_counts_its_headers() -> None:
    """And room for what is added when it is sent."""
    assert plan(Change(appends=[event("x" * 5_000)])).largest > 5_200
