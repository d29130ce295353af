"""Failure, and starting again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import anyio
import anyio.lowlevel
import pytest

from evenflow import Event, Subject
from evenflow.streams import Stream, stream
from evenflow.testing import marbles

from .drawing import check, on_both_loops
from .probes import Bench, Boom

Case = tuple[str, Callable[[], Stream[Any]], str]


def odd_is_wrong(letter: str) -> str:
    if letter == "x":
        raise Boom
    return letter


CASES: list[Case] = [
    ("catch", lambda: marbles("-a-#").catch(lambda _: marbles("-b|")), "-a--b|"),
    ("catch of nothing", lambda: marbles("-a|").catch(lambda _: "b"), "-a|"),
    ("catch catches but once", lambda: marbles("-a#").catch(lambda _: marbles("-b#")), "-a-b#"),
    ("catch what is raised above", lambda: marbles("-ax-b|").map(odd_is_wrong).catch(lambda _: "c"), "-a(c|)"),
    ("retry", lambda: marbles("-a-#").retry(2), "-a--a-#"),
    ("retry once is none", lambda: marbles("-a-#").retry(1), "-a-#"),
    ("retry waits", lambda: marbles("-a#").retry(2, wait=3), "-a----a#"),
    ("retry waits as a function says", lambda: marbles("-a#").retry(3, wait=lambda n: 2 * n), "-a---a-----a#"),
    ("retry of what goes well", lambda: marbles("-a-|").retry(5), "-a-|"),
    ("repeat", lambda: marbles("-a-|").repeat(2), "-a--a-|"),
    ("repeat never", lambda: marbles("-a-|").repeat(0), "|"),
    ("repeat for ever", lambda: marbles("-a-|").repeat().take(3), "-a--a--(a|)"),
    ("repeat meets an error", lambda: marbles("-a-#").repeat(2), "-a-#"),
    ("repeat of a part", lambda: marbles("-a-b-").take(1).repeat(2), "-a(a|)"),
    ("finally_do", lambda: marbles("-a-|").finally_do(lambda: None), "-a-|"),
    (
        "operators begin anew",
        lambda: marbles("-ab|").scan(lambda a, x: a + x, "").filter(lambda x: x == "a").repeat(2),
        "-a--a-|",
    ),
]


@pytest.mark.parametrize("name, make, expected", CASES, ids=[case[0] for case in CASES])
def test_it_does_what_is_drawn(name: str, make: Callable[[], Stream[Any]], expected: str) -> None:
    """It yields the same events at the same times with the same end as ReactiveX."""
    check(make, expected)


def test_catch_gets_the_very_error_after_the_source_was_closed() -> None:
    """The function may be async, and is called when the source has been closed."""

    async def main() -> None:
        boom = Boom()
        bench = Bench(1, error=boom)
        seen: list[object] = []

        async def look(error: Exception) -> list[str]:
            seen.extend([error, bench.all_closed()])
            await anyio.sleep(1)
            return ["instead"]

        async with bench.source().catch(look) as chain:
            assert await chain.receive() == 0
            with anyio.move_on_after(0.5):
                await chain.receive()
            assert [event async for event in chain] == ["instead"]
        assert seen == [boom, True, boom, True]

    on_both_loops(main)


def test_catch_may_raise_another_error() -> None:
    """What the function raises is what the reader gets."""

    async def main() -> None:
        def worse(_: Exception) -> list[str]:
            raise LookupError("worse")

        with pytest.raises(LookupError, match="worse"):
            await marbles("#").catch(worse).to_list()

    on_both_loops(main)


def test_a_function_is_called_anew_by_retry_and_by_repeat() -> None:
    """A chain that is started again begins with fresh state."""

    async def main() -> None:
        calls: list[int] = []

        def fails_twice() -> Iterator[int]:
            calls.append(len(calls))
            yield len(calls)
            if len(calls) < 3:
                raise Boom

        assert await stream(fails_twice).enumerate().retry(3).to_list() == [(0, 1), (0, 2), (0, 3)]
        calls.clear()
        with pytest.raises(Boom):
            await stream(fails_twice).retry(2).to_list()
        assert await stream(lambda: iter([1, 2])).take(1).repeat(3).to_list() == [1, 1, 1]

    on_both_loops(main)


def fails_with(*errors: Exception) -> Stream[int]:
    """Return a stream that fails with one error after the other, and then ends."""
    left = list(errors)

    def source() -> Iterator[int]:
        yield len(left)
        if left:
            raise left.pop(0)

    return stream(source)


def test_retry_asks_for_the_wait_with_the_number_of_the_attempt_that_failed() -> None:
    """The first is 1, and nobody asks after the last."""

    async def main() -> None:
        asked: list[int] = []

        def wait(attempt: int) -> float:
            asked.append(attempt)
            return 10.0**attempt

        began = anyio.current_time()
        with pytest.raises(Boom):
            await fails_with(Boom(), Boom(), Boom()).retry(3, wait).to_list()
        assert asked == [1, 2]
        assert anyio.current_time() - began == 110

    on_both_loops(main)


@pytest.mark.parametrize("on", [LookupError, (OSError, LookupError)])
def test_retry_retries_only_what_it_is_told_to(on: Any) -> None:
    """A subclass is of the kind, too; any other error comes at once, as it is."""

    async def main() -> None:
        other = ValueError("no more")
        got: list[int] = []
        with pytest.raises(ValueError, match="no more") as raised:
            await fails_with(KeyError(), IndexError(), other, KeyError()).retry(9, on=on).for_each(got.append)
        assert raised.value is other
        assert got == [4, 3, 2]

    on_both_loops(main)


def raises_an_end(_: int) -> float:
    raise StopAsyncIteration


@pytest.mark.parametrize(
    "wait, expected",
    [
        (lambda attempt: 1 / (attempt - 1), ZeroDivisionError),
        (lambda attempt: -attempt, ValueError),
        (lambda attempt: str(attempt), TypeError),
        (raises_an_end, RuntimeError),
    ],
)
def test_a_function_that_says_no_time_ends_the_stream_with_its_error(wait: Any, expected: type[Exception]) -> None:
    """The error has that of the source as its cause, and it is never an end."""

    async def main() -> None:
        boom = Boom()
        with pytest.raises(expected) as raised:
            await fails_with(boom).retry(3, wait).to_list()
        assert raised.value.__cause__ is boom

    on_both_loops(main)


@pytest.mark.parametrize("on", [5, "OSError", Boom(), (Boom, 5), BaseException, KeyboardInterrupt, [Boom], None])
def test_retry_wants_classes_of_errors(on: Any) -> None:
    """Anything else is refused where it is written, and the source stays free."""
    source = stream([1])
    with pytest.raises(TypeError, match="retry expected a class of errors or a tuple of them, not"):
        source.retry(2, on=on)
    with pytest.raises(ValueError, match="at least one class"):
        source.retry(2, on=())
    with pytest.raises(TypeError, match="retry expected a number of seconds, not 'soon'"):
        source.retry(2, wait="soon")  # type: ignore[arg-type]
    source.map(str)


def test_retry_refuses_an_async_function_for_the_wait() -> None:
    """It would be noticed at the first failure only, which may be months later."""

    async def soon(_: int) -> float:
        return 1

    source = stream([1])
    wait: Any = soon
    with pytest.raises(TypeError, match="retry expected a number of seconds or a sync function that returns one"):
        source.retry(2, wait=wait)
    source.map(str)


def test_operators_with_tasks_are_started_again_too() -> None:
    """Their tasks are ended, their sources are closed, and everything is opened again."""

    async def main() -> None:
        made: list[Bench] = []

        def source() -> Stream[Any]:
            made.append(Bench(2, every=1.0, error=Boom()))
            return made[-1].source()

        chain = stream(source).merge(marbles("-----------")).debounce(0.1).retry(3)
        got: list[int] = []
        with pytest.raises(Boom):
            await chain.for_each(got.append)
        assert got == [0, 1] * 3
        assert all(bench.all_closed() for bench in made)

    on_both_loops(main)


def test_a_subscription_goes_on_where_it_was() -> None:
    """``retry`` closes what can be opened again, and keeps a subscription open, which cannot."""

    class Line(Event):
        text: str

    async def main() -> None:
        lines = Subject(Line)
        async with lines.subscribe().map(lambda line: int(line.text)).retry(10) as numbers:
            for text in ("1", "x", "2", "y", "3"):
                await lines.publish(Line(text=text))
            assert [await numbers.receive() for _ in range(3)] == [1, 2, 3]
        assert lines.statistics().subscriptions == ()

    on_both_loops(main)


def test_a_source_that_is_spent_cannot_be_started_again() -> None:
    """``retry`` raises the error of the source with a note; ``repeat`` raises an error that says what to do."""

    async def main() -> None:
        boom = Boom()

        async def once() -> Any:  # noqa: ASYNC124 -- it must be async
            yield 1
            raise boom

        with pytest.raises(Boom) as raised:
            await stream(once()).retry(3).to_list()
        assert raised.value is boom
        assert "give stream() a function" in raised.value.__notes__[0]
        send, receive = anyio.create_memory_object_stream[int](1)
        send.send_nowait(1)
        send.close()
        got: list[int] = []
        with pytest.raises(RuntimeError, match="give stream\\(\\) a function"):
            await stream(receive).repeat(2).for_each(got.append)
        assert got == [1]

    on_both_loops(main)


def test_a_wait_before_the_next_attempt_is_cancelled_and_taken_up() -> None:
    """The time before the next attempt runs on while nobody reads."""

    async def main() -> None:
        async with marbles("a#").retry(2, wait=10) as chain:
            assert await chain.receive() == "a"
            start = anyio.current_time()
            with anyio.move_on_after(4):
                await chain.receive()
            assert await chain.receive() == "a"
            assert anyio.current_time() - start == pytest.approx(11)

    on_both_loops(main)


def test_finally_do_is_called_once_after_the_source_was_closed() -> None:
    """It is called at the end, after an error and when the chain is left early, but not if the chain never started."""

    async def main() -> None:
        calls: list[bool] = []
        for leave in ("end", "error", "early", "never"):
            bench = Bench(2, error=Boom() if leave == "error" else None)
            chain = bench.source().finally_do(lambda bench=bench: calls.append(bench.all_closed()))
            try:
                async with chain:
                    if leave != "never":
                        await chain.receive()
                    while leave in {"end", "error"}:
                        await chain.receive()
            except (Boom, anyio.EndOfStream):
                pass
            await chain.aclose()
        assert calls == [True, True, True]

    on_both_loops(main)


def test_finally_do_may_be_async_and_what_it_raises_goes_out() -> None:
    """An error of the function is raised; after an error of the stream it becomes a note on that."""

    async def fails() -> None:
        await anyio.sleep(1)
        raise LookupError("cleanup")

    async def main() -> None:
        with pytest.raises(LookupError, match="cleanup"):
            await stream([1]).finally_do(fails).to_list()
        with pytest.raises(Boom) as raised:
            await marbles("#", error=Boom()).finally_do(fails).to_list()
        assert "cleanup" in raised.value.__notes__[0]

    on_both_loops(main)


def test_repeating_nothing_lets_the_loop_turn() -> None:
    """An empty source that is repeated for ever can still be cancelled."""

    async def main() -> None:
        with anyio.move_on_after(1) as scope:
            async with anyio.create_task_group() as group:
                group.start_soon(stream([]).repeat().to_list)
                await anyio.lowlevel.checkpoint()
                group.cancel_scope.cancel()
        assert not scope.cancelled_caught

    on_both_loops(main)
