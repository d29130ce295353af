"""One subject in one loop after another, of one library and of the other."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine
from typing import Any

import anyio
import pytest

from evenflow import Event, Subject


class Note(Event):
    """A number."""

    n: int


@pytest.mark.parametrize(
    "backends", [("asyncio", "trio"), ("trio", "asyncio"), ("asyncio", "asyncio"), ("trio", "trio")]
)
def test_a_subject_goes_on_in_the_next_loop_when_the_last_has_ended(backends: tuple[str, str]) -> None:
    """Bound by a reader that waited, and published to by whatever runs later; what was buffered is still there."""
    subject = Subject(Note)
    subscription = subject.subscribe()

    async def main() -> list[int]:
        with anyio.move_on_after(0):
            await subscription.receive()
        assert await subject.publish(Note(n=1)) == 1
        assert subject.publish_nowait(Note(n=2)) == 1
        with anyio.CancelScope() as scope:
            scope.cancel()
            await subject.publish(Note(n=3))
        return [(await subscription.receive()).n, (await subscription.receive()).n]

    for backend in backends:
        assert anyio.run(main, backend=backend) == [1, 2]
    subscription.close()


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(
    "publish",
    [lambda subject: subject.publish(Note(n=9)), lambda subject: subject.publish_many([Note(n=8), Note(n=9)])],
    ids=["publish", "publish_many"],
)
def test_another_thread_is_refused_even_where_readers_are_about_to_run(
    publish: Callable[[Subject[Note]], Coroutine[Any, Any, int]], backend: str
) -> None:
    """A full buffer whose reader was woken: nothing is looked at, kept or waited for from a foreign loop."""
    subject = Subject(Note)
    received: list[int] = []
    refused: list[BaseException] = []

    def elsewhere() -> None:
        with pytest.raises(RuntimeError, match="publish_from_thread") as caught:
            asyncio.run(publish(subject))
        refused.append(caught.value)

    async def main() -> None:
        async with subject.subscribe(buffer=2) as subscription:

            async def read() -> None:
                received.extend([(await subscription.receive()).n for _ in range(3)])

            async with anyio.create_task_group() as tasks:
                tasks.start_soon(read)
                await anyio.wait_all_tasks_blocked()
                assert await subject.publish_many([Note(n=0), Note(n=1)]) == 2
                thread = threading.Thread(target=elsewhere)
                thread.start()
                thread.join()
                assert await subject.publish(Note(n=2)) == 1

    anyio.run(main, backend=backend)
    assert len(refused) == 1
    assert received == [0, 1, 2]
