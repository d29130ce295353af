"""From a name on the command line to what is shown.

What is in memory is seen from inside its own process alone, so a function may run the program. A log is opened to look.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from inspect import isawaitable
from typing import TYPE_CHECKING, Any, cast

from anyio import open_signal_receiver

from evenflow.cli._help import ENDED_BY
from evenflow.cli.logs._names import Refused, named
from evenflow.log import DurableSubject, Log
from evenflow.log._opening import Opening
from evenflow.log._running import Running
from evenflow.web import inspector
from evenflow.web._inspector._sources import IN_MEMORY, KINDS, can_be_shown

from ._served import Server, served

if TYPE_CHECKING:
    import argparse


def run(options: argparse.Namespace) -> int:
    """Serve the page until Ctrl-C or SIGTERM, and say by which it was ended."""
    return ENDED_BY[asyncio.run(_serve(named(options.name, "what is to be shown"), options))]


async def _serve(found: object, options: argparse.Namespace) -> signal.Signals:
    with open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async with _page(found, options) as server:
            said = f"The inspector of {options.name}: {server.address}\nCtrl-C ends it."
            as_json = json.dumps({"name": options.name, "address": server.address})
            print(as_json if options.json else said, flush=True)
            return await anext(aiter(signals))


@asynccontextmanager
async def _page(found: object, options: argparse.Namespace) -> AsyncGenerator[Server]:
    async with shown(found, options.name) as sources:
        app = inspector(*sources, actions=options.actions, contents=options.contents, title=options.name)
        async with served(app, port=options.port) as server:
            yield server


@asynccontextmanager
async def shown(found: Any, name: str) -> AsyncGenerator[list[Any]]:
    """The subjects and logs that a name stands for, within this block: what must be run or opened runs and is open.

    Raises:
        Refused: it is none of these.
    """
    async with AsyncExitStack() as stack:
        runs = callable(found) and not (can_be_shown(found) or isinstance(found, type))
        sources = _sources(await _called(found, stack) if runs else found, name)
        for source in sources:
            if isinstance(cast("object", source), IN_MEMORY):
                if not runs:
                    _say_that_nobody_publishes(source)
            elif not source._openings.is_open:
                await stack.enter_async_context(_opened_to_look(source))
        yield sources


async def _called(function: Any, stack: AsyncExitStack) -> Any:
    """What a function returns, whatever kind of function it is."""
    given = function()
    if isawaitable(given):
        given = await given
    if hasattr(given, "__aenter__") and not can_be_shown(given):
        given = await stack.enter_async_context(given)
    return given


def _sources(found: Any, name: str) -> list[Any]:
    one = can_be_shown(found) or not isinstance(found, Iterable) or isinstance(found, (str, bytes))
    sources: list[Any] = [found] if one else [*cast("Iterable[Any]", found)]
    if not sources or not all(map(can_be_shown, sources)):
        raise Refused(
            f"{name} is nothing that can be shown ({KINDS}), no list of them, and no function that returns them, but"
            f" {found!r}"
        )
    return sources


def _say_that_nobody_publishes(source: object) -> None:
    name = getattr(source, "name", None) or type(source).__name__
    print(
        f"{name} is in memory: what other processes publish to theirs is not seen here; name a function that runs the"
        " program and returns what is to be shown",
        file=sys.stderr,
    )


@asynccontextmanager
async def _opened_to_look(source: Log | DurableSubject[Any]) -> AsyncGenerator[None]:
    """A log that is open to be looked at: nothing runs in it, nothing is sent or removed."""
    if not isinstance(source, Log):
        raise Refused(f"{source!r} is a subject of a log that is not open; name the log")
    running = Running(source.name, source._make_engine())
    await running.open()
    opening = Opening(running, grace=None, consumers=False)
    source._openings.begin(opening)
    try:
        yield
    finally:
        try:
            await opening.close()
        finally:
            source._openings.end()
