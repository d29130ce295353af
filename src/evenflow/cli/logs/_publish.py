"""`evenflow publish`: publishes JSON lines from standard input."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

import anyio
from pydantic import TypeAdapter, ValidationError

from ._names import Refused, log_at, named_class

if TYPE_CHECKING:
    import argparse
    from collections.abc import Iterator


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    cls = named_class(options.type)
    log = log_at(options.where)
    count = 0

    def counted(events: Iterator[Any]) -> Iterator[Any]:
        nonlocal count
        for event in events:
            yield event
            count += 1

    async def publish() -> None:
        subject: Any = log.subject(options.subject, cls)
        async with log.opened(consumers=False):
            await subject.publish_many(counted(_events(cls)))

    anyio.run(publish)
    print(f"{count} events published to {options.subject}")
    return 0


def _events(cls: type) -> Iterator[Any]:
    adapter: TypeAdapter[Any] = TypeAdapter(cls)
    for number, line in enumerate(sys.stdin, 1):
        if not line.strip():
            continue
        try:
            yield adapter.validate_json(line)
        except ValidationError as error:
            raise Refused(
                f"line {number} is no {cls.__name__}, and nothing from it on was published: {error}"
            ) from None
