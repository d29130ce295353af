"""An event outside the process: encoded once, and a CloudEvents 1.0 event in binary or in structured mode.

    attribute         is
    id                the id that was given, or the text of the event's offset
    source            ``urn:evenflow:<log>:<subject>``: never a path or an address
    type              the wire name
    time              when it was stored, in UTC, to the microsecond
    datacontenttype   application/json
    schemaversion     the version of the class: an extension, written as text
    anything else     a header of the publisher's: ``traceparent`` and its like pass through

In binary mode the data is the event's JSON, and a binding of a transport gives each attribute its prefix.
In structured mode the data is a part of one JSON object; it is put in as it is, and never encoded again.
"""

from __future__ import annotations

import re
from base64 import b64decode
from datetime import datetime
from hashlib import blake2b
from typing import TYPE_CHECKING, Any, Final, NamedTuple, NoReturn, cast

from pydantic_core import from_json, to_json

from evenflow._errors import DecodeError

from ._names import CORE_ATTRIBUTES, NO_HEADERS, VERSION_HEADER, checked_headers, checked_id
from ._offsets import microseconds, moment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ._codec import Codec
    from ._offsets import Offset

MAX_EVENT_BYTES: Final = 2**20
CONTENT_TYPE: Final = "application/json"
STRUCTURED_TYPE: Final = "application/cloudevents+json"

_JSON_TYPE: Final = re.compile(r"[^;]*[/+]json\s*(;.*)?", re.IGNORECASE)


class Encoded(NamedTuple):
    """An event as it is stored.

    Attributes:
        type: its wire name.
        version: the version of its class.
        id: the id that was given; None if none was.
        data: its JSON.
        headers: what goes with it.
    """

    type: str
    version: int
    id: str | None
    data: bytes
    headers: Mapping[str, str] = NO_HEADERS

    @property
    def digest(self) -> bytes:
        """What tells whether two events with one id are the same; empty without an id."""
        return b"" if self.id is None else digest(self.type, self.version, self.data)


class CloudEvent(NamedTuple):
    """A CloudEvents 1.0 event whose data is JSON.

    Attributes:
        id: what makes it one of its source's events.
        source: where it comes from.
        type: the wire name.
        data: its JSON.
        time: when it was stored, in microseconds since 1970; None where that is not said.
        version: the version of its class; 1 where none is said.
        headers: its other extensions. ``subject`` and ``dataschema`` of CloudEvents are not kept.
    """

    id: str
    source: str
    type: str
    data: bytes
    time: int | None = None
    version: int = 1
    headers: Mapping[str, str] = NO_HEADERS


def encode(
    codec: Codec,
    event: object,
    /,
    *,
    id: str | None = None,  # noqa: A002 -- as everywhere in the log
    headers: Mapping[str, str] | None = None,
    max_event_bytes: int = MAX_EVENT_BYTES,
) -> Encoded:
    """Encode an event of the codec's class.

    Raises:
        TypeError: the id or a header has the wrong type.
        ValueError: the id or a header cannot be used, the event cannot be written so that it reads back the same, or
            its JSON and its headers together have more than ``max_event_bytes`` bytes.
    """
    given = None if id is None else checked_id(id)
    extensions = NO_HEADERS if headers is None else checked_headers(headers)
    data = codec.encode(event)
    size = len(data)
    if extensions:
        size += sum(len(name) + len(value.encode()) for name, value in extensions.items())
    if size > max_event_bytes:
        refuse_size(codec.name, size, max_event_bytes)
    return Encoded(codec.name, codec.version, given, data, extensions)


def refuse_size(name: str, size: int, most: int, /) -> NoReturn:
    """Refuse an event that is too large.

    Raises:
        ValueError: always.
    """
    raise ValueError(
        f"this {name} has {size:,} bytes, more than max_event_bytes={most:,}: "
        "put large data elsewhere and publish where it is, or give the log a larger max_event_bytes"
    )


def digest(type: str, version: int, data: bytes, /) -> bytes:  # noqa: A002 -- CloudEvents calls it so
    """What tells whether two events with one id are the same: 16 bytes of their class, version and data."""
    name = type.encode()
    return blake2b(b"%d %d %b%b" % (version, len(name), name, data), digest_size=16).digest()


def id_at(offset: Offset, given: str | None = None, /) -> str:
    """The id of the event at this offset: the one that was given, or the text of the offset.

    It is the same for every reader and in every copy of the log.
    """
    return given or str(offset)


def source_of(log: str, subject: str, /) -> str:
    """The ``source`` of the events of a subject."""
    return f"urn:evenflow:{log}:{subject}"


def attributes_of(event: CloudEvent, /) -> dict[str, str]:
    """The attributes of an event in binary mode, without the prefix of a transport."""
    made = {
        "specversion": "1.0",
        "id": event.id,
        "source": event.source,
        "type": event.type,
        "datacontenttype": CONTENT_TYPE,
        VERSION_HEADER: str(event.version),
    }
    if event.time is not None:
        made["time"] = moment(event.time).isoformat(timespec="microseconds").replace("+00:00", "Z")
    return made | dict(event.headers)


def from_attributes(attributes: Mapping[str, str], data: bytes, /) -> CloudEvent:
    """An event in binary mode: its attributes, without the prefix of a transport, and its JSON.

    Raises:
        DecodeError: an attribute is missing or wrong, or the data is of another type than JSON.
    """
    return _event(attributes, data)


def structured(event: CloudEvent, /) -> bytes:
    """An event in structured mode: one JSON object, ``application/cloudevents+json``."""
    return b'%b,"data":%b}' % (to_json(attributes_of(event))[:-1], event.data)


def from_structured(text: bytes, /) -> CloudEvent:
    """The event that this is in structured mode.

    Raises:
        DecodeError: it is no JSON object, an attribute is missing or wrong, or the data is of another type than JSON.
    """
    try:
        found = from_json(text)
    except ValueError as error:
        raise DecodeError(f"this is no CloudEvents event in structured mode: {error}") from error
    if not isinstance(found, dict):
        raise DecodeError(f"an event in structured mode is a JSON object, not {type(found).__name__}")
    members = cast("dict[str, Any]", found)
    if "data" in members and "data_base64" in members:
        raise DecodeError("an event has either data or data_base64, and this one has both")
    encoded = members.pop("data_base64", None)
    data = to_json(members.pop("data", None)) if encoded is None else _from_base64(encoded)
    given = {name: _as_text(name, value) for name, value in members.items() if value is not None}
    return _event(given, data)


def _event(given: Mapping[str, str], data: bytes) -> CloudEvent:
    for name in ("specversion", "id", "source", "type"):
        if not given.get(name):
            raise DecodeError(f"an event needs the attribute {name!r}, and this one has {', '.join(given) or 'none'}")
    if given["specversion"] != "1.0":
        raise DecodeError(f"evenflow reads CloudEvents 1.0, not {given['specversion']!r}", type=given["type"])
    content = given.get("datacontenttype", CONTENT_TYPE)
    if not _JSON_TYPE.fullmatch(content):
        raise DecodeError(f"evenflow reads events whose data is JSON, not {content!r}", type=given["type"])
    return CloudEvent(
        id=given["id"],
        source=given["source"],
        type=given["type"],
        data=data,
        time=_time(given["time"], given["type"]) if "time" in given else None,
        version=_version(given.get(VERSION_HEADER, "1"), given["type"]),
        headers={
            name: value for name, value in given.items() if name not in CORE_ATTRIBUTES and name != VERSION_HEADER
        },
    )


def _time(text: str, name: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise DecodeError(f"the time of this {name} is no time of RFC 3339: {text!r}", type=name) from error
    if time.tzinfo is None:
        raise DecodeError(f"the time of this {name} does not say its zone: {text!r}", type=name)
    return microseconds(time)


def _version(text: str, name: str) -> int:
    if not (text.isascii() and text.isdigit() and text[0] != "0" and len(text) < 10):  # noqa: PLR2004 -- fits anywhere
        raise DecodeError(f"{VERSION_HEADER} of this {name} is no whole number from 1: {text!r}", type=name)
    return int(text)


def _as_text(name: str, value: object) -> str:
    """The value of an attribute in the JSON format as the text that it is in binary mode."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        return str(value)
    raise DecodeError(f"the attribute {name!r} is {value!r}: CloudEvents has texts, whole numbers and bools")


def _from_base64(text: object) -> bytes:
    try:
        return b64decode(cast("str", text), validate=True)
    except (TypeError, ValueError) as error:
        raise DecodeError("data_base64 of an event is no base64") from error
