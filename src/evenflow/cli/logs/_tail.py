"""`evenflow tail`: prints the events of a subject as they are stored; classes are needed for `--type` and `--where`."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import anyio

from evenflow.cli._colour import painted
from evenflow.log._offsets import moment
from evenflow.log._schemas import Schemas
from evenflow.log._wire import CloudEvent, id_at, source_of, structured

from ._names import Refused, named_class, opened_to_look, place, possible_subject
from ._where import Where

if TYPE_CHECKING:
    import argparse
    from collections.abc import Collection

    from evenflow.log import Since
    from evenflow.log._opening import Opening
    from evenflow.log._stored import Row

PAGE = 500


def run(options: argparse.Namespace) -> int:
    """Run the command."""
    possible_subject(options.subject)
    since, where, types = place(options.since), None, None
    if options.type:
        wanted = [named_class(text) for text in options.type]
        schemas = Schemas(options.subject, wanted)
        types = schemas.names_of(*wanted)
        where = None if options.where_json is None else Where(options.where_json, wanted, schemas)
    elif options.where_json is not None:
        raise Refused("--where needs --type: a condition is asked of events of a class")
    anyio.run(_tail, options, since, types, where)
    return 1 if where is not None and where.unread else 0


async def _tail(options: argparse.Namespace, since: Since, types: Collection[str] | None, where: Where | None) -> None:
    async with opened_to_look(options.where) as opening:
        engine, subject = opening.engine, options.subject
        position = await _begin(opening, options, since)
        while True:
            mark = engine.mark()
            page = await engine.read(subject, position, PAGE, types=types)
            for row in page.rows:
                if where is None or where.holds(row, opening.running.offset(subject, row.seq)):
                    print(_line(opening, subject, row, as_json=options.json))
            sys.stdout.flush()
            position = page.through
            if page.rows or position < await engine.end(subject):
                continue
            if not options.follow:
                return
            await engine.wait(mark)


async def _begin(opening: Opening, options: argparse.Namespace, since: Since) -> int:
    engine, subject = opening.engine, options.subject
    if not options.follow and subject not in await engine.subjects():
        raise Refused(f"{options.where} has no subject {subject!r}; it has {await _known(opening)}")
    try:
        return await opening.running.position(subject, since, await engine.end(subject))
    except ValueError as error:
        raise Refused(str(error)) from None


async def _known(opening: Opening) -> str:
    return ", ".join(await opening.engine.subjects()) or "none"


def _line(opening: Opening, subject: str, row: Row, *, as_json: bool) -> str:
    offset = opening.running.offset(subject, row.seq)
    if as_json:
        source = source_of(opening.running.name, subject)
        event = CloudEvent(id_at(offset, row.id), source, row.type, row.data, row.time, row.version, row.headers)
        return structured(event).decode()
    headers = "".join(f" {name}={value}" for name, value in row.headers.items())
    at = painted(f"{moment(row.time).isoformat(timespec='milliseconds')} {offset}", "dim")
    return f"{at} {painted(row.type, 'cyan')} {row.data.decode()}{painted(headers, 'dim') if headers else ''}"
