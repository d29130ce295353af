"""`evenflow log`: what is stored, what the groups have to do, and what to do about dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import anyio

from ._names import Refused, offsets, opened_to_look, place

if TYPE_CHECKING:
    import argparse

    from evenflow.log import GroupStatistics, LogStatistics
    from evenflow.log._opening import Opening


def run(options: argparse.Namespace) -> int:
    """Run the command."""

    async def act() -> None:
        async with opened_to_look(options.where) as opening:
            if options.word is None:
                for line in _shown(await opening.statistics()):
                    print(line)
                return
            try:
                await _change(opening, options)
            except (ValueError, TypeError) as error:
                raise Refused(str(error)) from None

    anyio.run(act)
    return 0


async def _change(opening: Opening, options: argparse.Namespace) -> None:
    groups, group, subject = opening.groups_by_name(options.subject), options.group, options.subject
    if options.word == "dead":
        async for letter in groups.dead_letters(group):
            print(f"{letter.offset} {letter.type} {letter.data.decode()} after {letter.attempts}: {letter.error}")
    elif options.word == "redrive":
        count = await groups.redrive(group, opening.running.seqs(subject, _which(options)))
        print(f"{count} dead letters of {group} go out again")
    elif options.word == "discard":
        count = await groups.discard(group, opening.running.seqs(subject, _which(options)))
        print(f"{count} dead letters of {group} deleted")
    elif options.word == "seek":
        to = place(options.to)
        await groups.seek(group, await opening.running.position(subject, to))
        print(f"{group} goes on from {options.to}")
    else:
        await getattr(groups, options.word)(group)
        print(f"{group} is {'paused' if options.word == 'pause' else 'going on'}")


def _which(options: argparse.Namespace) -> Any:
    return offsets(options.offsets)


def _shown(statistics: LogStatistics) -> list[str]:
    wal = "" if statistics.wal_bytes is None else f", write-ahead log {_size(statistics.wal_bytes)}"
    events = "?" if statistics.events is None else f"{statistics.events:,}"
    lines = [f"log {statistics.name}: {events} events, {_size(statistics.bytes)}{wal}"]
    for subject in statistics.subjects:
        kept = f", kept after {subject.floor}" if subject.floor.seq else ""
        lines.append(f"  {subject.name}: up to {subject.end}{kept}")
        lines += [f"    {_shown_group(group)}" for group in subject.groups]
    return lines


def _shown_group(group: GroupStatistics) -> str:
    oldest = "" if group.oldest_due is None else f" (the oldest for {group.oldest_due.total_seconds():.0f} s)"
    paused = ", paused" if group.paused else ""
    return (
        f"{group.name} wants {group.wants}: {group.due} due{oldest}, {group.in_hand} in hand,"
        f" {group.retrying} retrying, {group.dead} dead, {group.members} members{paused}, at {group.position}"
    )


def _size(size: int | None) -> str:
    if size is None:
        return "size unknown"
    amount = float(size)
    for unit in ("bytes", "KiB", "MiB", "GiB"):
        if amount < 1024 or unit == "GiB":  # noqa: PLR2004 -- a KiB
            break
        amount /= 1024
    return f"{amount:.0f} bytes" if unit == "bytes" else f"{amount:.1f} {unit}"
