"""Reading the events of a group: from the log, or from their dead letters, as this process understands them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from evenflow._errors import DecodeError

from ._claiming import Plain, Reading
from ._coding import Unreadable
from ._group_records import DeadRecord

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from evenflow._conditions import Condition

    from ._engine import Engine
    from ._group_records import Item, Keys
    from ._group_spec import GroupSpec, Host
    from ._stored import Page, Row

CLOSE: Final = 64
"""Events that are no further apart than this are read in one go."""

MOST: Final = 1_000
"""Events that are read in one go, at most."""


async def rows_of(engine: Engine, subject: str, keys: Keys, items: Iterable[Item]) -> dict[int, Row]:
    """The events of these items, by number; what the log has no more is missing."""
    items = list(items)
    found: dict[int, Row] = {}
    copied = [keys.dead_of(item.seq) for item in items if item.copied]
    if copied:
        for record in (await engine.load(copied)).values():
            row = DeadRecord.parse(record.value).row
            found[row.seq] = row
    wanted = sorted({item.seq for item in items if not item.copied})
    for run in _runs(wanted):
        after, last = run[0] - 1, run[-1]
        while after < last:
            page = await engine.read(subject, after, MOST, until=last)
            found.update((row.seq, row) for row in page.rows)
            if page.through <= after:
                break
            after = page.through
    return found


async def news_of(
    host: Host, condition: Condition | None, types: frozenset[str] | None, after: int, limit: int
) -> Page:
    """New events of these types; the server may leave out those that the condition excludes."""
    wanted = host.wanted(types, condition)
    if wanted is None:
        return await host.engine.read(host.subject, after, limit, types=types)
    return await host.engine.read_wanted(host.subject, after, limit, wanted)


def _runs(seqs: list[int]) -> Iterator[list[int]]:
    """Numbers that are close to each other, together."""
    run: list[int] = []
    for seq in seqs:
        if run and seq - run[-1] > CLOSE:
            yield run
            run = []
        run.append(seq)
    if run:
        yield run


def read_all(host: Host, spec: GroupSpec, rows: Sequence[Row]) -> list[Reading] | Plain:
    """``read`` for new events: where the group wants all of them, in any order, at a third of the cost."""
    if rows and spec.condition is None and spec.order is None:
        try:
            events = host.decode_all(rows)
        except Exception:  # noqa: BLE001, S110 -- one of them: below it has an error of its own
            pass
        else:
            if Unreadable not in map(type, events):
                return Plain(rows, events)
    return [read(host, spec, row) for row in rows]


def read(host: Host, spec: GroupSpec, row: Row | None, *, again: bool = False) -> Reading:
    """What this process makes of an event; ``again`` says that the group has claimed it before, and so wants it."""
    if row is None:
        return Reading(None)
    try:
        event = host.decode(row)
    except DecodeError as error:
        return Reading(row, error=f"it cannot be read: {error}")
    except Exception as error:  # noqa: BLE001 -- an upgrade of the user's that raises stops nobody
        return Reading(row, error=f"it cannot be read: {error!r}")
    try:
        wanted = again or spec.condition is None or spec.condition(event)
        lane = spec.order.key_of(event) if wanted and spec.order is not None else ""
    except Exception as error:  # noqa: BLE001 -- a field that raises is the event's fault, and stops nobody
        return Reading(row, event, f"its condition or key cannot be asked: {error!r}", broken=True)
    return Reading(row, event, wanted=wanted, lane=lane)
