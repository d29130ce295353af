"""What a reader of a log gets beside the event: where it stands, under which id, since when, and with which headers."""

from __future__ import annotations

from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from evenflow._errors import refuses_copying

from ._offsets import moment
from ._wire import id_at

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from datetime import datetime

    from ._offsets import Offset
    from ._stored import Row

W_co = TypeVar("W_co", covariant=True)


class Record(Generic[W_co]):
    """An event as it is stored.

    Attributes of it do not change, and two records of one offset are equal.
    """

    # The rest is made of the row when it is asked for: to make all of it costs twice as much as reading the event.
    __slots__ = ("_event", "_memo", "_offset_of", "_row")

    def __init__(self, event: W_co, row: Row, offset_of: Callable[[int], Offset]) -> None:
        self._event = event
        self._row = row
        self._offset_of = offset_of
        self._memo: Any = None
        """What a reader made of it, for the other readers of this very record."""

    @property
    def event(self) -> W_co:
        """The event itself."""
        return self._event

    @property
    def offset(self) -> Offset:
        """Where it stands in its subject: what to go on after."""
        return self._offset_of(self._row.seq)

    @property
    def id(self) -> str:
        """The id that it was published with, or one that was derived from its place."""
        return self._row.id or id_at(self.offset)

    @property
    def published_at(self) -> datetime:
        """When it was stored, in UTC; never earlier than the event before it."""
        return moment(self._row.time)

    @property
    def headers(self) -> Mapping[str, str]:
        """What the publisher gave beside the event; read-only, because other readers may have this very record."""
        return MappingProxyType(self._row.headers)

    if not TYPE_CHECKING:
        __reduce_ex__ = refuses_copying("keep its event, or its offset")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Record):
            return NotImplemented
        return bool(self.offset == other.offset and self._event == other._event)  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType]

    def __hash__(self) -> int:
        return hash(self.offset)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.offset} {self._event!r}>"
