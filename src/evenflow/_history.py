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

    __slots__ = ("_by_key", "_count", "_kept", "_most", "_size", "key")

    def __init__(self, size: int, key: Callable[[Any], object] | None, most: int) -> None:
        self._size, self._most = size, most
        self.key: Callable[[Any], object] | None = key
        self._count = 0
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
            self._by_key.popitem(last=False)

    def events(self) -> list[Any]:
        """All events that are kept, in the order in which they were published."""
        if self.key is None:
            return list(self._kept)
        return [event for _, event in sorted(chain.from_iterable(self._by_key.values()), key=itemgetter(0))]

    def __len__(self) -> int:
        return len(self._kept) + sum(map(len, self._by_key.values()))
