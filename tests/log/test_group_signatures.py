"""How a group is asked for: a decorator returns the function, and a name comes first."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.testing import MemoryLog

from .events import Ordered


def test_the_decorator_returns_the_function() -> None:
    """A handler can be called and tested as it is."""
    orders = MemoryLog().subject("orders", Ordered)

    @orders.consumer("g")
    def handle(order: Ordered) -> int:
        return order.n

    assert handle(Ordered(n=3)) == 3
    [consumer] = orders._consumers
    assert consumer._spec.group == "g"


def test_a_decorator_without_its_group_says_so() -> None:
    """Used bare, it names the way out."""
    orders: Any = MemoryLog().subject("orders", Ordered)
    with pytest.raises(TypeError, match="billing"):

        @orders.consumer
        def handle(order: Ordered) -> None: ...
