"""What can be asked of a log, as questions to its stream."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from evenflow._errors import LogError
from evenflow.log._stored import Page, Size

from ._filters import patterns
from ._merge import merged
from ._values import ROLLUP, row_of

if TYPE_CHECKING:
    from collections.abc import Collection

    from evenflow.log._routes import Wanted

    from ._layouts import Layout
    from ._reads import Reads

SEEN: Final = 64
"""How many events are looked at, at least, for a reader that wants some types only."""
MOST: Final = 1_000
"""How many events are asked for at once."""
_LAST_TIME: Final = (2**63 - 1) // 1_000
"""The last microsecond that the server can tell from others, in the year 2262: one later is before all events to it."""


async def read(
    reads: Reads, subject: str, after: int, limit: int, types: Collection[str] | None, until: int | None
) -> Page:
    """A page of events. The floor is asked for behind them, as it is moved before anything is removed."""
    names, known = reads.names, reads.history.newest
    one = next(iter(types)) if types is not None and len(types) == 1 else None
    count = min(MOST, limit if types is None or one is not None else max(limit, SEEN))
    if until is not None:
        count = max(1, min(count, until - after))  # each event has a number of its own
    found = await reads.after(names.of_subject(subject, one), after, count)
    rows = [row_of(message) for message in found.messages]
    if rows:
        reads.history.note(rows[-1].seq, event=True)
    through = rows[-1].seq if rows else after
    if not found.pending:
        through = max(through, known)
    if until is not None:
        rows = [row for row in rows if row.seq <= until]
        through = min(through, until)
    if types is not None and one is None:
        rows = [row for row in rows if row.type in types]
    if len(rows) > limit:
        rows = rows[:limit]
        through = rows[-1].seq
    return Page(rows, max(after, through), (await floor_and_end(reads, subject))[0])


async def read_wanted(reads: Reads, subject: str, after: int, limit: int, wanted: Wanted, until: int | None) -> Page:
    """A page of the events that may be wanted; the others are left out by the server, where it can."""
    layouts = reads.layouts.of(subject)
    if layouts is None:
        layouts = (await _floor_and_layouts(reads, subject))[1]
    while True:
        found, known = patterns(reads.names, subject, wanted, layouts), layouts
        part = await merged(reads, found, after, min(MOST, limit), until)
        floor, layouts = await _floor_and_layouts(reads, subject)
        has_all_types = found == [reads.names.of_subject(subject)]
        if layouts == known or len(found) == 1:  # one pattern leaves nothing out but other types
            rows = [row_of(message) for message in part.messages]
            if has_all_types and wanted.types is not None:
                rows = [row for row in rows if row.type in wanted.types]
            return Page(rows, max(after, part.through), floor)


async def add_layouts(reads: Reads, subject: str, layouts: Collection[Layout]) -> None:
    """Have these stored, unless they are; done again it does nothing."""
    while True:
        await _floor_and_layouts(reads, subject)
        message = reads.layouts.with_added(subject, layouts)
        if message is None:
            return
        await reads.publish(reads.names.routes(subject), *message)  # where another process was first, it looks again


async def _floor_and_layouts(reads: Reads, subject: str) -> tuple[int, frozenset[Layout]]:
    """Up to where events were removed, and how those of the subject are routed."""
    floor, routes = reads.names.floor(subject), reads.names.routes(subject)
    found = await reads.last([floor, routes])
    layouts = reads.layouts.learn(subject, found.get(routes))
    said = found.get(floor)
    return (0 if said is None else json.loads(said.data)["floor"]), layouts


async def floor_and_end(reads: Reads, subject: str) -> tuple[int, int]:
    """Up to where events were removed, and the newest number at that time."""
    at = reads.names.floor(subject)
    found = (await reads.last([at])).get(at)
    if found is None:
        return 0, 0
    said = json.loads(found.data)
    return said["floor"], said["end"]


async def end(reads: Reads, subject: str) -> int:
    """The number of the newest event, even if it was removed since."""
    newest = await reads.newest(reads.names.of_subject(subject))
    if newest is not None:
        reads.history.note(newest.seq, event=True)
        return newest.seq
    return (await floor_and_end(reads, subject))[1]


async def place(reads: Reads, subject: str, time: int) -> int:
    """The number before the first event at or after a time."""
    moment = min(max(time, 0), _LAST_TIME)
    text = datetime.fromtimestamp(moment // 1_000_000, UTC).strftime("%Y-%m-%dT%H:%M:%S")
    found = await reads.first(reads.names.of_subject(subject), time=f"{text}.{moment % 1_000_000:06d}Z")
    return await end(reads, subject) if found is None else found[0].seq - 1


async def _from(reads: Reads, subject: str, seq: int) -> tuple[int, int]:
    """The first event from a number on, 0 if there is none, and how many there are from it on."""
    found = await reads.first(reads.names.of_subject(subject), seq=seq)
    return (0, 0) if found is None else (found[0].seq, found[1] + 1)


async def _nth_newest(reads: Reads, subject: str, events: int, first: int, last: int) -> int:
    """The number of the event, between these two, that with all behind it makes so many."""
    while first < last:
        middle = (first + last + 1) // 2
        _, there = await _from(reads, subject, middle)
        if there >= events:
            first = middle
        else:
            last = middle - 1
    return first


async def older_than(reads: Reads, subject: str, events: int) -> int:
    """The number of the newest event that is older than so many others; 0 where none is."""
    first, there = await _from(reads, subject, 1)
    if there <= events:
        return 0
    return await _nth_newest(reads, subject, events + 1, first, await end(reads, subject))


async def trim(reads: Reads, subject: str, through: int, limit: int) -> int:
    """Remove at most ``limit`` events up to a number; how many."""
    first, there = await _from(reads, subject, 1)
    if not there or first > through:
        return 0
    _, later = await _from(reads, subject, through + 1)
    if there - later > limit:
        through = await _nth_newest(reads, subject, there - limit + 1, first, through)
    await _raise_floor(reads, subject, through)
    found = await reads.api.ask("STREAM.PURGE", {"filter": reads.names.of_subject(subject), "seq": through + 1})
    if error := found.get("error"):
        raise LogError(f"events of {subject} cannot be removed: {error['description']}")
    return int(found["purged"])


async def _raise_floor(reads: Reads, subject: str, through: int) -> None:
    """Say up to where events may be gone; of two processes that do so at the same moment the higher one holds."""
    floor, newest = await floor_and_end(reads, subject)
    said = {"floor": max(floor, through), "end": max(newest, await end(reads, subject))}
    await reads.publish(reads.names.floor(subject), json.dumps(said).encode(), {ROLLUP: "sub"})


async def subjects(reads: Reads) -> list[str]:
    """The names of the subjects that have or had events, sorted."""
    prefix = len(reads.names.events) - 1
    found = {name[prefix:].split(".")[0] for name in (await _counts(reads))[0]}
    start = len(reads.names.floors) - 1
    found |= {message.subject[start:] for message in await reads.scan([reads.names.floors])}
    return sorted(found)


async def size(reads: Reads) -> Size:
    """How many events there are, and how many bytes the stream has, its records included."""
    counts, size = await _counts(reads)
    return Size(sum(counts.values()), size)


async def _counts(reads: Reads) -> tuple[dict[str, int], int]:
    counts: dict[str, int] = {}
    while True:
        found: dict[str, Any] = await reads.api.ask(
            "STREAM.INFO", {"subjects_filter": reads.names.events, "offset": len(counts)}
        )
        if error := found.get("error"):
            raise LogError(f"the stream cannot be asked: {error['description']}")
        some: dict[str, int] = found["state"].get("subjects") or {}
        counts.update(some)
        if not some or len(counts) >= found.get("total", 0):
            return counts, int(found["state"]["bytes"])
