"""What subjects, groups, ids and headers may be called."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, strategies as st

from evenflow.log._names import (
    CORE_ATTRIBUTES,
    VERSION_HEADER,
    checked_given_id,
    checked_headers,
    checked_id,
    checked_keep_ids,
    checked_max_event_bytes,
    checked_name,
    checked_wire_name,
    refuse_unknown,
)


@pytest.mark.parametrize("name", ["a", "orders", "Orders-2_eu", "0", "-", "a" * 64])
def test_a_name_of_letters_digits_and_two_signs_is_taken(name: str) -> None:
    """1 to 64 of A-Z a-z 0-9 _ - are a name."""
    assert checked_name(name) == name


@pytest.mark.parametrize("name", ["", "a" * 65, "a.b", "a b", "ä", "a/b", "a\n", "*", ">", "a:b"])
def test_any_other_name_is_refused_and_shown(name: str) -> None:
    """The message says whose name it is, what may be in it, and what was given."""
    with pytest.raises(ValueError, match="the name of a group must be 1 to 64 of the characters") as caught:
        checked_name(name, "a group")
    assert repr(name)[:80] in str(caught.value)


@pytest.mark.parametrize("name", [None, 3, b"orders", ["a"]])
def test_a_name_is_a_text(name: Any) -> None:
    """What is no str is a TypeError."""
    with pytest.raises(TypeError, match="must be a str"):
        checked_name(name)


@pytest.mark.parametrize("given", ["1", "order-17", "ä", "a b", "x" * 256, "🦆", " "])
def test_an_id_is_any_text_of_up_to_256_characters(given: str) -> None:
    """It is returned as it was given."""
    assert checked_id(given) == given


def test_no_id_is_no_id() -> None:
    """None means that the log derives one."""
    assert checked_id(None) is None


@pytest.mark.parametrize(
    "given, error, word",
    [
        ("", ValueError, "empty"),
        ("x" * 257, ValueError, "at most 256 characters, not 257"),
        ("a\nb", ValueError, r"'\\n'"),
        ("a\x00", ValueError, r"'\\x00'"),
        ("a\x85", ValueError, r"'\\x85'"),
        ("a\ud800", ValueError, r"'\\ud800'"),
        ("a\uffff", ValueError, r"'\\uffff'"),
        (17, TypeError, "must be a str, not 17"),
        (b"17", TypeError, "must be a str"),
    ],
)
def test_an_id_that_could_not_travel_is_refused(given: Any, error: type[Exception], word: str) -> None:
    """Empty, too long, with a control character, or no text: the message names the fault."""
    with pytest.raises(error, match=word):
        checked_id(given)


def test_the_message_about_a_long_id_is_short() -> None:
    """An id of a megabyte does not make a message of a megabyte."""
    with pytest.raises(ValueError) as caught:
        checked_id("x" * 2**20)
    assert len(str(caught.value)) < 300


def test_headers_are_copied() -> None:
    """What the caller changes afterwards changes no event."""
    mine = {"traceparent": "00-a-b-01", "tenant": "", "note": "ä b %"}
    checked = checked_headers(mine)
    mine["tenant"] = "changed"
    assert checked == {"traceparent": "00-a-b-01", "tenant": "", "note": "ä b %"}
    assert dict(checked_headers(None)) == {}


@pytest.mark.parametrize("name", ["", "a" * 21, "Tenant", "a-b", "a_b", "ä", "a b", "data_base64"])
def test_the_name_of_a_header_is_that_of_an_extension(name: str) -> None:
    """1 to 20 of a-z 0-9, as CloudEvents asks."""
    with pytest.raises(ValueError, match="1 to 20 of the characters a-z 0-9"):
        checked_headers({name: "x"})


@pytest.mark.parametrize("name", sorted(CORE_ATTRIBUTES | {VERSION_HEADER}))
def test_what_says_something_else_cannot_be_a_header(name: str) -> None:
    """The attributes of CloudEvents and the version of the class are reserved."""
    with pytest.raises(ValueError, match=f"'{name}' is reserved"):
        checked_headers({name: "x"})


@pytest.mark.parametrize(
    "headers, error, word",
    [
        ({"a": 1}, TypeError, "the header 'a' must be a str, not 1"),
        ({1: "a"}, TypeError, "must be a str, not 1"),
        ({"a": "b\r\nset-cookie: c"}, ValueError, r"the header 'a' must not have the character '\\r'"),
        ([("a", "b")], TypeError, "mapping"),
        ("a", TypeError, "mapping"),
    ],
)
def test_headers_are_texts_by_name(headers: Any, error: type[Exception], word: str) -> None:
    """Anything else is refused; so is a line break, by which a header could bring others with it."""
    with pytest.raises(error, match=word):
        checked_headers(headers)


@given(st.text(min_size=1, max_size=256))
def test_an_id_that_is_taken_can_be_written_and_has_no_control_character(text: str) -> None:
    """Whatever is taken goes through UTF-8 and stays on one line."""
    try:
        checked_id(text)
    except ValueError:
        return
    assert text.encode().decode() == text
    assert not any(ord(sign) < 32 or 127 <= ord(sign) < 160 for sign in text)


@pytest.mark.parametrize("name", ["a\nb", "a\x00", "x" * 1_001])
def test_a_wire_name_travels_in_headers(name: str) -> None:
    """A control character, or a name that no header holds, is refused, with the class."""
    with pytest.raises(ValueError, match="the wire name of Order"):
        checked_wire_name(name, "Order")
    assert checked_wire_name("shop.order[int | str]", "Order") == "shop.order[int | str]"


def test_an_id_that_a_function_gives_is_a_text_each_time() -> None:
    """None would be no id, and an import that was run again would store everything twice."""
    assert checked_given_id("a") == "a"
    with pytest.raises(TypeError, match="made None"):
        checked_given_id(None)


def test_unknown_options_are_named_with_those_that_there_are() -> None:
    """By the name of the function that was called."""
    refuse_unknown("subject", {}, ("retain",))
    with pytest.raises(TypeError, match=r"subject\(\) has no option colour; it has retain"):
        refuse_unknown("subject", {"colour": 1}, ("retain",))


@pytest.mark.parametrize("keep, error", [(7, TypeError), (timedelta(-1), ValueError)])
def test_ids_are_kept_for_a_time(keep: Any, error: type[Exception]) -> None:
    """A number says no unit, and less than nothing makes no sense."""
    assert checked_keep_ids(timedelta(0)) == timedelta(0)
    with pytest.raises(error, match="keep_ids"):
        checked_keep_ids(keep)


@pytest.mark.parametrize("size, error", [(0, ValueError), ("1", TypeError), (1.5, TypeError), (True, TypeError)])
def test_an_event_has_a_largest_size(size: Any, error: type[Exception]) -> None:
    """A whole number of bytes."""
    assert checked_max_event_bytes(1) == 1
    with pytest.raises(error, match="max_event_bytes"):
        checked_max_event_bytes(size)
