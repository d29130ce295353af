"""The plan of one event that has no id and no headers, which most changes are: at a fifth of what a ``Plan`` costs.

Its headers are made as the bytes that are sent: all but two of them are the same for all events of a class.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, ClassVar, Final

from evenflow.log._stored import NONE, Done

from ._plan import ADDED, SMALL, Out
from ._values import DERIVED, MSG_ID, event_headers, lines_of, same_for_all

if TYPE_CHECKING:
    from evenflow.log._stored import Append, Change

    from ._names import Names
    from ._plan import Writing

_START: Final = "NATS/1.0\r\n"


def is_one_event(change: Change) -> bool:
    """Whether a change is one event without an id and headers, and nothing else."""
    expect, puts, deletes, appends, reserves, frees, _ = change
    if len(appends) != 1 or expect or puts or deletes or reserves or frees:
        return False
    return appends[0].id is None and not appends[0].headers


class EventPlan:
    """The message of such a change.

    Attributes:
        touched: no record, and no id.
        expects: whether the server is to look at something before it stores it: at nothing.
    """

    touched: ClassVar[frozenset[str]] = frozenset()
    expects: ClassVar[bool] = False
    __slots__ = ("_append", "_name", "_writing")

    def __init__(self, writing: Writing, append: Append, name: str) -> None:
        self._writing = writing
        self._append = append
        self._name = name

    @property
    def _derived(self) -> str:
        return f"{self._name}-0"

    def single(self) -> tuple[str, bytes, bytes]:
        """Where it is sent to, its payload, and its headers as they are sent, with its id for the server."""
        append, writing, name = self._append, self._writing, self._name
        subject, kind, version, data, _, _, _, _, _, route = append
        head = _head(writing.log, subject, kind, version)
        head = f"{head}ce-id: {name}-0\r\n{DERIVED}: 1\r\n{MSG_ID}: {name}\r\n\r\n"
        names = writing.names
        to = _plain_subject(names, subject, kind) if route is None else names.event(subject, kind, route)
        return to, data, head.encode()

    @property
    def messages(self) -> list[Out]:
        """The message, for a batch."""
        append = self._append
        to = self._writing.names.event(append.subject, append.type, append.route)
        return [Out(to, append.data, event_headers(self._writing.log, append, self._derived))]

    @property
    def largest(self) -> int:
        """Bytes of the message; 0 where it is small."""
        size = len(self._append.data)
        if size < SMALL:
            return 0
        (out,) = self.messages
        return size + ADDED + sum(map(len, (*out.headers, *out.headers.values())))

    def done(self, first: int) -> Done:
        """What the change came to, if its message has this sequence."""
        return Done((first,), NONE)

    def newest_event(self, first: int) -> int:
        """The number of the event."""
        return first


@lru_cache(256)
def _head(log: str, subject: str, kind: str, version: int) -> str:
    """The headers that all events of a class have, as they are sent."""
    return _START + lines_of(same_for_all(log, subject, kind, version))


@lru_cache(256)
def _plain_subject(names: Names, subject: str, kind: str) -> str:
    return names.event(subject, kind)
