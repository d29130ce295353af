"""Publishing from threads: the thread waits, gives up in time, and always hears what became of its event."""

from __future__ import annotations

import threading
from typing import Any

import anyio
import anyio.to_thread
import pytest

from evenflow.log import LogError, Uncertain
from evenflow.testing import MemoryLog
from tests.contract.kit import both_real

from .events import Ordered


def in_thread(call: Any) -> tuple[threading.Thread, list[Any]]:
    """Call in a thread; the list gets what it returned or raised."""
    found: list[Any] = []

    def run() -> None:
        try:
            found.append(call())
        except BaseException as error:  # noqa: ASYNC103 -- no task runs in a thread
            found.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    return thread, found


@both_real
async def test_a_thread_that_gives_up_in_time_leaves_nothing() -> None:
    """The loop is busy: the event is withdrawn before it was begun, and is not stored."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        thread, found = in_thread(lambda: orders.publish_from_thread(Ordered(n=1), timeout=0.05))
        thread.join()  # blocks the loop
        assert isinstance(found[0], TimeoutError)
        await anyio.lowlevel.checkpoint()
        await anyio.lowlevel.checkpoint()
        assert await orders.read().to_list() == []


@both_real
async def test_a_log_that_is_closed_meanwhile_is_told() -> None:
    """Closing does not leave a thread hanging: it gets a ``LogError`` that says whether the event is stored."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        running = log._openings.open().running
        running.is_closing = True
        thread, found = in_thread(lambda: orders.publish_from_thread(Ordered(n=1)))
        while thread.is_alive():
            await anyio.lowlevel.checkpoint()
        running.is_closing = False
    assert isinstance(found[0], LogError)
    assert found[0].stored is False


@pytest.mark.parametrize("timeout", ["soon", True, -1, float("nan")])
def test_a_timeout_that_is_none_is_refused(timeout: Any) -> None:
    """Nonsense is refused where it is written."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)

    async def main() -> None:
        async with log:
            with pytest.raises((TypeError, ValueError), match="timeout"):
                orders.publish_from_thread(Ordered(n=1), timeout=timeout)

    anyio.run(main)


@both_real
async def test_an_event_that_was_begun_when_the_log_was_closed_is_uncertain(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is not known is ``Uncertain``, which says what to do."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    begun = anyio.Event()

    async def never(_: Any) -> list[int]:
        begun.set()
        await anyio.sleep_forever()
        return []

    monkeypatch.setattr(orders, "_append", never)
    async with log:
        thread, found = in_thread(lambda: orders.publish_from_thread(Ordered(n=1), id="1"))
        await begun.wait()
    await anyio.to_thread.run_sync(thread.join)
    assert isinstance(found[0], Uncertain)
    assert found[0].stored is None
    assert "same id" in str(found[0]) or "its id" in str(found[0])
