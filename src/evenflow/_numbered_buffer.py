"""A buffer whose events carry their numbers: each is numbered in the moment in which it is appended.

A mailbox that made the numbered event itself would be looked at, and measured, for each event. So it is the deque that
does, and publishers append to this buffer as to any other: that takes a third of the time.
"""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING, Any, Final, TypeVar

from ._buffer import Buffer

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from ._numbers import Numbers

T = TypeVar("T")

_append: Final = deque[Any].append
_extend: Final = deque[Any].extend


class NumberedInbox(deque[Any]):
    """What publishers append bare events to, and readers take numbered ones from."""

    __slots__ = ("_numbers", "fill")

    def __init__(self, numbers: Numbers) -> None:
        super().__init__()
        self._numbers = numbers
        self.fill: tuple[int, Callable[[], None]] | None = None
        """As for ``Buffer.fill``."""

    def append(self, event: Any, /) -> None:
        """Append the event that is being given out, with its number."""
        _append(self, self._numbers.carry(event))
        if (fill := self.fill) is not None and len(self) >= fill[0]:
            fill[1]()

    def extend(self, events: Iterable[Any], /) -> None:
        """Append a run of events that are being given out together."""
        _extend(self, self._numbers.carry_all(events))
        if (fill := self.fill) is not None and len(self) >= fill[0]:
            fill[1]()


class NumberedBuffer(Buffer[T]):
    """What one subscription has to read, as numbered events."""

    __slots__ = ("_numbers",)

    def __init__(self, capacity: int, numbers: Numbers) -> None:
        super().__init__(capacity)
        self._numbers = numbers

    def new_inbox(self) -> deque[Any]:
        inbox = NumberedInbox(self._numbers)
        inbox.fill = self.fill
        return inbox

    def tell_of_fill(self, events: int, tell: Callable[[], None] | None) -> None:
        """As for any buffer; the inbox looks, because nobody else sees an append."""
        super().tell_of_fill(events, tell)
        if isinstance(inbox := self.inbox, NumberedInbox):
            inbox.fill = self.fill
