"""Messages as events and records, and back. No decisions, and nothing is asked.

A message of an event is a CloudEvents event in binary mode, in the binding for NATS: ``ce-`` headers, whose values are
percent-encoded, and the event's JSON. Whatever else publishes such messages at the log's subjects is read, too.
"""

from __future__ import annotations

import re
import zlib
from base64 import b64decode
from calendar import timegm
from functools import lru_cache
from time import strptime
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, unquote

from evenflow.log._names import VERSION_HEADER
from evenflow.log._stored import NONE, Record, Row
from evenflow.log._wire import CONTENT_TYPE, source_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from evenflow.log._stored import Append, Put

DERIVED: Final = "Evenflow-Derived"
"""A header of an event whose id was not given."""
DUE: Final = "Evenflow-Due"
KEY: Final = "Evenflow-Key"
PACKED: Final = "Evenflow-Packed"
DELETED: Final = "KV-Operation"
"""A header of the message that a deleted record leaves behind, as in a key-value bucket."""
MSG_ID: Final = "Nats-Msg-Id"
BATCH: Final = "Nats-Batch-Id"
TTL: Final = "Nats-TTL"
ROLLUP: Final = "Nats-Rollup"
EXPECTED: Final = "Nats-Expected-Last-Subject-Sequence"
EXPECTED_OF: Final = "Nats-Expected-Last-Subject-Sequence-Subject"

PACK: Final = 1 << 16
"""Bytes from which the value of a record is compressed."""
_EMPTY: Final = "%"
"""An empty value: a header without one is lost on the way. A percent sign alone cannot be the encoding of a text."""
_PLAIN: Final = re.compile(r"[!#$&-~]*")

_NO_EXTENSIONS: Final = frozenset(
    {
        "ce-specversion", "ce-id", "ce-source", "ce-type", "ce-datacontenttype", "ce-time", "ce-dataschema",
        "ce-subject", f"ce-{VERSION_HEADER}", DERIVED, MSG_ID, BATCH, "Nats-Batch-Sequence", "Nats-Stream",
        "Nats-Subject", "Nats-Sequence", "Nats-Time-Stamp", "Nats-Num-Pending", "Nats-Last-Sequence",
    }
)  # fmt: skip
"""Headers that are no extensions of an event: those of CloudEvents themselves, and most others that there are."""


class Message(NamedTuple):
    """A stored message.

    Attributes:
        subject: where it was published.
        seq: its sequence.
        time: when it was stored, in microseconds since 1970.
        headers: its headers.
        data: its payload.
    """

    subject: str
    seq: int
    time: int
    headers: Mapping[str, str]
    data: bytes

    @property
    def is_deletion(self) -> bool:
        """Whether it says that a record was deleted."""
        return DELETED in self.headers


@lru_cache(4)
def _seconds(text: str) -> int:
    return timegm(strptime(text, "%Y-%m-%dT%H:%M:%S"))


def micros(text: str) -> int:
    """A time of the server's, such as ``2026-11-28T17:59:31.911940808Z``, in microseconds since 1970."""
    fraction = text[20:].rstrip("Z")
    return _seconds(text[:19]) * 1_000_000 + int(fraction[:6].ljust(6, "0") or 0)


def message_of(answer: Any) -> Message:
    """A message that a direct get has answered with."""
    headers = answer.headers
    return Message(
        headers["Nats-Subject"], int(headers["Nats-Sequence"]), micros(headers["Nats-Time-Stamp"]), headers, answer.data
    )


def message_from(found: Mapping[str, Any]) -> Message:
    """A message that the leader has answered with, in JSON."""
    lines = b64decode(found.get("hdrs", "")).decode().split("\r\n")[1:]
    headers = {name: value.strip() for name, colon, value in (line.partition(":") for line in lines) if colon}
    return Message(
        found["subject"], int(found["seq"]), micros(found["time"]), headers, b64decode(found.get("data", ""))
    )


# ---------------------------------------------------------------------- events


def _written(value: str) -> str:
    if _PLAIN.fullmatch(value) and value:
        return value
    return quote(value, safe="!#$&'()*+,/:;<=>?@[\\]^`{|}~") if value else _EMPTY


def _read(value: str) -> str:
    return "" if value == _EMPTY else unquote(value) if "%" in value else value


@lru_cache(256)
def same_for_all(log: str, subject: str, kind: str, version: int) -> dict[str, str]:
    """The headers that all events of one class have. It must not be changed."""
    return {
        "ce-specversion": "1.0",
        "ce-source": source_of(log, subject),
        "ce-type": _written(kind),
        "ce-datacontenttype": CONTENT_TYPE,
        f"ce-{VERSION_HEADER}": str(version),
    }


def lines_of(headers: Mapping[str, str]) -> str:
    """Headers as they are sent. None of ours has a line end: values are percent-encoded."""
    return "".join([f"{name}: {value}\r\n" for name, value in headers.items()])


def event_headers(log: str, append: Append, derived: str) -> dict[str, str]:
    """The headers of an event; ``derived`` is its id where none was given."""
    subject, kind, version, _, more, given, *_ = append
    headers = dict(same_for_all(log, subject, kind, version))
    if given is None:
        headers["ce-id"], headers[DERIVED] = derived, "1"
    else:
        headers["ce-id"] = _written(given)
    for name, value in more.items():
        headers[f"ce-{name}"] = _written(value)
    return headers


def row_of(message: Message) -> Row:
    """An event."""
    headers = message.headers
    kind = _read(headers.get("ce-type", "")) or "?"
    version = headers.get(f"ce-{VERSION_HEADER}", "1")
    others = [name for name in headers if name not in _NO_EXTENSIONS and name.startswith("ce-")]
    more = {name[3:]: _read(headers[name]) for name in others}
    given = "" if DERIVED in headers else _read(headers.get("ce-id", ""))
    return Row(message.seq, kind, int(version), message.data, more or NONE, given, message.time)


# ---------------------------------------------------------------------- records


def put_message(put: Put, key: str | None) -> tuple[bytes, dict[str, str]]:
    """The payload and the headers of a record; with its key, where its subject does not tell it."""
    value, due = put
    headers = {ROLLUP: "sub"}
    if due is not None:
        headers[DUE] = repr(float(due))
    if key is not None:
        headers[KEY] = quote(key, safe="/")
    if len(value) > PACK:
        value = zlib.compress(value, 1)
        headers[PACKED] = "zlib"
    return value, headers


def record_of(message: Message) -> Record:
    """A record."""
    headers = message.headers
    due = headers.get(DUE)
    value = zlib.decompress(message.data) if PACKED in headers else message.data
    return Record(value, message.seq, None if due is None else float(due))


def key_in(message: Message) -> str | None:
    """The key of a record, where a header tells it."""
    key = message.headers.get(KEY)
    return None if key is None else unquote(key)
