"""`evenflow tail`: prints the events of a subject as they are stored, without their classes."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio

from evenflow.log._offsets import moment
from evenflow.log._schemas import Schemas
from evenflow.log._wire import CloudEvent, id_at, source_of, structured

from ._names import Refused, named_class, opened_to_look, place

if TYPE_CHECKING:
    import argparse

    from evenflow.log._engine import Row
    from evenflow.log._opening import Opening

PAGE = 500


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    since = place(options.since)
    wanted = [named_class(text) for text in options.type or ()]
    types = Schemas(options.subject, wanted).names_of(*wanted) if wanted else None

    async def tail() -> None:
        async with opened_to_look(options.where) as opening:
            engine, subject = opening.engine, options.subject
            if not options.follow and subject not in await engine.subjects():
                raise Refused(f"{options.where} has no subject {subject!r}; it has {await _known(opening)}")
            try:
                position = await opening.running.position(subject, since, await engine.end(subject))
            except ValueError as error:
                raise Refused(str(error)) from None
            while True:
                mark = engine.mark()
                page = await engine.read(subject, position, PAGE, types=types)
                for row in page.rows:
                    print(_line(opening, subject, row, as_json=options.json))
                sys.stdout.flush()
                position = page.through
                if page.rows or position < await engine.end(subject):
                    continue
                if not options.follow:
                    return
                await engine.wait(mark)

    anyio.run(tail)
    return 0


async def _known(opening: Opening) -> str:
    return ", ".join(await opening.engine.subjects()) or "none"


def _line(opening: Opening, subject: str, row: Row, *, as_json: bool) -> str:
    offset = opening.running.offset(subject, row.seq)
    if as_json:
        source = source_of(opening.running.name, subject)
        event = CloudEvent(id_at(offset, row.id), source, row.type, row.data, row.time, row.version, row.headers)
        return structured(event).decode()
    headers = "".join(f" {name}={value}" for name, value in row.headers.items())
    return f"{moment(row.time).isoformat(timespec='milliseconds')} {offset} {row.type} {row.data.decode()}{headers}"
