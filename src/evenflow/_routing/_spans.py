"""Intervals, found by a point that lies in them.

A search tree by lower bound, in which each node knows the highest upper bound below it, kept level by random
priorities (a treap): adding costs the logarithm of how many there are, removing usually less, and finding the
logarithm for each way down that ends in a match. Nothing here is ever rebuilt.

A bound is a pair that Python orders: its value, and a number that says on which side of the value it lies.

    low   >= v  (v, 0)    > v  (v, 1)     none  ()
    high  <= v  (v, 0)    < v  (v, -1)    none  TOP
    a point      (x, 0): in the span if low <= point <= high
"""

from __future__ import annotations

import random
from typing import Any, Final, Generic, TypeAlias, TypeVar

Bound: TypeAlias = tuple[Any, ...]
H = TypeVar("H")

_priority: Final = random.Random(20).random  # noqa: S311 -- keeps trees level; a user's own seed stays as it is


class _Top(tuple[Any, ...]):
    """Higher than every other bound."""

    __slots__ = ()

    def __lt__(self, other: object, /) -> bool:
        return False

    def __le__(self, other: object, /) -> bool:
        return self is other

    def __gt__(self, other: object, /) -> bool:
        return self is not other

    def __ge__(self, other: object, /) -> bool:
        return True

    def __eq__(self, other: object, /) -> bool:
        return self is other

    def __hash__(self) -> int:
        return id(self)


BOTTOM: Final[Bound] = ()
TOP: Final[Bound] = _Top()


class Span(Generic[H]):
    """One interval, and what is held for it."""

    __slots__ = ("held", "high", "highest", "left", "low", "parent", "priority", "right")

    def __init__(self, low: Bound, high: Bound, held: H, /) -> None:
        self.low = low
        self.high = high
        self.highest = high
        self.held = held
        self.priority = _priority()
        self.left: Span[H] | None = None
        self.right: Span[H] | None = None
        self.parent: Span[H] | None = None

    def look_below(self) -> bool:
        """Work out ``highest`` from the children; whether it changed."""
        highest = self.high
        if self.left is not None and highest < self.left.highest:
            highest = self.left.highest
        if self.right is not None and highest < self.right.highest:
            highest = self.right.highest
        changed = highest is not self.highest
        self.highest = highest
        return changed


class Spans(Generic[H]):
    """Intervals of one family of values, each pair of bounds once."""

    __slots__ = ("_root", "_size")

    def __init__(self) -> None:
        self._root: Span[H] | None = None
        self._size = 0

    def __len__(self) -> int:
        return self._size

    def find(self, low: Bound, high: Bound, /) -> Span[H] | None:
        """The span with exactly these bounds."""
        node = self._root
        while node is not None:
            if low < node.low or (not node.low < low and high < node.high):
                node = node.left
            elif node.low < low or node.high < high:
                node = node.right
            else:
                return node
        return None

    def add(self, low: Bound, high: Bound, held: H, /) -> Span[H]:
        """Take in a span whose bounds are not here yet."""
        new = Span(low, high, held)
        above: Span[H] | None = None
        node = self._root
        left = False
        while node is not None and node.priority >= new.priority:
            if node.highest < high:
                node.highest = high
            above = node
            left = _is_before(new, node)
            node = node.left if left else node.right
        _split(node, new)
        self._hang(new, above, left=left)
        self._size += 1
        return new

    def remove(self, span: Span[H], /) -> None:
        """Let a span go that is here."""
        above = span.parent
        self._hang(_joined(span.left, span.right), above, left=above is not None and above.left is span)
        span.left = span.right = span.parent = None
        self._size -= 1
        while above is not None and above.look_below():
            above = above.parent

    def at(self, value: object, /, most: float = float("inf")) -> list[Span[H]]:
        """The spans in which this value lies, in no order; at most so many."""
        point: Bound = (value, 0)
        found: list[Span[H]] = []
        waiting = [self._root] if self._root is not None and point <= self._root.highest else []
        while waiting and len(found) < most:
            node = waiting.pop()
            below = node.left
            if below is not None and point <= below.highest:
                waiting.append(below)
            if node.low <= point:
                if point <= node.high:
                    found.append(node)
                below = node.right
                if below is not None and point <= below.highest:
                    waiting.append(below)
        return found

    def all(self) -> list[Span[H]]:
        """Every span, in no order."""
        found: list[Span[H]] = []
        waiting = [self._root]
        while waiting:
            node = waiting.pop()
            if node is not None:
                found.append(node)
                waiting += (node.left, node.right)
        return found

    def _hang(self, node: Span[H] | None, above: Span[H] | None, *, left: bool) -> None:
        if node is not None:
            node.parent = above
        if above is None:
            self._root = node
        elif left:
            above.left = node
        else:
            above.right = node


def _is_before(one: Span[H], other: Span[H]) -> bool:
    return one.low < other.low or (not other.low < one.low and one.high < other.high)


def _split(node: Span[H] | None, new: Span[H]) -> None:
    """Hang what lies before ``new`` to its left, and what lies behind to its right."""
    last_before = last_behind = new  # whose free side the next piece hangs on
    touched: list[Span[H]] = []
    while node is not None:
        touched.append(node)
        if _is_before(new, node):
            _hang_behind(last_behind, node, new)
            last_behind, node = node, node.left
        else:
            _hang_before(last_before, node, new)
            last_before, node = node, node.right
    if last_before is new:
        new.left = None
    else:
        last_before.right = None
    if last_behind is new:
        new.right = None
    else:
        last_behind.left = None
    for piece in reversed(touched):
        piece.look_below()
    new.look_below()


def _hang_behind(last: Span[H], node: Span[H], new: Span[H]) -> None:
    if last is new:
        new.right = node
    else:
        last.left = node
    node.parent = last


def _hang_before(last: Span[H], node: Span[H], new: Span[H]) -> None:
    if last is new:
        new.left = node
    else:
        last.right = node
    node.parent = last


def _joined(before: Span[H] | None, behind: Span[H] | None) -> Span[H] | None:
    """One tree of two, all of the first lying before all of the second."""
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
    if above is None:
        return rest
    _place(rest, above, left=left)
    for piece in reversed(touched):
        piece.look_below()
    return root


def _place(node: Span[H] | None, above: Span[H] | None, *, left: bool) -> None:
    if above is not None and left:
        above.left = node
    elif above is not None:
        above.right = node
    if node is not None:
        node.parent = above
