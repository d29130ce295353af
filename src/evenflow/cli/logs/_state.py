"""`evenflow log`: what is stored, what the groups have to do, and what to do about dead letters."""

from __future__ import annotations

import json
from dataclasses import fields
from typing import TYPE_CHECKING, Any

import anyio

from evenflow.cli._colour import painted

from ._names import Refused, offsets, opened_to_look, place

if TYPE_CHECKING:
    import argparse

    from evenflow.log import DeadLetter, GroupStatistics, LogStatistics
    from evenflow.log._opening import Opening


def run(options: argparse.Namespace) -> int:
    """Run the command."""

    async def act() -> None:
        async with opened_to_look(options.where) as opening:
            if options.word is None:
                statistics = await opening.statistics()
                for line in [_as_json(statistics)] if options.json else _shown(statistics):
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
            print(_letter(letter, as_json=options.json))
        return
    done: dict[str, Any] = {"subject": subject, "group": group, "done": options.word}
    if options.word == "redrive":
        done["count"] = await groups.redrive(group, opening.running.seqs(subject, offsets(options.offsets)))
        said = f"{done['count']} dead letters of {group} go out again"
    elif options.word == "discard":
        done["count"] = await groups.discard(group, opening.running.seqs(subject, offsets(options.offsets)))
        said = f"{done['count']} dead letters of {group} deleted"
    elif options.word == "seek":
        await groups.seek(group, await opening.running.position(subject, place(options.to)))
        done["to"] = options.to
        said = f"{group} goes on from {options.to}"
    else:
        await getattr(groups, options.word)(group)
        said = f"{group} is {'paused' if options.word == 'pause' else 'going on'}"
    print(json.dumps(done) if options.json else said)


def _letter(letter: DeadLetter[Any], *, as_json: bool) -> str:
    if as_json:
        return json.dumps({
            "offset": str(letter.offset),
            "type": letter.type,
            "data": json.loads(letter.data),
            "attempts": letter.attempts,
            "error": letter.error,
            "at": letter.at.isoformat(),
        })  # fmt: skip
    begin = f"{painted(str(letter.offset), 'dim')} {painted(letter.type, 'cyan')} {letter.data.decode()}"
    return f"{begin} after {letter.attempts}: {painted(letter.error, 'red')}"


def _as_json(statistics: LogStatistics) -> str:
    """The numbers by their names in ``LogStatistics``: offsets as text, times in seconds."""
    made = {name: getattr(statistics, name) for name in ("name", "events", "bytes", "wal_bytes")}
    made["subjects"] = [
        {
            "name": subject.name,
            "end": str(subject.end),
            "floor": str(subject.floor),
            "groups": [_group_as_json(group) for group in subject.groups],
        }
        for subject in statistics.subjects
    ]
    return json.dumps(made)


def _group_as_json(group: GroupStatistics) -> dict[str, Any]:
    oldest = None if group.oldest_due is None else group.oldest_due.total_seconds()
    return {
        **{each.name: getattr(group, each.name) for each in fields(group)},
        "position": str(group.position),
        "oldest_due": oldest,
    }


def _shown(statistics: LogStatistics) -> list[str]:
    wal = "" if statistics.wal_bytes is None else f", write-ahead log {_size(statistics.wal_bytes)}"
    events = "?" if statistics.events is None else f"{statistics.events:,}"
    lines = [f"log {painted(statistics.name, 'bold')}: {events} events, {_size(statistics.bytes)}{wal}"]
    for subject in statistics.subjects:
        kept = f", kept after {subject.floor}" if subject.floor.seq else ""
        lines.append(f"  {painted(subject.name, 'bold')}: up to {subject.end}{kept}")
        lines += [f"    {_shown_group(group)}" for group in subject.groups]
    return lines


def _shown_group(group: GroupStatistics) -> str:
    oldest = "" if group.oldest_due is None else f" (the oldest for {group.oldest_due.total_seconds():.0f} s)"
    paused = painted(", paused", "yellow") if group.paused else ""
    dead = painted(f"{group.dead} dead", "red") if group.dead else "0 dead"
    return (
        f"{painted(group.name, 'cyan')} wants {group.wants}: {group.due} due{oldest}, {group.in_hand} in hand,"
        f" {group.retrying} retrying, {dead}, {group.members} members{paused}, at {group.position}"
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
