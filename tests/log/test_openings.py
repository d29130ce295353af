"""Which opening is the present one, and who may use it."""

from __future__ import annotations

import asyncio
import os
import threading
from collections.abc import Callable, Coroutine
from typing import Any, Literal

import anyio
import pytest
from anyio import to_thread

from evenflow.log import Capabilities, Unsupported
from evenflow.log._engine import Engine
from evenflow.log._openings import Openings
from evenflow.testing import MemoryLog, run_virtual
from tests.contract.forks import in_child
from tests.contract.kit import both, both_real, only_asyncio, settle

from .events import Ordered


def test_before_it_is_opened_everybody_is_told_how() -> None:
    """In the loop, and in a thread."""
    openings = Openings("shop", Capabilities(schedule=False), "ShopLog")
    assert not openings.is_open
    with pytest.raises(RuntimeError, match="async with log"):
        openings.open()
    with pytest.raises(RuntimeError, match="open it first"):
        openings.open_for_threads()
    with pytest.raises(Unsupported, match=r"ShopLog.*schedule"):
        openings.open_for("schedule")


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_an_engine_that_does_not_know_trio_is_refused_there_before_it_is_made(
    backend: Literal["asyncio", "trio"],
) -> None:
    """Whichever engine it is: what a log says that it cannot do is refused in one place."""
    made: list[str] = []

    class OnAsyncio(MemoryLog):
        capabilities = Capabilities(trio=False)

        def _engine(self) -> Engine:
            made.append(backend)
            return super()._engine()

    async def main() -> None:
        async with OnAsyncio():
            pass

    if backend == "asyncio":
        run_virtual(main, backend=backend)
    else:
        with pytest.raises(Unsupported, match=r"log memory runs on asyncio only.*OnAsyncio") as caught:
            run_virtual(main, backend=backend)
        assert caught.value.missing == ("trio",)
    assert made == (["asyncio"] if backend == "asyncio" else [])


@both
async def test_another_thread_is_sent_to_publish_from_thread() -> None:
    """A call from a foreign thread is refused with the way out."""
    log = MemoryLog()
    found: list[str] = []

    def call() -> None:
        try:
            log._openings.open()
        except RuntimeError as error:
            found.append(str(error))

    async with log:
        thread = threading.Thread(target=call)
        thread.start()
        thread.join()
    assert "publish_from_thread" in found[0]


@both
async def test_a_forked_child_is_sent_to_open_it_anew() -> None:
    """The copy in a child process is not open there; opened anew it is a log of the child's own."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        child = os.fork()
        if child == 0:
            try:
                orders.subscribe()
            except RuntimeError as error:
                os._exit(0 if "fork" in str(error) and not log._openings.is_open else 1)
            os._exit(2)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0  # noqa: ASYNC222 -- the child ends at once
        await orders.publish(Ordered(n=1))


@only_asyncio
async def test_in_a_forked_child_no_call_waits_for_the_parents_tasks() -> None:
    """A reader that is live, behind or not begun, a group's deliveries, and the end of the block: none hangs."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    opened = log.opened()
    async with opened:
        await orders.publish_many([Ordered(n=n) for n in range(3)])
        async with (
            orders.subscribe() as live,
            orders.subscribe(since="start", buffer=1) as behind,
            orders.deliveries("g") as deliveries,
        ):
            not_begun = orders.subscribe()
            await settle()

            def said(call: Callable[[], Coroutine[Any, Any, object]]) -> str:
                return in_child(lambda: asyncio.run(call()))

            for reader in (live, behind, not_begun):
                assert said(reader.receive).startswith("ClosedResourceError: a subscription of orders belongs to")
            assert "of which this one is a fork" in said(deliveries.receive)
            assert said(deliveries.aclose) == "None"
            assert said(log.aclose) == "None"
            assert said(lambda: opened.__aexit__(None, None, None)) in ("None", "False")
            await not_begun.aclose()
            assert [await behind.receive() for _ in range(3)] == [Ordered(n=n) for n in range(3)]
            async with await deliveries.receive() as delivery:
                assert delivery.event == Ordered(n=0)


@both_real
async def test_a_log_is_not_closed_from_another_loop() -> None:
    """It is told where to close it, and goes on; where it was opened it is closed."""
    log = MemoryLog()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(RuntimeError, match="close it where it was opened"):
            await to_thread.run_sync(anyio.run, log.aclose)
        await orders.publish(Ordered(n=1))
    with pytest.raises(RuntimeError, match="not open"):
        await orders.end()
