"""The subjects of a log's messages in its stream. ``P`` is the prefix, such as ``evenflow.shop``.

P.events.orders.OrderPlaced._           the events of a subject, by type
P.events.orders.OrderPlaced.region@1.eu    the same, routed by a field: its value in an event of version 1 of its class
P.routes.orders                         by which fields events of a subject were ever routed
P.records.group.orders.billing          a record: the parts of its key are tokens
P.floors.orders                         up to which number retention has removed events of a subject
P_quiet.records.page.orders.billing.x   a record whose changes wake nobody
P_quiet.ids.orders.x17                  the id of an event: the event is the next message
P_quiet.members.M                       a member: when it was last heard of, and what it has begun
P_quiet.meta                            the format, and the lines of history
P_heard.>                               not stored: what the server says of each message at ``P.>``
"""

from __future__ import annotations

import re
from hashlib import blake2b
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Sequence

    from evenflow.log._routes import Route

QUIET: Final = "page"
"""The first part of the keys of records whose changes wake nobody."""
LONGEST: Final = 200
"""Characters of a token: what is longer is a digest. A server takes 4,096 bytes for subjects in one command."""

_UNSAFE: Final = re.compile(rb"[^A-Za-z0-9_-]")


def token(text: str) -> str:
    """A text as one token of a subject: ``=`` and two hexadecimal digits stand for what cannot be in one."""
    if text.isidentifier() and text.isascii() and len(text) <= LONGEST:
        return text
    escaped = _UNSAFE.sub(lambda found: b"=%02X" % found[0][0], text.encode()).decode()
    if len(escaped) > LONGEST:
        return "=" + blake2b(text.encode(), digest_size=20).hexdigest()
    return escaped or "="


def text_of(token: str) -> str | None:
    """The text of a token; None where the token is only a digest."""
    if "=" not in token:
        return token
    if token == "=":  # noqa: S105 -- no password
        return ""
    if len(token) == 41 and token.count("=") == 1:  # noqa: PLR2004 -- = and 40 digits
        return None
    return re.sub(rb"=(..)", lambda found: bytes([int(found[1], 16)]), token.encode()).decode()


def layout_token(fields: Sequence[str], version: int) -> str:
    """By which fields an event is routed, and for which version of its class: ``region+customer=2Ecountry@1``."""
    return f"{'+'.join(map(token, fields))}@{version}"


class Names:
    """The subjects of one log.

    Attributes:
        stream: the name of the stream.
        prefix: what each subject begins with.
        events: all events.
        meta: the format, and the lines of history.
        heard: where the server says what it has stored.
    """

    def __init__(self, stream: str, prefix: str) -> None:
        self.stream: str = stream
        self.prefix: str = prefix
        self.stored: list[str] = [f"{prefix}.>", f"{prefix}_quiet.>"]
        self.events: str = f"{prefix}.events.>"
        self.meta: str = f"{prefix}_quiet.meta"
        self.heard: str = f"{prefix}_heard.>"
        self.floors: str = f"{prefix}.floors.>"
        self._loud = f"{prefix}.records."
        self._quiet = f"{prefix}_quiet.records."

    def event(self, subject: str, type: str, route: Route | None = None) -> str:  # noqa: A002 -- as in the engine
        """The events of one type that have this route."""
        start = f"{self.prefix}.events.{subject}.{token(type)}."
        if route is None:
            return f"{start}_"
        return f"{start}{layout_token(route.fields, route.version)}.{'.'.join(map(token, route.texts))}"

    def routes(self, subject: str) -> str:
        """By which fields the events of a subject were ever routed."""
        return f"{self.prefix}.routes.{subject}"

    def heard_of(self, subject: str) -> str:
        """Where the server says what it has stored at a subject, or at a pattern."""
        return self.heard[:-1] + subject[len(self.prefix) + 1 :]

    def of_subject(self, subject: str, type: str | None = None) -> str:  # noqa: A002 -- as in the engine
        """All events of a subject, or those of one type."""
        return (
            f"{self.prefix}.events.{subject}.>" if type is None else f"{self.prefix}.events.{subject}.{token(type)}.>"
        )

    def floor(self, subject: str) -> str:
        """What was removed of a subject."""
        return f"{self.prefix}.floors.{subject}"

    def id(self, subject: str, id: str) -> str:  # noqa: A002 -- as everywhere in the log
        """The record of an id."""
        return f"{self.prefix}_quiet.ids.{subject}.{token(id)}"

    def member(self, member: str) -> str:
        """The record of a member."""
        return f"{self.prefix}_quiet.members.{token(member)}"

    def filler(self, member: str, number: int) -> str:
        """A message that only carries an expectation."""
        return f"{self.prefix}_quiet.fillers.{token(member)}.{number}"

    def record(self, key: str) -> str:
        """A record."""
        parts = key.split("/")
        base = self._quiet if parts[0] == QUIET else self._loud
        return base + ".".join(map(token, parts))

    def records(self, prefix: str) -> list[str]:
        """Where all records are whose keys begin so; others may be there, too."""
        folder = prefix.rpartition("/")[0]
        if not folder:
            return [self._loud + ">", self._quiet + ">"]
        return [self.record(folder) + ".>"]

    def key(self, subject: str) -> str | None:
        """The key of the record at a subject; None where a token is only a digest."""
        rest = subject.removeprefix(self._loud).removeprefix(self._quiet)
        parts = [text_of(part) for part in rest.split(".")]
        return None if None in parts else "/".join(part or "" for part in parts)
