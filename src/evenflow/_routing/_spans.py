"""Intervals, found by a point that lies in them.

A search tree ordered by lower bound (a treap). Each node also knows the highest upper bound below it, so a search
skips the parts of the tree that end too early. Random priorities keep the tree level. Adding costs the logarithm of
the number of intervals, removing usually less, and finding costs a logarithm for each way down that ends in a match.
Nothing is ever rebuilt.

A bound is a value, and whether the value itself lies outside. A side without a bound is ``BELOW`` or ``ABOVE`` all.

    low   >= v  (v, False)    > v  (v, True)    none  (BELOW, False)
    high  <= v  (v, False)    < v  (v, True)    none  (ABOVE, False)
"""

from __future__ import annotations

import sys
from typing import Any, Final, Generic, NamedTuple, TypeVar

H = TypeVar("H")


class _Below:
    """Lower than every value."""

    __slots__ = ()

    def __lt__(self, other: object, /) -> bool:
        return self is not other

    def __gt__(self, other: object, /) -> bool:
        return False


class _Above:
    """Higher than every value."""

    __slots__ = ()

    def __lt__(self, other: object, /) -> bool:
        return False

    def __gt__(self, other: object, /) -> bool:
        return self is not other


BELOW: Final[Any] = _Below()
ABOVE: Final[Any] = _Above()


class Bound(NamedTuple):
    """Where an interval begins or ends."""

    value: Any
    is_open: bool = False


BOTTOM: Final = Bound(BELOW)
TOP: Final = Bound(ABOVE)


class Span(Generic[H]):
    """One interval, and what is held for it; a node of the tree."""

    __slots__ = (
        *("held", "high", "high_open", "highest", "highest_open"),
        *("left", "low", "low_open", "parent", "priority", "right"),
    )

    def __init__(self, low: Bound, high: Bound, held: H, priority: int, /) -> None:
        self.low, self.low_open = low
        self.high, self.high_open = self.highest, self.highest_open = high
        self.held = held
        self.priority = priority
        self.left: Span[H] | None = None
        self.right: Span[H] | None = None
        self.parent: Span[H] | None = None

    def lies_before(self, low: Bound, high: Bound, /) -> bool:
        """Whether a span with these bounds belongs to the right of this one."""
        if self.low < low[0]:
            return True
        if low[0] < self.low:
            return False
        if self.low_open != low[1]:
            return low[1]
        return _ends_before(self.high, self.high_open, *high)

    def raise_to(self, high: Any, is_open: bool, /) -> None:
        """Take note that a span below this one ends there."""
        if _ends_before(self.highest, self.highest_open, high, is_open):
            self.highest, self.highest_open = high, is_open

    def look_below(self) -> bool:
        """Work out anew where the last span below this one ends; return whether that changed."""
        before, was_open = self.highest, self.highest_open
        self.highest, self.highest_open = self.high, self.high_open
        for child in (self.left, self.right):
            if child is not None:
                self.raise_to(child.highest, child.highest_open)
        return self.highest is not before or self.highest_open != was_open


class Spans(Generic[H]):
    """Intervals of one family of values, each pair of bounds once."""

    __slots__ = ("_random", "_root", "_size")

    def __init__(self) -> None:
        self._root: Span[H] | None = None
        self._size = 0
        self._random = 20

    def __len__(self) -> int:
        return self._size

    def find(self, low: Bound, high: Bound, /) -> Span[H] | None:
        """The span with exactly these bounds."""
        last: Span[H] | None = None
        node = self._root
        value = low.value
        # Go down to the first span that does not lie before these bounds, then see whether these lie before it.
        while node is not None:
            if node.low < value or (not value < node.low and node.lies_before(low, high)):
                node = node.right
            else:
                last, node = node, node.left
        return None if last is None or Span(low, high, None, 0).lies_before(*_bounds(last)) else last

    def add(self, low: Bound, high: Bound, held: H, /) -> Span[H]:
        """Add a span for bounds that have none yet."""
        # A congruential generator of our own: enough to keep the tree level, and no state that anybody else could seed.
        self._random = (self._random * 6364136223846793005 + 1442695040888963407) % 2**64
        new = Span(low, high, held, self._random)
        above: Span[H] | None = None
        node = self._root
        left = False
        value = low.value
        while node is not None and node.priority >= new.priority:
            if not high.value < node.highest:
                node.raise_to(*high)
            above = node
            left = value < node.low or (not node.low < value and not node.lies_before(low, high))
            node = node.left if left else node.right
        _split(node, new)
        self._hang(new, above, left=left)
        self._size += 1
        return new

    def remove(self, span: Span[H], /) -> None:
        """Remove a span."""
        above = span.parent
        self._hang(_joined(span.left, span.right), above, left=above is not None and above.left is span)
        span.left = span.right = span.parent = None
        self._size -= 1
        while above is not None and above.look_below():
            above = above.parent

    def at(self, value: Any, /, most: int = sys.maxsize) -> list[Span[H]]:
        """The spans in which this value lies, at most ``most`` of them, in no order."""
        found: list[Span[H]] = []
        waiting: list[Span[H]] = []
        node = self._root
        while True:
            # All spans below a node end before the value if the highest of them does.
            if node is None or not (value < node.highest or (value == node.highest and not node.highest_open)):
                if not waiting:
                    return found
                node = waiting.pop()
                continue
            low = node.low
            if low < value or (low == value and not node.low_open):
                high = node.high
                if value < high or (value == high and not node.high_open):
                    found.append(node)
                    if len(found) == most:
                        return found
                if node.right is not None:
                    waiting.append(node.right)
            node = node.left

    def all(self) -> list[Span[H]]:
        """All spans, in no order."""
        found: list[Span[H]] = []
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if node is not None:
                found.append(node)
                waiting += (node.left, node.right)
        return found

    def _hang(self, node: Span[H] | None, above: Span[H] | None, *, left: bool) -> None:
        if above is None:
            self._root = node
        _place(node, above, left=left)


def _ends_before(high: Any, is_open: bool, other: Any, other_is_open: bool, /) -> bool:
    return bool(high < other or (is_open and not other_is_open and not other < high))


def _bounds(span: Span[H]) -> tuple[Bound, Bound]:
    return Bound(span.low, span.low_open), Bound(span.high, span.high_open)


def _split(node: Span[H] | None, new: Span[H]) -> None:
    """Cut the tree below ``node`` in two: what lies before ``new`` goes to its left, the rest to its right."""
    bounds = _bounds(new)
    # The nodes that the next pieces are hung on.
    before = behind = new
    touched: list[Span[H]] = []
    while node is not None:
        touched.append(node)
        if node.lies_before(*bounds):
            _place(node, before, left=before is new)
            before, node = node, node.right
        else:
            _place(node, behind, left=behind is not new)
            behind, node = node, node.left
    _place(None, before, left=before is new)
    _place(None, behind, left=behind is not new)
    for piece in reversed(touched):
        piece.look_below()
    new.look_below()


def _joined(before: Span[H] | None, behind: Span[H] | None) -> Span[H] | None:
    """One tree of two; all spans of the first lie before all spans of the second."""
    root: Span[H] | None = None
    above: Span[H] | None = None
    left = False
    touched: list[Span[H]] = []
    while before is not None and behind is not None:
        if before.priority >= behind.priority:
            top, before, next_left = before, before.right, False
        else:
            top, behind, next_left = behind, behind.left, True
        root = root or top
        _place(top, above, left=left)
        touched.append(top)
        above, left = top, next_left
    rest = before if before is not None else behind
    _place(rest, above, left=left)
    for piece in reversed(touched):
        piece.look_below()
    return rest if root is None else root


def _place(node: Span[H] | None, above: Span[H] | None, *, left: bool) -> None:
    if above is not None and left:
        above.left = node
    elif above is not None:
        above.right = node
    if node is not None:
        node.parent = above
