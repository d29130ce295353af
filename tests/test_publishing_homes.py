"""One subject in one loop after another, of one library and of the other."""

from __future__ import annotations

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
