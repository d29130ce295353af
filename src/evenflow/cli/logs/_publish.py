"""`evenflow publish`: publishes JSON lines from standard input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import TypeAdapter, ValidationError

from evenflow.log._subject import IN_ONE_COMMIT

from ._names import Refused, log_at, named_class

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    cls = named_class(options.type)
    log = log_at(options.where)
    count = 0

    async def publish() -> None:
        nonlocal count
        subject: Any = log.subject(options.subject, cls)
        async with log.opened(consumers=False):
            for events, wrong in _batches(cls):
                count += len(await subject.publish_many(events))
                if wrong:
                    raise Refused(f"{wrong}; the {count} events before it are published")

    anyio.run(publish)
    print(f"{count} events published to {options.subject}")
    return 0


def _batches(cls: type) -> Iterator[tuple[list[Any], str]]:
    """As many events as go into one commit, and what is wrong with the line after them, if anything is."""
    adapter: TypeAdapter[Any] = TypeAdapter(cls)
    events: list[Any] = []
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            events.append(adapter.validate_json(line))
        except ValidationError as error:
            yield events, f"line {number} is no {cls.__name__}: {error}"
            return
        if len(events) == IN_ONE_COMMIT:
            yield events, ""
            events = []
    yield events, ""
