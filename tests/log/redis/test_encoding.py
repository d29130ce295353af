"""A change as the arguments of the script."""

from __future__ import annotations

from evenflow.log._redis._encoding import encoded, header_text
from evenflow.log._stored import Append, Change, Put, Reserve

A = Append("orders", "Placed", 1, b"{}")


def test_plain_events_have_a_short_form() -> None:
    """One, or many of one subject; whatever has more is written out."""
    assert encoded(Change(appends=[A])) == ["S", "orders", "Placed", 1, b"{}"]
    assert encoded(Change(appends=[A, A])) == ["M", "orders", 2, "Placed", 1, b"{}", "Placed", 1, b"{}"]
    for other in (A._replace(subject="x"), A._replace(id="i"), A._replace(headers={"a": "b"})):
        assert encoded(Change(appends=[A, other]))[0] == "C"
    assert encoded(Change(appends=[A._replace(id="i")]))[0] == "C"
    assert encoded(Change(appends=[A], deletes=["k"]))[0] == "C"


def test_everything_of_a_change_is_there_with_its_number() -> None:
    """In the order that the script reads."""
    change = Change(
        expect={"a/b": 7},
        puts={"a/c": Put(b"v", 1.5), "d": Put(b"")},
        deletes=["a/e"],
        appends=[A._replace(id="i", digest=b"x", headers={"h": "ü"}, scheduled=True)],
        reserves=[Reserve("s", "r", b"y")],
        frees=[("s", "f")],
    )
    assert encoded(change) == [
        "C", 1, 2, 1, 1, 1, 1,
        "a/", "b", 7,
        "a/", "c", "1.5", b"v", "", "d", "-", b"",
        "a/", "e",
        "orders", "Placed", 1, b"{}", "i", b"x", '{"h":"ü"}', 1,
        "s", "r", b"y",
        "s", "f",
    ]  # fmt: skip
    assert header_text({}) == ""
