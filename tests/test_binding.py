"""Which loop a subject belongs to: bound by the first wait, refused elsewhere, free again when that loop has ended."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable

import pytest

from evenflow._binding import LoopBinding
from evenflow._loop import running_loop

from .parts import on_both, run


class Bound:
    """A binding, and how often it heard that its loop had ended."""

    def __init__(self) -> None:
        self.ended = 0
        self.binding = LoopBinding("orders", self.loop_ended)

    def loop_ended(self) -> None:
        """Its loop has ended."""
        self.ended += 1

    async def bind(self) -> None:
        """Bind to the running loop."""
        assert self.binding.bind() is running_loop()


def in_thread(function: Callable[[], object]) -> list[Exception | None]:
    """What a function raises in a thread of its own."""
    raised: list[Exception | None] = []

    def main() -> None:
        try:
            function()
        except Exception as error:
            raised.append(error)
        else:
            raised.append(None)

    thread = threading.Thread(target=main)
    thread.start()
    thread.join()
    return raised


def test_before_something_waits_it_belongs_to_no_loop() -> None:
    """It can be used outside a loop, and from any thread."""
    bound = Bound()
    bound.binding.check()
    assert bound.binding.here() is None
    assert in_thread(bound.binding.check) == [None]


@on_both
def test_to_look_binds_nothing(backend: str) -> None:
    """Only what waits binds."""
    bound = Bound()

    async def main() -> None:
        assert bound.binding.here() is running_loop()
        assert bound.binding.loop is None

    run(main, backend)


@on_both
def test_it_stays_with_the_loop_in_which_something_waited_first(backend: str) -> None:
    """However often something waits there."""
    bound = Bound()

    async def main() -> None:
        await bound.bind()
        await bound.bind()
        assert bound.binding.here() is bound.binding.loop is running_loop()
        bound.binding.check()

    run(main, backend)
    assert bound.ended == 0


@on_both
def test_another_thread_is_refused_with_the_way_out(backend: str) -> None:
    """Without a loop of its own, or with one."""
    bound = Bound()

    async def main() -> None:
        await bound.bind()
        for use in (bound.binding.check, bound.binding.here, lambda: asyncio.run(bound.bind())):
            (error,) = in_thread(use)
            assert isinstance(error, RuntimeError)
            assert "use only publish_from_thread" in str(error)

    run(main, backend)
    assert bound.ended == 0


def test_a_second_live_loop_is_refused() -> None:
    """The first may go on later."""
    bound = Bound()
    first, second = asyncio.new_event_loop(), asyncio.new_event_loop()
    try:
        first.run_until_complete(bound.bind())
        with pytest.raises(RuntimeError, match="another event loop that has not ended"):
            second.run_until_complete(bound.bind())
        first.run_until_complete(bound.bind())
        assert bound.ended == 0
    finally:
        first.close()
        second.close()


def test_between_two_runs_of_its_loop_it_can_be_used() -> None:
    """No loop runs, but it may run again."""
    bound = Bound()
    with asyncio.Runner() as runner:
        runner.run(bound.bind())
        bound.binding.check()
        assert bound.binding.loop is not None
    assert bound.ended == 0


@pytest.mark.parametrize(
    "backends", [("asyncio", "trio"), ("trio", "asyncio"), ("asyncio", "asyncio"), ("trio", "trio")]
)
def test_it_is_free_when_its_loop_has_ended(backends: tuple[str, str]) -> None:
    """The end is told once, by whoever looks first, and any loop may be the next."""
    bound = Bound()
    for backend in backends:
        run(bound.bind, backend)
    assert bound.ended == 1
    bound.binding.check()
    bound.binding.check()
    assert bound.ended == 2
    assert bound.binding.loop is None
