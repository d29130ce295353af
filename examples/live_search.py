"""A live search in a terminal: type, and the results follow.

    python examples/live_search.py

Every line that comes in is what stands in the search box now.
A search begins when nothing has come for a moment (`debounce`), and cancels the one before it (`switch_map`): the
answer that is shown last is the answer to what was typed last, however slow the others were.
The end of the input (Ctrl-D) ends it: what was asked last is still answered.
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
"""Seconds without a key, after which a search begins."""

MOST = 5


class Typed(Event):
    """What stands in the search box now."""

    text: str


class Found(Event):
    """What a search has found."""

    text: str
    files: tuple[str, ...]


async def search(text: str) -> Found:
    """Look for files whose name contains the text; slowly, as a service far away would."""
    await anyio.sleep(0.2)
    root = Path(__file__).parent.parent
    names = await anyio.to_thread.run_sync(lambda: sorted(path.name for path in root.glob("*") if text in path.name))
    return Found(text=text, files=tuple(names[:MOST]))


def results(
    typed: Stream[Typed], look: Callable[[str], Coroutine[None, None, Found]] = search, pause: float = PAUSE
) -> Stream[Found]:
    """Answer what was typed last."""

    async def answer(text: str) -> list[Found]:
        return [await look(text)] if text else [Found(text="", files=())]

    return (
        typed.map(lambda box: box.text.strip())
        .debounce(pause)
        .distinct_until_changed()
        .switch_map(answer)
    )  # fmt: skip


async def lines() -> AsyncIterator[str]:
    """Give the lines of the standard input."""
    while line := await anyio.to_thread.run_sync(sys.stdin.readline, abandon_on_cancel=True):
        yield line.rstrip("\n")


async def show(found: Stream[Found]) -> None:
    """Print the answers."""
    await found.for_each(lambda one: print(f"{one.text!r}: {', '.join(one.files) or 'nothing'}", flush=True))


async def main() -> None:
    """Connect what is typed with what is shown."""
    keys = Subject(Typed, name="keys")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(show, results(keys.subscribe()))
        async for line in lines():
            await keys.publish(Typed(text=line))
        keys.close()


if __name__ == "__main__":
    anyio.run(main)
