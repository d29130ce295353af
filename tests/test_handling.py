"""An observer's events in hand: a context for each, order by key, and what was cut off."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any

import anyio
import pytest
from hypothesis import given, strategies as st

from evenflow._crew import Crew
from evenflow._handling import Handling, in_context
from evenflow._loop import running_loop
from evenflow._mailbox import Carried
from evenflow.testing import run_virtual

from .contract.kit import both, settle

REQUEST: ContextVar[str] = ContextVar("REQUEST", default="none")


class Items(AsyncIterator[Any]):
    """What several tasks read, each item by one."""

    def __init__(self) -> None:
        self._items: deque[Any] = deque()
        self._more = anyio.Event()

    def put(self, *items: Any) -> None:
        """More to read."""
        self._items.extend(items)
        self._more.set()

    async def __anext__(self) -> Any:
        while not self._items:
            if self._more.is_set():
                self._more = anyio.Event()
            await self._more.wait()
        return self._items.popleft()


class Scene:
    """One handling with several tasks, and what it tells."""

    def __init__(
        self,
        handler: Callable[[Any], object],
        order: Callable[[Any], object] | None = None,
        *,
        tasks: int = 1,
        capacity: int = 4,
    ) -> None:
        self.failures: list[tuple[Any, Exception]] = []
        self.done = 0
        self.handling = Handling(
            handler,
            order,
            capacity=capacity,
            failed=lambda event, error: self.failures.append((event, error)),
            done=self._count,
        )
        self._tasks = tasks
        self._items = Items()

    def _count(self) -> None:
        self.done += 1

    async def begin(self) -> Crew:
        """Start the tasks."""
        loop = running_loop()
        crew = Crew("scene", loop)
        await crew.open()
        for _ in range(self._tasks):
            crew.start(self.handling.work, self._items, loop, lambda: None, name="worker")
        return crew

    def put(self, *items: Any) -> None:
        """Events, or events with a context."""
        self._items.put(*items)


async def play(scene: Scene, *items: Any) -> None:
    """Let the scene handle these, and stop it."""
    crew = await scene.begin()
    scene.put(*items)
    await settle()
    await crew.close()


# ------------------------------------------------------------------ contexts


@pytest.mark.parametrize("tasks", [1, 3])
@pytest.mark.parametrize("how", ["sync", "async", "after a wait"])
@both
async def test_what_a_handler_sets_is_not_there_for_the_next_event(how: str, tasks: int) -> None:
    """It sees its own for as long as it runs."""
    seen: list[tuple[int, str, str]] = []

    def sync(n: int) -> None:
        before = REQUEST.get()
        REQUEST.set(f"set by {n}")
        seen.append((n, before, REQUEST.get()))

    async def handle(n: int) -> None:
        if how == "after a wait":
            await anyio.sleep(1)
        sync(n)
        await anyio.lowlevel.checkpoint()
        assert REQUEST.get() == f"set by {n}"

    scene = Scene(sync if how == "sync" else handle, tasks=tasks)
    crew = await scene.begin()
    scene.put(*range(6))
    await anyio.sleep(9)
    await crew.close()
    assert sorted(seen) == [(n, "none", f"set by {n}") for n in range(6)]
    assert REQUEST.get() == "none"


@both
async def test_the_context_of_the_publisher_is_there_where_it_is_carried() -> None:
    """What the handler sets is seen by nobody else, and its tasks inherit it."""
    seen: list[str] = []

    async def child() -> None:
        seen.append(f"child of {REQUEST.get()}")

    async def handle(n: int) -> None:
        seen.append(REQUEST.get())
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(child)
            await anyio.lowlevel.checkpoint()
        with anyio.move_on_after(1) as scope:
            await anyio.sleep_forever()
        assert scope.cancelled_caught
        REQUEST.set("the handler's")

    contexts = []
    for name in ("request 1", "request 2"):
        context = copy_context()
        context.run(REQUEST.set, name)
        contexts.append(context)
    scene = Scene(handle)
    crew = await scene.begin()
    scene.put(*(Carried(n, context) for n, context in enumerate(contexts)))
    await anyio.sleep(9)
    await crew.close()
    assert seen == ["request 1", "child of request 1", "request 2", "child of request 2"]
    assert scene.failures == []


@both
async def test_a_value_that_cannot_be_compared_counts_as_changed() -> None:
    """A handler may keep anything in a variable of its own."""

    class Odd:
        def __eq__(self, other: object) -> bool:
            raise TypeError("never compare me")

        __hash__ = None  # type: ignore[assignment]

    odd: ContextVar[Odd | None] = ContextVar("odd", default=None)
    seen: list[bool] = []

    def handle(_: int) -> None:
        seen.append(odd.get() is None)
        odd.set(Odd())

    scene = Scene(handle)
    await play(scene, 1, 2, 3)
    assert seen == [True, True, True]
    assert scene.failures == []


@both
async def test_what_is_awaited_in_a_context_gets_values_errors_and_cancellations() -> None:
    """Step by step, as if it were awaited directly."""

    async def works() -> str:
        await anyio.sleep(1)
        with anyio.move_on_after(1):
            await anyio.sleep_forever()
        try:
            with anyio.fail_after(1):
                await anyio.sleep_forever()
        except TimeoutError:
            return "worked"
        return "no timeout"

    async def fails() -> None:
        await anyio.sleep(1)
        raise LookupError

    assert await in_context(copy_context(), works()) == "worked"
    with pytest.raises(LookupError):
        await in_context(copy_context(), fails())
    with anyio.move_on_after(1) as scope:
        await in_context(copy_context(), anyio.sleep_forever())
    assert scope.cancelled_caught


# ------------------------------------------------------------------ order by key


@both
async def test_events_of_one_key_are_handled_in_order_and_others_pass_them_by() -> None:
    """While the first of a key runs, the next waits, and other keys go on."""
    log: list[str] = []

    async def handle(event: str) -> None:
        log.append(f"+{event}")
        await anyio.sleep(10 if event == "a1" else 1)
        log.append(f"-{event}")

    scene = Scene(handle, lambda event: event[0], tasks=2)
    crew = await scene.begin()
    scene.put("a1", "a2", "b1", "b2")
    await anyio.sleep(30)
    await crew.close()
    assert log == ["+a1", "+b1", "-b1", "+b2", "-b2", "-a1", "+a2", "-a2"]
    assert scene.done == 4


@both
async def test_at_most_as_many_events_as_the_buffer_holds_wait_behind_others() -> None:
    """And the last one that each task took: then none takes more, until the first of them goes on."""
    go = anyio.Event()

    async def handle(event: int) -> None:
        await go.wait()

    scene = Scene(handle, lambda _: "one key", tasks=3, capacity=2)
    crew = await scene.begin()
    scene.put(*range(9))
    await settle()
    assert len(scene.handling.in_hand) == 5  # one runs, two wait, and the two other tasks took one more each
    go.set()
    await settle()
    assert (scene.handling.handled, scene.handling.in_hand) == (9, {})
    await crew.close()


@both
async def test_a_key_that_raises_is_a_failure_on_that_event_alone() -> None:
    """The handler is not called for it, and the others go on."""
    handled: list[int] = []
    scene = Scene(handled.append, lambda n: 1 // n, tasks=2)
    await play(scene, 1, 0, 2)
    assert handled == [1, 2]
    assert [event for event, _ in scene.failures] == [0]
    assert (scene.handling.handled, scene.handling.failed) == (3, 1)


@both
async def test_what_is_cut_off_is_kept_in_the_order_in_which_it_was_taken() -> None:
    """What runs, and what waits behind it."""
    scene = Scene(lambda _: anyio.sleep_forever(), lambda event: event[0], tasks=3)
    await play(scene, "a1", "a2", "b1", "a3")
    assert [*scene.handling.in_hand.values()] == ["a1", "a2", "b1", "a3"]
    assert (scene.handling.handled, scene.done) == (0, 0)


@both
async def test_what_waits_behind_others_can_be_discarded() -> None:
    """What runs goes on to its end."""
    go = anyio.Event()
    scene = Scene(lambda _: go.wait(), lambda event: event[0], tasks=2)
    crew = await scene.begin()
    scene.put("a1", "a2", "a3")
    await settle()
    scene.handling.discard()
    go.set()
    await settle()
    assert (scene.handling.handled, scene.handling.in_hand) == (1, {})
    await crew.close()


@given(
    events=st.lists(st.tuples(st.integers(0, 2), st.integers(0, 3)), max_size=30),
    tasks=st.integers(1, 4),
    capacity=st.integers(1, 5),
)
def test_each_key_keeps_its_order_whatever_its_handlers_take(
    events: list[tuple[int, int]], tasks: int, capacity: int
) -> None:
    """Everything is handled once, never two of one key at a time."""
    begun: dict[int, list[int]] = {}
    running: set[int] = set()

    async def handle(item: tuple[int, tuple[int, int]]) -> None:
        number, (key, turns) = item
        assert key not in running
        running.add(key)
        begun.setdefault(key, []).append(number)
        for _ in range(turns):
            await anyio.lowlevel.checkpoint()
        running.discard(key)

    async def main() -> None:
        scene = Scene(handle, lambda item: item[1][0], tasks=tasks, capacity=capacity)
        await play(scene, *enumerate(events))
        assert scene.handling.handled == len(events)
        assert scene.failures == []

    run_virtual(main)  # to see that nothing runs any more takes a tenth of a second
    assert begun == {key: [number for number, event in enumerate(events) if event[0] == key] for key, _ in events}


# ------------------------------------------------------------------ whoever is around


@both
async def test_whoever_is_around_handles_each_item_in_a_context_of_its_choice() -> None:
    """It is given the item, a copy of the context, and what calls the handler; what that raised is what it returns."""
    seen: list[object] = []

    def handle(n: int) -> None:
        seen.append((n, REQUEST.get()))
        raise ValueError(n)

    async def around(
        item: Any, context: Context, call: Callable[[Context], Coroutine[Any, Any, Exception | None]]
    ) -> Exception | None:
        context.run(REQUEST.set, f"around {item}")
        error = await call(context)
        seen.append(type(error))
        return error

    scene = Scene(handle)
    scene.handling.trace(around)
    await play(scene, 1, 2)
    assert seen == [(1, "around 1"), ValueError, (2, "around 2"), ValueError]
    assert [str(error) for _, error in scene.failures] == ["1", "2"]


@both
async def test_nobody_is_around_any_more_from_the_next_item_on() -> None:
    """A handler that runs is not interrupted."""
    seen: list[object] = []

    async def around(
        item: Any, context: Context, call: Callable[[Context], Coroutine[Any, Any, Exception | None]]
    ) -> Exception | None:
        scene.handling.trace(None)
        seen.append("around")
        return await call(context)

    scene = Scene(seen.append)
    scene.handling.trace(around)
    await play(scene, 1, 2)
    assert seen == ["around", 1, 2]


@both
async def test_an_item_with_a_link_alone_is_handled_in_the_context_of_the_subject() -> None:
    """The link is for whoever is around, and nobody is."""
    seen: list[object] = []

    def handle(n: int) -> None:
        seen.append((n, REQUEST.get()))
        REQUEST.set("leaked")

    scene = Scene(handle)
    await play(scene, Carried(1, None, "link"), Carried(2, None, "link"), 3)
    assert seen == [(1, "none"), (2, "none"), (3, "none")]
