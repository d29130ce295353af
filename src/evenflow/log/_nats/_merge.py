"""Messages of several patterns, in the order of their sequences: each pattern is asked apart, and none is passed over.

Rule 1: a pattern is *looked at* up to the last message that has come of it, or, where it has no more, up to whatever
        was known to be stored when it was asked.
Rule 2: what comes is complete up to the least of these. Whatever lies behind that is asked for again later: a message
        that was stored between two questions would be passed over otherwise.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, NamedTuple

from ._reads import MOST_BYTES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._reads import Found, Reads
    from ._values import Message

LEAST: Final = 16
"""How many messages are asked for at once, at least."""
LEAST_BYTES: Final = 1 << 20


class Merged(NamedTuple):
    """Messages in order, and up to which number everything was looked at."""

    messages: list[Message]
    through: int


async def merged(reads: Reads, patterns: Sequence[str], after: int, limit: int, until: int | None) -> Merged:
    """At most ``limit`` messages of these patterns behind a number, up to ``until``.

    Raises:
        Busy, Lost: it cannot be asked now.
    """
    looked = dict.fromkeys(patterns, after)
    found: dict[int, Message] = {}
    likely = sum(not pattern.endswith("._") for pattern in patterns)  # the others have events in rare cases
    count = max(LEAST, -(-limit // max(1, likely)))
    goal = after
    while True:
        through = min(looked.values())
        behind = [pattern for pattern in patterns if looked[pattern] == through]
        known = reads.history.newest
        for pattern, part in zip(behind, await _ask_all(reads, behind, through, count), strict=True):
            found.update((message.seq, message) for message in part.messages)
            last = part.messages[-1].seq if part.messages else through
            looked[pattern] = last if part.pending else max(last, known)
            reads.history.note(last, event=bool(part.messages))
        if goal == after:
            goal = max([known, *found])
        through = min(looked.values())
        if until is not None and through >= until:
            through = until
        complete = sorted(seq for seq in found if seq <= through)
        if len(complete) >= limit:
            return Merged([found[seq] for seq in complete[:limit]], complete[limit - 1])
        if through >= goal or through == until:
            return Merged([found[seq] for seq in complete], through)


async def _ask_all(reads: Reads, patterns: Sequence[str], after: int, count: int) -> list[Found]:
    """Ask for all at the same time; an error of one goes out once all have ended."""
    if len(patterns) == 1:
        return [await reads.after(patterns[0], after, count)]
    size = max(LEAST_BYTES, MOST_BYTES // len(patterns))
    asked = await asyncio.gather(
        *(reads.after(pattern, after, count, size) for pattern in patterns), return_exceptions=True
    )
    found: list[Found] = []
    for each in asked:
        if isinstance(each, BaseException):
            raise each
        found.append(each)
    return found
