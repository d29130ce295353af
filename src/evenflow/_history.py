"""What a subject keeps for later subscriptions: the last few events, or the last few of each key."""

from __future__ import annotations

from collections import OrderedDict, deque
from contextlib import suppress
from operator import itemgetter
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Callable

_VALUES: Final = dict[object, deque[tuple[int, Any]]].values
"""A dict's values in no order of its own: one that keeps an order asks each key for its hash, and so runs code."""


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
        entry, kept = (self._count, event), self._by_key.get(key)
        if kept is None:
            made: deque[tuple[int, Any]] = deque(maxlen=self._size)  # here a destructor may publish one of this key
            kept = self._by_key.setdefault(key, made)
        kept.append(entry)
        with suppress(KeyError):  # a destructor has published so many other keys
            self._by_key.move_to_end(key)
        if len(self._by_key) > self._most:
            self._by_key.popitem(last=False)

    def events(self) -> list[Any]:
        """All that is kept, in the order in which it was published.

        Each part is copied as a list, which makes nothing on its way: what a destructor publishes may be missing.
        """
        if self.key is None:
            return list(self._kept)
        numbered = [pair for kept in list(_VALUES(self._by_key)) for pair in list(kept)]
        return [event for _, event in sorted(numbered, key=itemgetter(0))]

    def __len__(self) -> int:
        return len(self._kept) + sum(map(len, list(_VALUES(self._by_key))))
