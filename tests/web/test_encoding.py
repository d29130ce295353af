"""The JSON of an event: made once as long as the event lives, and nothing kept alive by it."""

from __future__ import annotations

import gc
import logging
import weakref
from dataclasses import dataclass
from typing import Any

import pytest
from pydantic import BaseModel

from evenflow import Event
from evenflow.log._codec import Codec
from evenflow.web._encoding import encode, encoded_value, refuse_clash, stored

from .kit import Placed, Shipped


class Price(BaseModel):
    """A plain model."""

    n: int


@dataclass(frozen=True, slots=True)
class Point:
    """What cannot be known weakly."""

    n: int


@pytest.fixture
def encodings(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """What was encoded."""
    counted: list[object] = []
    plain = Codec.encode

    def count(codec: Codec, event: object) -> bytes:
        counted.append(event)
        return plain(codec, event)

    monkeypatch.setattr(Codec, "encode", count)
    return counted


@pytest.mark.parametrize("value", [Placed(n=1), Price(n=1), "text", 7, b"bytes"])
def test_a_value_is_encoded_once(value: object, encodings: list[object]) -> None:
    """Whoever asks again gets the same bytes."""
    first = encoded_value(value)
    count = len(encodings)
    assert encoded_value(value).data is first.data
    assert len(encodings) == count


@pytest.mark.parametrize(
    "value, expected",
    [
        (Point(1), b'{"n":1}'),
        ([1, 2], b"[1,2]"),
        ({"a": 1}, b'{"a":1}'),
        (True, b"true"),
        (1, b"1"),
        (None, b"null"),
        (-0.0, b"-0.0"),
        (0.0, b"0.0"),
    ],
)
def test_what_cannot_be_known_weakly_is_encoded_each_time(value: object, expected: bytes) -> None:
    """A list may have changed meanwhile; and what is equal need not be the same JSON."""
    assert encoded_value(value).data == expected
    if isinstance(value, list):
        value.append(3)
        assert encoded_value(value).data == b"[1,2,3]"


def test_two_equal_events_are_two() -> None:
    """By identity: an event decides itself what is equal."""
    one, other = Placed(n=1), Placed(n=1)
    assert encoded_value(one).data == encoded_value(other).data
    assert encoded_value(one).data is not encoded_value(other).data


def test_it_keeps_no_event_alive_and_no_number_of_one() -> None:
    """When an event goes, what was known of it goes."""
    event = Placed(n=1)
    encoded_value(event)
    kept: Any = Placed.__dict__["__evenflow_json__"]
    assert id(event) in kept._known
    number, gone = id(event), weakref.ref(event)
    del event
    gc.collect()
    assert gone() is None
    assert number not in kept._known


def test_it_keeps_no_class_alive() -> None:
    """A class that is made in a function goes with its last event."""

    def make() -> weakref.ref[type]:
        class Local(Event):
            n: int

        encoded_value(Local(n=1))
        return weakref.ref(Local)

    gone = make()
    for _ in range(3):
        gc.collect()
    assert gone() is None


def test_what_is_stored_is_sent_unless_the_class_has_changed(encodings: list[object]) -> None:
    """Byte by byte; a former name becomes today's, and an older version is encoded anew."""

    class Renamed(Event, name="renamed", version=2, formerly=("Old",)):
        n: int

    assert stored(Renamed(n=1), 2, b'{"n" : 1}') == ("renamed", b'{"n" : 1}')
    assert encodings == []
    assert stored(Renamed(n=1), 1, b'{"m":1}') == ("renamed", b'{"n":1}')


def test_what_cannot_be_written_is_an_error_without_its_text(caplog: pytest.LogCaptureFixture) -> None:
    """The class of the error, for the client; the traceback, for the log."""
    with caplog.at_level(logging.ERROR, "evenflow.web"):
        assert encode(object()) == ("evenflow.error", b'{"error":"ValueError"}')
    assert caplog.records[0].exc_info


@pytest.mark.parametrize("name", ["a\nb", "a\rb", "a\x1bb", "a\u2028b"])
def test_a_name_that_ends_a_line_is_never_sent(name: str) -> None:
    """`Event` refuses it when the class is made; any other class may have been given it by `type()`."""
    cls = dataclass(type(name, (), {"__annotations__": {"n": int}}))
    assert encode(cls(1)).type == "evenflow.error"  # type: ignore[call-arg]


def test_two_classes_with_one_name_are_refused() -> None:
    """The message names both."""

    class Placed2(Event, name="Placed"):
        n: int

    refuse_clash("orders", (Placed, Shipped))
    with pytest.raises(ValueError, match=r"Placed2.*another|another.*Placed2|kit\.Placed and"):
        refuse_clash("orders", (Placed, Placed2))


def test_a_name_that_could_be_taken_for_a_word_of_ours_is_refused() -> None:
    """`evenflow.end` would end a browser's stream for ever: it is refused at the endpoint, and never sent."""

    class Ours(Event, name="evenflow.end"):
        n: int

    with pytest.raises(ValueError, match=r"Ours.*another"):
        refuse_clash("orders", (Placed, Ours))
    assert encode(Ours(n=1)) == ("evenflow.error", b'{"error":"ValueError"}')
    assert stored(Ours(n=1), 1, b'{"n":1}').type == "evenflow.error"
