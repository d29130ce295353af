"""What the tests of logs share: waiting ends."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest

from evenflow import Subject
from evenflow.testing import run_virtual
from evenflow.testing.conformance._kit import Ordered, numbers, take, until


def test_waiting_for_what_never_comes_fails() -> None:
    """After a while, with ``TimeoutError``: the test fails where it waits."""

    async def main() -> None:
        async with Subject(Ordered).subscribe() as feed:
            with pytest.raises(TimeoutError):
                await take(feed, 1)
        with pytest.raises(TimeoutError):
            await until(lambda: False)

    run_virtual(main)


def test_waiting_takes_plain_and_async_conditions() -> None:
    """A condition is asked again until it holds; events are taken in order."""
    asked: list[int] = []

    async def asked_often() -> bool:
        asked.append(1)
        await anyio.lowlevel.checkpoint()
        return len(asked) > 2

    async def main() -> None:
        plain: Callable[[], bool] = lambda: bool(asked)  # noqa: E731 -- the case of a plain function
        await until(asked_often)
        await until(plain)
        orders = Subject(Ordered)
        async with orders.subscribe() as feed:
            await orders.publish(Ordered(n=1))
            await orders.publish(Ordered(n=2))
            assert numbers(await take(feed, 2)) == [1, 2]

    run_virtual(main)
    assert len(asked) == 3
