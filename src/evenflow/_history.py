"""What a subject keeps for later subscriptions: the last few events, or the last few of each key."""

from __future__ import annotations

from collections import OrderedDict, deque
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


class History:
    """The last ``size`` events; with ``key`` the last ``size`` of each of the ``most`` keys used last."""

    __slots__ = ("_by_key", "_count", "_kept", "_most", "_size", "key")

    def __init__(self, size: int, key: Callable[[Any], object] | None, most: int) -> None:
        self._size = size
        self._most = most
        self.key = key
        self._count = 0
        self._kept: deque[Any] = deque(maxlen=size)
        self._by_key: OrderedDict[object, deque[tuple[int, Any]]] = OrderedDict()

    def add(self, event: Any, key: object = None) -> None:
        """Keep an event; where there is a key, the caller has found it and knows that it can be hashed."""
        if self.key is None:
            self._kept.append(event)
            return
        self._count += 1
        kept = self._by_key.get(key)
        if kept is None:
            if len(self._by_key) >= self._most:
                self._by_key.popitem(last=False)
            kept = self._by_key[key] = deque(maxlen=self._size)
        else:
            self._by_key.move_to_end(key)
        kept.append((self._count, event))

    def __iter__(self) -> Iterator[Any]:
        """All that is kept, in the order in which it was published."""
        if self.key is None:
            return iter(tuple(self._kept))
        numbered = sorted((pair for kept in self._by_key.values() for pair in kept), key=lambda pair: pair[0])
        return iter([event for _, event in numbered])

    def __len__(self) -> int:
        return len(self._kept) + sum(map(len, self._by_key.values()))
