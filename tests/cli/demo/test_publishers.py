"""The publishers, and the books that they keep."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import anyio
import pytest

from evenflow import Subject
from evenflow.cli.demo._events import LoadAverage, Noticed, ProcessStarted
from evenflow.cli.demo._publishers import Books, sample, watch
from evenflow.testing import run_virtual


class Meters:
    """A machine with two sources."""

    def read(self) -> list[Noticed]:
        return [LoadAverage(source="load", tasks=1.0), LoadAverage(source="load", tasks=2.0)]


class Processes:
    """A machine on which two processes start, once."""

    def __init__(self) -> None:
        self.new: list[Noticed] = [ProcessStarted(source="p", pid=pid, name="p") for pid in (1, 2)]

    def changes(self) -> list[Noticed]:
        found, self.new = self.new, []
        return found


class TellingBooks(Books):
    """Books that say when a publish begins to wait, and when there are two events; a publisher may be a thread."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.waits_now, self.has_two = threading.Event(), threading.Event()

    async def told(self, event: threading.Event) -> None:
        assert await anyio.to_thread.run_sync(event.wait, 10)

    @contextmanager
    def waiting(self) -> Iterator[None]:
        with super().waiting():
            self.waits_now.set()
            yield

    def enter(self, wanted: int) -> None:
        super().enter(wanted)
        if self.published == 2:
            self.has_two.set()


def test_books_add_up_what_publish_returned() -> None:
    """Each publish is one event, and as many wanted as it returned."""
    books = Books("x")
    for wanted in (2, 0, 3):
        books.enter(wanted)
    assert (books.published, books.wanted, books.waits) == (3, 5, 0)


def test_waiting_is_counted_and_measured_even_if_it_fails() -> None:
    """A publish that is cancelled has waited too."""
    books = Books("x")
    with pytest.raises(ZeroDivisionError), books.waiting():
        started = time.monotonic()
        while time.monotonic() == started:
            pass
        raise ZeroDivisionError
    assert books.waits == 1
    assert books.waited > 0


@pytest.mark.parametrize("publisher, stub", [(sample, Meters), (watch, Processes)])
def test_a_full_buffer_makes_a_publisher_wait_and_its_books_say_so(publisher: Any, stub: Any) -> None:
    """Each of the two publishes its second event only when the first has been taken, and loses neither."""

    async def main() -> tuple[list[Noticed], Books]:
        subject: Subject[Noticed] = Subject(Noticed)
        books = TellingBooks("x")
        got: list[Noticed] = []
        subscription = subject.subscribe(Noticed, buffer=1)
        async with subject, subscription, anyio.create_task_group() as tasks:
            tasks.start_soon(publisher, subject, stub(), books, 1.0)
            await books.told(books.waits_now)
            assert (books.waits, books.published) == (1, 1)
            got += [await subscription.receive(), await subscription.receive()]
            await books.told(books.has_two)
            tasks.cancel_scope.cancel()
        return got, books

    got, books = anyio.run(main)
    assert len(got) == 2
    assert (books.waits, books.published, books.wanted) == (1, 2, 2)


def test_samples_are_as_far_apart_as_the_rate_says() -> None:
    """Four samples a second are a quarter of a second apart."""

    async def main() -> list[float]:
        subject: Subject[Noticed] = Subject(Noticed)
        times: list[float] = []
        async with subject.subscribe(Noticed) as subscription, anyio.create_task_group() as tasks:
            tasks.start_soon(sample, subject, Meters(), Books("x"), 4.0)
            for _ in range(3):
                await subscription.receive()
                times.append(anyio.current_time())
                await subscription.receive()
            tasks.cancel_scope.cancel()
        return times

    assert run_virtual(main) == [0.0, 0.25, 0.5]
