"""What is done to a group from outside: it is moved, paused, deleted. What is outdated is decided again."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from ._group_records import GroupRecord, Keys, LaneRecord, last_part
from ._group_rules import Draft, Lanes
from ._stored import ABSENT, Change, Outdated

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._engine import Engine

IN_ONE_COMMIT = 1_000
"""Records that are deleted in one commit."""


async def load_group(engine: Engine, keys: Keys) -> tuple[GroupRecord, int]:
    """A group and its version.

    Raises:
        ValueError: there is none of this name.
    """
    record = (await engine.load([keys.group])).get(keys.group)
    if record is None:
        _, subject, group = keys.group.split("/")
        others = [last_part(key) for key in await engine.load(prefix=f"group/{subject}/")]
        known = f"it has {', '.join(map(repr, others))}" if others else "it has none"
        raise ValueError(f"{subject} has no group {group!r}: {known}; a group is made by its first reader")
    return GroupRecord.parse(record.value), record.version


async def _change_group(
    engine: Engine, keys: Keys, change: Callable[[GroupRecord, Lanes], GroupRecord], *, lanes: bool
) -> None:
    while True:
        group, version = await load_group(engine, keys)
        known = Lanes(keys, await engine.load(prefix=keys.lane) if lanes and group.lanes else {})
        draft = Draft({keys.group: version})
        draft.put(keys.group, change(group, known).dump())
        known.write(draft, engine.wall())
        try:
            await engine.commit(draft.change())
        except Outdated:
            continue
        return


async def pause(engine: Engine, keys: Keys, *, paused: bool) -> None:
    """Claim nothing more, or go on.

    Raises:
        ValueError: there is no such group.
    """
    await _change_group(engine, keys, lambda group, _: replace(group, paused=paused), lanes=False)


async def seek(engine: Engine, keys: Keys, position: int) -> None:
    """Go on after this number. What was handed over before, and goes out again, does so.

    Raises:
        ValueError: there is no such group.
    """

    def moved(group: GroupRecord, lanes: Lanes) -> GroupRecord:
        waiting = group.waiting
        for name in lanes.names():
            before = lanes.get(name)
            after = _without_later(before, position)
            if after != before:
                waiting += after.counted - before.counted
                lanes.set(name, after)
        return replace(group, position=position, epoch=group.epoch + 1, waiting=waiting)

    await _change_group(engine, keys, moved, lanes=True)


def _without_later(lane: LaneRecord, position: int) -> LaneRecord:
    """A lane without what comes again because the group goes back: what waits, and was never begun."""
    waiting = lane.items[lane.in_page :]
    kept = tuple(item for item in waiting if item.seq <= position or item.attempt > 1 or item.due or item.copied)
    if len(kept) == len(waiting):
        return lane
    return lane._replace(items=(*lane.items[: lane.in_page], *kept), counted=len(kept))


async def delete(engine: Engine, keys: Keys) -> None:
    """Forget a group, with all that it has. Whoever reads it is told.

    Raises:
        ValueError: there is no such group.
    """
    await load_group(engine, keys)
    # without the group nothing is claimed any more, and without the pages nothing is settled
    pages = await engine.load(prefix=keys.page)
    await engine.commit(Change(deletes=[keys.group, *pages]))
    try:
        await clear(engine, keys)
    except Outdated:  # somebody has made it anew, and has cleared it before
        return


async def clear(engine: Engine, keys: Keys) -> None:
    """Delete what a group that is no more has left, as one whose deletion was cut off half-way.

    Raises:
        Outdated: there is a group of this name.
    """
    for prefix in (keys.page, keys.retry, keys.lane, keys.dead):
        while found := await engine.load_some(prefix, "", IN_ONE_COMMIT):
            await engine.commit(Change(expect={keys.group: ABSENT}, deletes=list(found)))
