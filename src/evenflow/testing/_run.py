"""Run a program in virtual time."""

from __future__ import annotations

import asyncio
from functools import partial
from importlib import import_module
from inspect import iscoroutine
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio

from evenflow.testing._errors import Stuck
from evenflow.testing._loop import DAY, VirtualLoop

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine

T = TypeVar("T")


def run_virtual(
    main: Callable[[], Coroutine[Any, Any, T]],
    /,
    *,
    backend: Literal["asyncio", "trio"] = "asyncio",
    limit: float = DAY,
) -> T:
    """Run ``main`` on an event loop of its own, in virtual time, and return what it returns.

    The clock (``anyio.current_time``, ``loop.time``, ``trio.current_time``) begins at 0. As soon as every task waits,
    it jumps to what is due next, so that hours pass in milliseconds, and everything happens in its order.
    On asyncio this is a ``VirtualLoop``; on trio it is a clock of the same kind, which also jumps
    while a thread is running. `docs/reference/streams.md` says what comes first at one moment.

    Raises:
        Stuck: every task waits for ever, or ``main`` takes more than ``limit`` virtual seconds.
        RuntimeError: an event loop is running in this thread.
    """
    if iscoroutine(main):
        main.close()
        raise TypeError(
            f"run_virtual takes an async function, not the coroutine it returned: leave out the () of {main}"
        )
    if backend == "asyncio":
        _refuse_a_second_loop()
        with asyncio.Runner(loop_factory=partial(VirtualLoop, limit=limit)) as runner:
            return runner.run(main())
    if backend == "trio":
        return _run_on_trio(main, limit)
    raise ValueError(f"backend must be 'asyncio' or 'trio', not {backend!r}")


def _refuse_a_second_loop() -> None:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise RuntimeError("run_virtual runs an event loop of its own, and one runs already: call it from a sync function")


def _run_on_trio(main: Callable[[], Coroutine[Any, Any, T]], limit: float) -> T:
    try:
        trio, ours = import_module("trio"), import_module("evenflow.testing._trio")
    except ImportError:
        raise ImportError(
            "run_virtual(backend='trio') needs trio, which evenflow does not install: pip install trio"
        ) from None
    if not limit > 0:
        raise ValueError(f"limit must be a number of virtual seconds above 0, not {limit!r}")
    clock = ours.JumpingClock()
    result: T = trio.run(_within, main, limit, clock=clock, instruments=[clock])
    return result


async def _within(main: Callable[[], Coroutine[Any, Any, T]], limit: float) -> T:
    """Run ``main``, and cancel it at its limit. If every task waits for ever, the clock jumps there at once."""
    waited_in: BaseException | None = None
    with anyio.CancelScope(deadline=anyio.current_time() + limit):
        try:
            return await main()
        except anyio.get_cancelled_exc_class() as cancelled:
            waited_in = cancelled
            raise
    raise Stuck(f"the program was not over after {limit:g} virtual seconds, its limit") from waited_in
