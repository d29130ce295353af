"""An event outside the process, and what the SDK of CloudEvents says of it."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from cloudevents.core.bindings.http import (
    HTTPMessage,
    from_binary,
    from_structured as sdk_from_structured,
    to_binary,
    to_structured,
)
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent as SdkEvent
from hypothesis import given, strategies as st

from evenflow import DecodeError, Event
from evenflow.log._codec import codec_of
from evenflow.log._names import CORE_ATTRIBUTES, VERSION_HEADER
from evenflow.log._offsets import Offset, microseconds
from evenflow.log._wire import (
    CloudEvent,
    Encoded,
    attributes_of,
    digest,
    encode,
    from_attributes,
    from_structured,
    id_at,
    source_of,
    structured,
)


class Order(Event, name="shop.order.placed", version=3):
    number: int
    total: Decimal = Decimal("1.50")
    note: str = ""


CODEC = codec_of(Order)
NOW = microseconds(datetime(2026, 11, 28, 12, 0, 0, 123456, tzinfo=UTC))
EVENT = CloudEvent(
    id="order-17",
    source="urn:evenflow:shop:orders",
    type="shop.order.placed",
    data=CODEC.encode(Order(number=17, note='"ä\n🦆')),
    time=NOW,
    version=3,
    headers={
        "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "note": 'ä "b" % c',
        "empty": "",
    },
)
# What may stand in an attribute: no controls, no surrogates, nothing that Unicode will never assign.
TEXTS = st.text(st.characters(exclude_categories=("Cc", "Cs", "Cn")), min_size=1, max_size=20)
HEADERS = st.dictionaries(
    st.from_regex(r"[a-z0-9]{1,20}", fullmatch=True).filter(
        lambda name: name not in CORE_ATTRIBUTES | {VERSION_HEADER}
    ),
    TEXTS,
    max_size=3,
)
JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**53), 2**53)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
).map(lambda value: json.dumps(value).encode())
EVENTS = st.builds(
    CloudEvent,
    id=TEXTS,
    source=TEXTS,
    type=TEXTS,
    data=JSON,
    time=st.none() | st.datetimes(timezones=st.just(UTC)).map(microseconds),
    version=st.integers(1, 999_999_999),
    headers=HEADERS,
)

TIMED = EVENTS.filter(lambda event: event.time is not None)
"""The SDK puts the time of today into an event that has none."""

OBJECTS = st.dictionaries(st.text(), JSON.map(json.loads), min_size=1, max_size=3)
"""The SDK writes a text as it is, and nothing for what is empty or false."""


def same(one: CloudEvent, other: CloudEvent) -> bool:
    """Whether they are the same, however their JSON is spelled."""
    return one._replace(data=b"") == other._replace(data=b"") and json.loads(one.data) == json.loads(other.data)


def test_an_event_is_encoded_once() -> None:
    """Its wire name and version, the id that was given, its JSON, and its headers."""
    encoded = encode(CODEC, Order(number=1), id="order-1", headers={"tenant": "a"})
    assert encoded == Encoded(
        "shop.order.placed", 3, "order-1", b'{"number":1,"total":"1.50","note":""}', {"tenant": "a"}
    )
    assert encode(CODEC, Order(number=1)) == encoded._replace(id=None, headers={})


@pytest.mark.parametrize("keywords", [{"id": ""}, {"id": "a\n"}, {"headers": {"Id": "x"}}, {"headers": {"id": "x"}}])
def test_an_id_or_a_header_that_cannot_travel_is_refused(keywords: Any) -> None:
    """Before anything is encoded."""
    with pytest.raises(ValueError):
        encode(CODEC, Order(number=1), **keywords)


def test_an_event_that_is_too_large_is_refused() -> None:
    """Its JSON and its headers count, in bytes; the message has both numbers."""
    event, size = Order(number=1), len(CODEC.encode(Order(number=1)))
    assert encode(CODEC, event, max_event_bytes=size)
    with pytest.raises(ValueError, match=f"has {size} bytes, more than max_event_bytes={size - 1}"):
        encode(CODEC, event, max_event_bytes=size - 1)
    assert encode(CODEC, event, headers={"a": "ä"}, max_event_bytes=size + 3)
    with pytest.raises(ValueError, match=f"has {size + 3} bytes"):
        encode(CODEC, event, headers={"a": "ä"}, max_event_bytes=size + 2)
    with pytest.raises(ValueError, match="more than max_event_bytes=1,048,576"):
        encode(CODEC, Order(number=1, note="x" * 2**20))


def test_a_digest_tells_whether_two_events_with_one_id_are_the_same() -> None:
    """Class, version and bytes count, and headers do not; without an id there is none."""
    one = encode(CODEC, Order(number=1), id="a", headers={"x": "1"})
    assert one.digest == encode(CODEC, Order(number=1), id="a", headers={"x": "2"}).digest
    others = [encode(CODEC, Order(number=2), id="a"), one._replace(version=2), one._replace(type="other")]
    assert len({one.digest, *(other.digest for other in others)}) == 4
    assert encode(CODEC, Order(number=1)).digest == b""
    assert len(one.digest) == 16


def test_a_digest_keeps_its_parts_apart() -> None:
    """What ends one part and begins the next makes another digest."""
    digests = [
        digest("a", 1, b"1 b"),
        digest("a1", 1, b" b"),
        digest("a", 11, b" b"),
        digest("a 1", 1, b"b"),
        digest("", 1, b""),
    ]
    assert len(set(digests)) == len(digests)


def test_a_digest_stays_what_it_is() -> None:
    """Digests are kept for days, and a later release must find the same."""
    assert digest("a", 1, b"{}").hex() == "38b2a6d5788e13cc7b305025d9e8846a"


def test_an_id_that_was_not_given_is_that_of_the_place() -> None:
    """The text of the offset, for every reader the same."""
    offset = Offset("orders", "k3x9", 17)
    assert id_at(offset) == "orders.k3x9.17"
    assert id_at(offset, "order-17") == "order-17"
    assert id_at(offset, "") == "orders.k3x9.17"


def test_the_source_is_the_log_and_the_subject() -> None:
    """Never a path or an address."""
    assert source_of("shop", "orders") == "urn:evenflow:shop:orders"


def test_the_attributes_of_an_event_in_binary_mode() -> None:
    """All are texts: what CloudEvents asks for, the version as an extension, and the headers as they are."""
    assert attributes_of(EVENT) == {
        "specversion": "1.0",
        "id": "order-17",
        "source": "urn:evenflow:shop:orders",
        "type": "shop.order.placed",
        "time": "2026-11-28T12:00:00.123456Z",
        "datacontenttype": "application/json",
        "schemaversion": "3",
        **EVENT.headers,
    }
    assert "time" not in attributes_of(EVENT._replace(time=None))


@given(EVENTS)
def test_both_modes_are_read_back(event: CloudEvent) -> None:
    """Binary mode to the byte; structured mode with the same data, however it is spelled."""
    assert from_attributes(attributes_of(event), event.data) == event
    assert same(from_structured(structured(event)), event)


@given(TIMED)
def test_the_sdk_reads_what_we_write(event: CloudEvent) -> None:
    """In structured and in binary mode it finds the same attributes and the same data."""
    binary = HTTPMessage({f"ce-{name}": _percent(text) for name, text in attributes_of(event).items()}, event.data)
    binary.headers["content-type"] = _unpercent(binary.headers.pop("ce-datacontenttype"))
    for read in (
        sdk_from_structured(HTTPMessage({}, structured(event)), JSONFormat(), SdkEvent),
        from_binary(binary, JSONFormat(), SdkEvent),
    ):
        assert (read.get_id(), read.get_source(), read.get_type()) == (event.id, event.source, event.type)
        assert read.get_specversion() == "1.0"
        assert read.get_datacontenttype() == "application/json"
        moment = read.get_time()
        assert moment is not None
        assert microseconds(moment) == event.time
        assert read.get_data() == json.loads(event.data)
        assert {name: str(read.get_extension(name)) for name in (*event.headers, "schemaversion")} == {
            **event.headers,
            "schemaversion": str(event.version),
        }


@given(TIMED, OBJECTS)
def test_we_read_what_the_sdk_writes(event: CloudEvent, data: dict[str, Any]) -> None:
    """In structured and in binary mode, with the same attributes and the same data."""
    attributes: dict[str, Any] = dict(attributes_of(event))
    attributes["time"] = datetime.fromisoformat(attributes["time"])
    theirs, event = SdkEvent(attributes, data), event._replace(data=json.dumps(data).encode())
    assert same(from_structured(to_structured(theirs, JSONFormat()).body), event)
    binary = to_binary(theirs, JSONFormat())
    found = {name.removeprefix("ce-"): _unpercent(text) for name, text in binary.headers.items()}
    found["datacontenttype"] = found.pop("content-type")
    assert same(from_attributes(found, binary.body), event)


def _percent(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _unpercent(text: str) -> str:
    from urllib.parse import unquote

    return unquote(text)


FOREIGN = {"specversion": "1.0", "id": "1", "source": "/shop", "type": "T"}


def test_an_event_of_somebody_else_has_version_1_and_its_own_extensions() -> None:
    """Whole numbers and bools of the JSON format become the texts that they are in binary mode; null is as if absent."""
    read = from_structured(json.dumps({**FOREIGN, "data": {"a": 1.5}, "count": 3, "ok": True, "no": None}).encode())
    assert read == CloudEvent("1", "/shop", "T", b'{"a":1.5}', None, 1, {"count": "3", "ok": "true"})


def test_what_cloudevents_has_and_the_log_does_not_keep_is_left_out() -> None:
    """`subject` and `dataschema` become no headers: they could not be published again as such."""
    assert from_attributes({**FOREIGN, "subject": "s", "dataschema": "urn:x"}, b"{}").headers == {}


def test_data_may_be_in_base64_or_missing() -> None:
    """`data_base64` has the bytes of the JSON; an event without data has null."""
    assert from_structured(json.dumps({**FOREIGN, "data_base64": "eyJhIjoxfQ=="}).encode()).data == b'{"a":1}'
    assert from_structured(json.dumps(FOREIGN).encode()).data == b"null"


@pytest.mark.parametrize(
    "content",
    ["application/json", "application/json; charset=utf-8", "text/json", "application/x+json", "APPLICATION/JSON"],
)
def test_every_type_of_json_is_read(content: str) -> None:
    """Also with a parameter, and in capitals."""
    assert from_attributes({**FOREIGN, "datacontenttype": content}, b"1").data == b"1"


@pytest.mark.parametrize(
    "time, microsecond",
    [("2026-11-28T12:00:00.123456Z", 123456), ("2026-11-28T14:00:00.5+02:00", 500_000), ("2026-11-28T12:00:00Z", 0)],
)
def test_a_time_is_read_in_any_zone(time: str, microsecond: int) -> None:
    """As RFC 3339 writes it."""
    assert from_attributes({**FOREIGN, "time": time}, b"1").time == NOW - 123456 + microsecond


@pytest.mark.parametrize(
    "change, word",
    [
        ({"id": ""}, "needs the attribute 'id'"),
        ({"source": None}, "needs the attribute 'source'"),
        ({"type": None}, "needs the attribute 'type'"),
        ({"specversion": None}, "needs the attribute 'specversion'"),
        ({"specversion": "0.3"}, "CloudEvents 1.0, not '0.3'"),
        ({"datacontenttype": "text/plain"}, "JSON, not 'text/plain'"),
        ({"datacontenttype": "application/jsonish"}, "JSON, not 'application/jsonish'"),
        ({"time": "yesterday"}, "no time of RFC 3339: 'yesterday'"),
        ({"time": "2026-11-28T12:00:00"}, "does not say its zone"),
        ({"schemaversion": "0"}, "no whole number from 1: '0'"),
        ({"schemaversion": ""}, "no whole number from 1: ''"),
        ({"schemaversion": "1.5"}, "no whole number from 1"),
        ({"schemaversion": "٣"}, "no whole number from 1"),
        ({"schemaversion": "9" * 5000}, "no whole number from 1"),
        ({"extra": [1]}, "the attribute 'extra'"),
        ({"extra": 1.5}, "texts, whole numbers and bools"),
        ({"data": 1, "data_base64": "MQ=="}, "has both"),
        ({"data_base64": "?"}, "no base64"),
        ({"data_base64": 3}, "no base64"),
    ],
)
def test_what_is_no_event_of_ours_is_a_decode_error(change: dict[str, Any], word: str) -> None:
    """With what is missing or wrong, and the type where it is known."""
    with pytest.raises(DecodeError, match=word):
        from_structured(json.dumps({**FOREIGN, **change}).encode())
    if all(isinstance(value, str) for value in change.values()) and "data_base64" not in change:
        with pytest.raises(DecodeError, match=word):
            from_attributes({**FOREIGN, **change}, b"1")


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"7", b"\xff"])
def test_what_is_no_object_is_a_decode_error(text: bytes) -> None:
    """Whatever else it is."""
    with pytest.raises(DecodeError):
        from_structured(text)


def test_a_decode_error_knows_the_type() -> None:
    """For whoever counts what could not be read."""
    with pytest.raises(DecodeError) as caught:
        from_attributes({**FOREIGN, "specversion": "2.0"}, b"1")
    assert caught.value.type == "T"
