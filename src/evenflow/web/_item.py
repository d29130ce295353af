"""One thing that a client gets: an event, or a word of evenflow's own. Its text in each form is made once.

    SSE          id: <cursor>          WebSocket    {"type":"OrderPlaced","id":"<cursor>","data":{...}}
                 event: OrderPlaced
                 data: {...}
                 (an empty line)

Nothing can be forged: an id and a type with a line end never come so far, and a line end in the data begins a new
``data:`` line, which the browser joins again.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from pydantic_core import to_json

if TYPE_CHECKING:
    from collections.abc import Mapping

GAP: Final = "evenflow.gap"
END: Final = "evenflow.end"
SLOW: Final = "evenflow.slow"
END_ID: Final = "evenflow.end"
"""The id of the end: whoever comes back with it is answered 204."""

_LINE_END: Final = re.compile(rb"\r\n|\r|\n")


class Item:
    """What a client gets.

    Attributes:
        id: the cursor: whoever comes back with it gets what came after; None where one cannot go on.
        type: the wire name, or one of ``evenflow.gap``, ``evenflow.end``, ``evenflow.slow`` and ``evenflow.error``.
        data: its JSON.
        headers: those headers of a durable event that were asked for; None where none were.
    """

    __slots__ = ("_block", "_frame", "data", "headers", "id", "type")

    def __init__(self, id: str | None, type: str, data: bytes, headers: Mapping[str, str] | None = None) -> None:  # noqa: A002 -- the words of SSE
        self.id: str | None = id
        self.type: str = type
        self.data: bytes = data
        self.headers: Mapping[str, str] | None = headers
        self._block: bytes | None = None
        self._frame: str | None = None

    @property
    def block(self) -> bytes:
        """The lines of a server-sent event, with the empty line at its end."""
        if self._block is None:
            data = self.data
            if self.headers is not None:
                data = b'{"headers":%b,"data":%b}' % (to_json(dict(self.headers)), data)
            lines = [b"event: " + self.type.encode()]
            if self.id is not None:
                lines.insert(0, b"id: " + self.id.encode())
            lines += [b"data: " + line for line in _LINE_END.split(data)]
            self._block = b"\n".join(lines) + b"\n\n"
        return self._block

    @property
    def frame(self) -> str:
        """The text frame of a WebSocket."""
        if self._frame is None:
            words: dict[str, Any] = {"type": self.type, "id": self.id}
            if self.headers is not None:
                words["headers"] = dict(self.headers)
            self._frame = (b'%b,"data":%b}' % (to_json(words)[:-1], self.data)).decode()
        return self._frame

    def __repr__(self) -> str:
        return f"<Item {self.type} {self.id}>"


def gap(place: str | None, missed: int | None) -> Item:
    """Here events are missing: so many, or nobody knows how many."""
    return Item(place, GAP, to_json({"missed": missed}))


def end(error: str | None) -> Item:
    """Nothing more comes, and there is no use in coming back; with the class of the error, if it was one."""
    return Item(END_ID, END, to_json({"error": error}))


def slow() -> Item:
    """This client was too slow; it may come back."""
    return Item(None, SLOW, b"{}")
