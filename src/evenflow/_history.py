"""What a subject keeps for later subscriptions: its last events, or the last events of each key."""

from __future__ import annotations

from collections import OrderedDict, deque
from itertools import chain
from operator import itemgetter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class History:
    """The last ``size`` events; with ``key``, the last ``size`` of each of the ``most`` keys published last."""

    __slots__ = ("_by_key", "_count", "_evicted", "_kept", "_most", "_size", "key")

    def __init__(self, size: int, key: Callable[[Any], object] | None, most: int) -> None:
        self._size, self._most = size, most
        self.key: Callable[[Any], object] | None = key
        self._count = self._evicted = 0
        self._kept: deque[Any] = deque(maxlen=size)
        self._by_key: OrderedDict[object, deque[tuple[int, Any]]] = OrderedDict()

    def add(self, event: Any, key: object = None) -> None:
        """Keep an event; with keys, the caller has read the event's key and knows that it can be hashed."""
        if self.key is None:
            self._kept.append(event)
            return
        self._count += 1
        if (kept := self._by_key.get(key)) is None:
            kept = self._by_key[key] = deque(maxlen=self._size)
        kept.append((self._count, event))
        self._by_key.move_to_end(key)
        if len(self._by_key) > self._most:
            self._evicted = self._by_key.popitem(last=False)[1][-1][0]

    def events(self) -> list[Any]:
        """All events that are kept, in the order in which they were published."""
        if self.key is None:
            return list(self._kept)
        return [event for _, event in self._sorted()]

    def numbered(self, published: int) -> list[tuple[int, Any]]:
        """The same, each with its number, where ``published`` is the number of the newest."""
        if self.key is None:
            return list(enumerate(self._kept, published - len(self._kept) + 1))
        return self._sorted()

    def forgotten(self, published: int) -> int:
        """The number of the newest event of which nothing is kept, neither it nor a newer one of its key."""
        return published - len(self._kept) if self.key is None else self._evicted

    def _sorted(self) -> list[tuple[int, Any]]:
        return sorted(chain.from_iterable(self._by_key.values()), key=itemgetter(0))

    def __len__(self) -> int:
        return len(self._kept) + sum(map(len, self._by_key.values()))
