"""What the contract tests share: two back ends, virtual time, a few events, and the sum of the ledger.

Rule 1: every coroutine test runs on asyncio and on trio (`both`), or says why it cannot (`only_asyncio`).
Rule 2: time is virtual, so nothing sleeps, and a test that hangs fails at once, after `FOREVER` virtual seconds.
Rule 3: a test that leaves a task behind fails.
Rule 4: threads need a real loop: `both_real`, and the test's own timeout.
Rule 5: the `Subject` of this file keeps the subscriptions that a test makes, and `run` closes them, so that a test
        need not; tests about subscriptions that lose their references use evenflow's own `Subject`.
"""

from __future__ import annotations

import asyncio
import functools
import gc
import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Literal, TypeVar

import anyio
import anyio.lowlevel
import async_solipsism
import pytest
import trio
import trio.testing

import evenflow
from evenflow import Event

if TYPE_CHECKING:
    from anyio.abc import TaskGroup

    from evenflow import Subject, Subscription
else:

    class Subject(evenflow.Subject):
        """A subject whose subscriptions live until the test ends, and are closed then."""

        def subscribe(self, *wants, **options):
            """Subscribe as the contract says, and keep the subscription."""
            subscription = super().subscribe(*wants, **options)
            _kept.append(subscription)
            return subscription


Backend = Literal["asyncio", "trio"]
BACKENDS: tuple[Backend, ...] = ("asyncio", "trio")
FOREVER = 1_000
LONGEST = 100
"""Real seconds that a test may take; on a loaded machine some take ten times as long as alone."""
T = TypeVar("T")
_kept: list[Any] = []


class Order(Event):
    """The event most tests publish."""

    n: int
    region: str = "eu"


class BigOrder(Order):
    """A subclass of Order: whoever wants Order wants it too."""


class Shipped(Event):
    """An event that is not related to Order."""

    n: int


class Tick(Event):
    """An event with a key, for conflation and replay by key."""

    symbol: str
    price: int


def run(main: Callable[[], Awaitable[T]], backend: Backend, *, real: bool = False) -> T:
    """Run `main` to its end in a loop of its own; fail if a task is left, or if it never ends."""
    if backend == "trio":
        return _run_trio(main, real=real)
    factory = None if real else async_solipsism.EventLoop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(_on_asyncio(main, real=real))


async def _on_asyncio(main: Callable[[], Awaitable[T]], *, real: bool) -> T:
    async with asyncio.timeout(LONGEST if real else FOREVER):
        result = await _and_close(main)
    left = asyncio.all_tasks() - {asyncio.current_task()}
    assert not left, f"tasks were left behind: {left}"
    return result


def _run_trio(main: Callable[[], Awaitable[T]], *, real: bool) -> T:
    async def on_trio() -> T:
        before = trio.lowlevel.current_statistics().tasks_living
        with trio.fail_after(LONGEST if real else FOREVER):
            result = await _and_close(main)
        left = trio.lowlevel.current_statistics().tasks_living - before
        assert not left, f"{left} tasks were left behind"
        return result

    if real:
        return trio.run(on_trio)
    return trio.run(on_trio, clock=trio.testing.MockClock(autojump_threshold=0))


async def _and_close(main: Callable[[], Awaitable[T]]) -> T:
    try:
        return await main()
    finally:
        kept = _kept[:]
        _kept.clear()
        with anyio.CancelScope(shield=True):
            for subscription in kept:
                await subscription.aclose()


def _on(backends: tuple[Backend, ...], *, real: bool) -> Callable[[Callable[..., Coroutine[Any, Any, None]]], Any]:
    def decorate(test: Callable[..., Coroutine[Any, Any, None]]) -> Any:
        signature = inspect.signature(test)
        backend = inspect.Parameter("backend", inspect.Parameter.KEYWORD_ONLY)

        @pytest.mark.parametrize("backend", backends)
        @functools.wraps(test)
        def on_one_backend(*args: Any, backend: Backend, **kwargs: Any) -> None:
            run(functools.partial(test, *args, **kwargs), backend, real=real)

        parameters = [*signature.parameters.values(), backend]
        on_one_backend.__signature__ = signature.replace(parameters=parameters)  # type: ignore[attr-defined]
        return on_one_backend

    return decorate


both = _on(BACKENDS, real=False)
"""Run this test on asyncio and on trio, in virtual time."""
both_real = _on(BACKENDS, real=True)
"""Run this test on asyncio and on trio, in real time: for threads."""
only_asyncio = _on(("asyncio",), real=False)
"""Run this test on asyncio alone: for what only asyncio has, such as `task.cancel()`."""
only_asyncio_real = _on(("asyncio",), real=True)
"""Run this test on asyncio alone, in real time."""


async def settle() -> None:
    """Let all tasks run until all of them wait for something."""
    await anyio.wait_all_tasks_blocked()


async def turn(times: int = 1) -> None:
    """Let the loop turn: each task that is ready runs once."""
    for _ in range(times):
        await anyio.lowlevel.checkpoint()


def balanced(subscription: Subscription[Any]) -> None:
    """Assert the sum of guarantee 6."""
    s = subscription.statistics()
    assert s.wanted == s.delivered + s.replaced + s.dropped + s.discarded + s.waiting, s


def take_all(subscription: Subscription[T]) -> list[T]:
    """Receive all that can be received without waiting."""
    taken: list[T] = []
    while True:
        try:
            taken.append(subscription.receive_nowait())
        except (anyio.WouldBlock, anyio.EndOfStream):
            return taken


async def read_all(subscription: Subscription[T]) -> list[T]:
    """Receive until the end."""
    return [event async for event in subscription]


def numbers(events: list[Any]) -> list[int]:
    """The numbers of a list of orders."""
    return [event.n for event in events]


def fill(subject: Subject[Any], count: int, start: int = 0) -> None:
    """Publish `count` orders without waiting."""
    for n in range(start, start + count):
        subject.publish_nowait(Order(n=n))


def collect() -> None:
    """Collect garbage until there is none: cycles through cycles."""
    for _ in range(3):
        gc.collect()


class Publishing:
    """A publish in a task of its own, and how it ended."""

    def __init__(self, subject: Subject[Any], event: object) -> None:
        self.subject = subject
        self.event = event
        self.scope = anyio.CancelScope()
        self.result: int | None = None
        self.error: BaseException | None = None
        self.ended = False

    async def __call__(self) -> None:
        with self.scope:
            try:
                self.result = await self.subject.publish(self.event)
            except Exception as error:
                self.error = error
        self.ended = True

    @property
    def cancelled(self) -> bool:
        """Whether it ended with neither a result nor an error."""
        return self.ended and self.result is None and self.error is None

    @property
    def waits(self) -> bool:
        """Whether it has not ended."""
        return not self.ended


async def publishing(group: TaskGroup, subject: Subject[Any], event: object) -> Publishing:
    """Start a publish in its own task, and let it run until it has ended or waits."""
    task = Publishing(subject, event)
    group.start_soon(task)
    await settle()
    return task


class Meddler:
    """Garbage, a cycle, whose destructor uses the subject: the collector may run it in the middle of a publish."""

    def __init__(self, meddle: Callable[[], object]) -> None:
        self.meddle = meddle
        self.me = self

    def __del__(self) -> None:
        try:
            self.meddle()
        except Exception:  # The call may be refused.
            pass


MEDDLING: dict[str, Callable[[Any, list[Any]], object]] = {
    "subscribes": lambda subject, kept: kept.append(subject.subscribe(Order)),
    "closes the subject": lambda subject, kept: subject.close(),
    "publishes": lambda subject, kept: subject.publish_nowait(Order(n=100)),
    "closes a subscription": lambda subject, kept: kept[-1].close(),
    "reads": lambda subject, kept: kept[-1].receive_nowait(),
}


@asynccontextmanager
async def group() -> AsyncIterator[TaskGroup]:
    """A task group whose tasks are cancelled when the block is left."""
    async with anyio.create_task_group() as tasks:
        try:
            yield tasks
        finally:
            tasks.cancel_scope.cancel()


class Counted:
    """An iterable of orders that counts how many were drawn."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.drawn = 0

    def __iter__(self) -> Any:
        for n in range(self.count):
            self.drawn += 1
            yield Order(n=n)
