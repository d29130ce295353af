"""Where a client says that it has been: what it may write, and what it is answered.

                                     header (Last-Event-ID)      query (?lastEventId=)
    nothing, or empty                begin at ``since``          begin at ``since``
    ``evenflow.end``                 204: nothing more comes     204
    an event that is kept            what came after it          what came after it
    too old, or of another life      gap, then ``since``         gap, then ``since``
    cannot be read                   gap, then ``since``         400
    ``resume=False``                 gap, then ``since``         gap, then ``since``

The header wins: a browser sends it by itself when it comes back, and the address stays the one of its first visit.
A source that gives no cursors (a subject without replay, a state, a stream) takes those of other sources for cursors of
another life.

A cursor of a subject in memory is ``<epoch>-<number>``, that of a durable subject the text of its ``Offset``.
"""

from __future__ import annotations

import re
from typing import Final, NamedTuple, cast

from ._item import END_ID

MOST_CHARACTERS: Final = 512
"""A longer cursor was never ours: the names in an offset are short."""

_MEMORY: Final = re.compile(r"([0-9a-f]{10})-([0-9]{1,18})", re.ASCII)


class Refused(Exception):
    """A client has asked for what cannot be: it is told so, before anything begins.

    Attributes:
        detail: what is wrong, for the client.
    """

    def __init__(self, detail: str) -> None:
        super().__init__(detail)
        self.detail = detail


class Asked(NamedTuple):
    """The place that a client says it has been at.

    Attributes:
        text: the cursor.
        strict: whether one that cannot be read is refused: it stood in the query.
    """

    text: str
    strict: bool

    @property
    def is_the_end(self) -> bool:
        """Whether the client was told that nothing more comes."""
        return self.text == END_ID


def asked_for(header: str | None, query: str | None) -> Asked | None:
    """What a client asks for, by its header or by its query.

    Raises:
        TypeError: what should be the text of the header is none.
    """
    if header is not None and not isinstance(cast("object", header), str):
        raise TypeError(f"last_event_id must be the text of the header Last-Event-ID, or None, not {header!r}")
    if header:
        return Asked(header, strict=False)
    return Asked(query, strict=True) if query else None


def memory_cursor(epoch: str, number: int) -> str:
    """The cursor of an event in memory."""
    return f"{epoch}-{number}"


def parsed_memory_cursor(text: str) -> tuple[str, int] | None:
    """The epoch and the number of a cursor; None where it is none."""
    found = _MEMORY.fullmatch(text)
    return None if found is None else (found[1], int(found[2]))
