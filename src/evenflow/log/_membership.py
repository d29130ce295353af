"""Joining a group and leaving it: the group is made by its first reader, and is what that said."""

from __future__ import annotations

import logging
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from ._group_changes import clear
from ._group_records import GroupRecord
from ._stored import Outdated

if TYPE_CHECKING:
    from ._desk import Desk
    from ._stored import Row

_log = logging.getLogger("evenflow.groups")

COUNTED: Final = 10_000
"""Up to how many events before a new group are counted."""


async def join(desk: Desk) -> None:
    """Become a member of the group, which is made if there is none.

    Raises:
        ValueError: there is one, and it is another.
        LogError: the engine failed.
    """
    async with desk.lock, desk.host.engine.turn(desk.keys.group):
        while True:
            record = (await desk.host.engine.load([desk.keys.group])).get(desk.keys.group)
            if record is None:
                try:
                    await clear(desk.host.engine, desk.keys)
                except Outdated:
                    continue
                position = await desk.host.position(desk.spec.since)
                group, version = GroupRecord(desk.spec.definition, position), 0
            else:
                group, version = GroupRecord.parse(record.value), record.version
            joined = _joined(desk, group)
            if not await desk.replace(joined, version):
                continue
            if version == 0:
                await _tell_made(desk, joined)
            else:
                _tell_changes(desk, group, joined)
            return


def _joined(desk: Desk, group: GroupRecord) -> GroupRecord:
    spec = desk.spec
    if group.definition != spec.definition and not spec.redefine:
        raise ValueError(
            f"group {spec.group!r} of {desk.host.subject} wants {group.definition}, and this reader asks for"
            f" {spec.definition}; ask for the same, take another name, or say redefine=True, which holds for what is"
            " claimed from then on"
        )
    return replace(
        group,
        definition=spec.definition,
        epoch=group.epoch + (group.definition != spec.definition),
        lanes=group.lanes or spec.order is not None,
        max_attempts=spec.max_attempts,
        on_dead=spec.on_dead,
        members={**group.members, desk.reader: desk.host.engine.member},
    )


def _tell_changes(desk: Desk, before: GroupRecord, after: GroupRecord) -> None:
    for what in ("definition", "max_attempts", "on_dead"):
        if getattr(before, what) != getattr(after, what):
            _log.warning(
                "group %s of %s: its newest member says %s %s, which was %s",
                desk.spec.group,
                desk.host.subject,
                what,
                getattr(after, what),
                getattr(before, what),
                extra=desk.spec.log_fields(desk.host.subject),
            )


async def _tell_made(desk: Desk, group: GroupRecord) -> None:
    """Log how many events a new group does not get, and how old they are."""
    engine, subject = desk.host.engine, desk.host.subject
    oldest: Row | None = None
    after = number = 0
    while number < COUNTED and after < group.position:
        page = await engine.read(subject, after, 1_000, until=group.position)
        number += len(page.rows)
        oldest = oldest or next(iter(page.rows), None)
        if page.through <= after:
            break
        after = page.through
    age = timedelta(seconds=round(engine.wall() - oldest.time / 1e6)) if oldest is not None else None
    _log.info(
        "group %s of %s is made: it wants %s, from %s on; %s events are before that%s",
        desk.spec.group,
        subject,
        group.definition,
        desk.spec.since,
        f"{number} or more" if number >= COUNTED else number,
        "" if age is None else f", the oldest {age} old",
        extra=desk.spec.log_fields(subject),
    )


async def leave(desk: Desk) -> None:
    """Be a member no more.

    Raises:
        LogError: the engine failed, or the group was deleted.
    """
    async with desk.lock:
        while True:
            group, version = await desk.look()
            left = {name: member for name, member in group.members.items() if name != desk.reader}
            if left == group.members or await desk.replace(replace(group, members=left), version):
                return
