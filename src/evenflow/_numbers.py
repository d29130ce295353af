"""The number of each event in one life of a subject, for readers that must say where they are.

Rule 1: the n-th event that is published has the number n, whoever wants it; one instance that is published twice has
        two numbers.
Rule 2: all readers of one event get the same object, so that what one of them makes of it (``memo``) serves all.
Rule 3: nothing here keeps an event alive. A numbered event lives as long as it lies in a buffer, or somebody reads it.

As long as nobody asks for numbers, it costs no more than to be made.
"""

from __future__ import annotations

from secrets import token_hex
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

if TYPE_CHECKING:
    from collections.abc import Iterable

    from ._history import History

E_co = TypeVar("E_co", covariant=True)


class Numbered(Generic[E_co]):
    """An event and its number.

    Attributes:
        event: the event.
        number: how many events were published up to this one.
        memo: what a reader made of it, such as its JSON; it goes with this object.
    """

    __slots__ = ("__weakref__", "event", "memo", "number")

    def __init__(self, event: E_co, number: int) -> None:
        self.event: E_co = event
        self.number: int = number
        self.memo: Any = None

    def __repr__(self) -> str:
        return f"<Numbered {self.number} {self.event!r}>"


class Counter(Protocol):
    """Whoever gives events out, and counts them."""

    published: int


class Numbers:
    """Numbers the events of one life.

    Attributes:
        is_kept: whether the subject keeps events for later, so that one can go on after a number.
        epoch: tells this life from every other one, in other processes as well.
    """

    __slots__ = ("_counter", "_history", "_known", "epoch", "is_kept")

    def __init__(self, counter: Counter, history: History | None) -> None:
        self.is_kept: bool = history is not None
        self._counter = counter
        self._history = history
        self.begin_anew()

    def begin_anew(self) -> None:
        """The events are others from now on: a life begins, or this is a copy of one in another process."""
        self.epoch: str = token_hex(5)
        self._known: WeakValueDictionary[int, Numbered[Any]] = WeakValueDictionary()

    @property
    def newest(self) -> int:
        """The number of the newest event; 0 where there is none."""
        return self._counter.published

    def carry(self, event: object) -> Numbered[Any]:
        """The event that is being given out, with its number. It is counted when all have it."""
        return self._numbered(self._counter.published + 1, event)

    def carry_all(self, events: Iterable[Any]) -> list[Numbered[Any]]:
        """A run of events that are being given out together, with their numbers."""
        return [self._numbered(number, event) for number, event in enumerate(events, self._counter.published + 1)]

    def after(self, number: int) -> list[Numbered[Any]]:
        """What is kept of the events after this one, in order."""
        if self._history is None:
            return []
        kept = self._history.numbered(self._counter.published)
        return [self._numbered(at, event) for at, event in kept if at > number]

    def start(self) -> int:
        """The number after which everything comes that is kept."""
        kept = self.after(0)
        return kept[0].number - 1 if kept else self.newest

    def reaches_back_to(self, number: int) -> bool:
        """Whether everything after this number is kept, but for what a newer event of its key replaced."""
        return self._history is not None and number >= self._history.forgotten(self._counter.published)

    def _numbered(self, number: int, event: object) -> Numbered[Any]:
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = Numbered(event, number)
        return known
