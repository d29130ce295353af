"""`evenflow publish`: publishes JSON lines from standard input, each as soon as it is there.

Rule 1: what has come is published before more is waited for, so that a pipe that never ends works too.
Rule 2: a daemon thread reads, without Python's buffer: Ctrl-C ends the command although the thread is stuck in its
        read. Those of anyio are no daemons, and Python would wait for them at its end.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from contextlib import suppress
from threading import Thread
from typing import TYPE_CHECKING, Any, Final

import anyio
from pydantic import TypeAdapter, ValidationError

from evenflow.log._subject import IN_ONE_COMMIT

from ._names import Refused, log_at, named_class, possible_subject, refusing_what_is_absent

if TYPE_CHECKING:
    import argparse
    from collections.abc import AsyncGenerator, Sequence

CHUNK: Final = 65_536


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    cls = named_class(options.type)
    name = possible_subject(options.subject)
    log = log_at(options.where)
    count = 0

    async def publish() -> None:
        nonlocal count
        subject: Any = log.subject(name, cls)
        async with log.opened(consumers=False):
            async for events, wrong in _batches(cls):
                for first in range(0, len(events), IN_ONE_COMMIT):
                    count += len(await subject.publish_many(events[first : first + IN_ONE_COMMIT]))
                if wrong:
                    raise Refused(f"{wrong}; the {count} events before it are published")

    with refusing_what_is_absent():
        anyio.run(publish)
    said = {"subject": options.subject, "published": count}
    print(json.dumps(said) if options.json else f"{count} events published to {options.subject}")
    return 0


async def _batches(cls: type) -> AsyncGenerator[tuple[list[Any], str]]:
    """The events that have come together, and what is wrong with the line after them, if anything is."""
    adapter: TypeAdapter[Any] = TypeAdapter(cls)
    number = 0
    async for lines in _lines():
        events, wrong = _read(adapter, cls.__name__, lines, number)
        yield events, wrong
        number += len(lines)


def _read(adapter: TypeAdapter[Any], name: str, lines: Sequence[bytes], before: int) -> tuple[list[Any], str]:
    events: list[Any] = []
    for number, line in enumerate(lines, before + 1):
        if not line.strip():
            continue
        try:
            events.append(adapter.validate_json(line))
        except ValidationError as error:
            return events, f"line {number} is no {name}: {error}"
    return events, ""


async def _lines() -> AsyncGenerator[list[bytes]]:
    """The lines of standard input, as many as are there; the last one needs no line end."""
    source, rest = sys.stdin.fileno(), b""
    while chunk := await _chunk(source):
        *lines, rest = (rest + chunk).split(b"\n")
        if lines:
            yield lines
    if rest:
        yield [rest]


async def _chunk(source: int) -> bytes:
    """What has come, as soon as something has; nothing at the end."""
    loop = asyncio.get_running_loop()
    read: asyncio.Future[bytes] = loop.create_future()

    def take() -> None:
        found: bytes | OSError
        try:
            found = os.read(source, CHUNK)
        except OSError as error:
            found = error
        with suppress(RuntimeError):  # the loop is closed: the command was ended
            loop.call_soon_threadsafe(hand_over, found)

    def hand_over(found: bytes | OSError) -> None:
        if read.done():  # it was cancelled
            return
        if isinstance(found, OSError):
            read.set_exception(found)
        else:
            read.set_result(found)

    Thread(target=take, name="evenflow publish", daemon=True).start()
    return await read
