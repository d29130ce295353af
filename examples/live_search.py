"""A live search in a terminal: results appear while you type.

    python examples/live_search.py

Each input line is the new text of the search box.
A search begins after a pause in the input (`debounce`), and cancels the search before it (`switch_map`), so the last
result shown is always the result for the last text, however slow the other searches were.
The end of the input (Ctrl-D) ends the program, after the result for the last text.
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path

import anyio
import anyio.to_thread

from evenflow import Event, Subject
from evenflow.streams import Stream

PAUSE = 0.3
"""Seconds without input after which a search begins."""

MOST = 5


class Typed(Event):
    """The new text of the search box."""

    text: str


class Found(Event):
    """The result of a search."""

    text: str
    files: tuple[str, ...]


async def search(text: str) -> Found:
    """Find files whose name contains the text; slow on purpose, like a remote service."""
    await anyio.sleep(0.2)
    root = Path(__file__).parent.parent
    names = await anyio.to_thread.run_sync(lambda: sorted(path.name for path in root.glob("*") if text in path.name))
    return Found(text=text, files=tuple(names[:MOST]))


def results(
    typed: Stream[Typed], look: Callable[[str], Coroutine[None, None, Found]] = search, pause: float = PAUSE
) -> Stream[Found]:
    """Yield the results for the texts; a new text cancels the search before it."""

    async def answer(text: str) -> list[Found]:
        return [await look(text)] if text else [Found(text="", files=())]

    return (
        typed.map(lambda box: box.text.strip())
        .debounce(pause)
        .distinct_until_changed()
        .switch_map(answer)
    )  # fmt: skip


async def lines() -> AsyncIterator[str]:
    """Yield the lines of the standard input."""
    while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        yield line.rstrip("\n")


async def show(found: Stream[Found]) -> None:
    """Print the results."""
    await found.for_each(lambda one: print(f"{one.text!r}: {', '.join(one.files) or 'nothing'}", flush=True))


async def main() -> None:
    """Publish each input line, and show the results."""
    keys = Subject(Typed, name="keys")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show, results(keys.subscribe()))
        async for line in lines():
            await keys.publish(Typed(text=line))
        keys.close()


if __name__ == "__main__":
    anyio.run(main)
