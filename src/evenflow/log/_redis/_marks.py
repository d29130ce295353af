"""The mark of an opening, who waits for it, and the bell: how another process's change is noticed.

Each change rings the *bell*, a stream with one entry, whose id is the number of the change. While somebody waits, one
connection of this process waits for the next entry (``XREAD BLOCK``): an idle one costs a command every few seconds.

Rule 1: this process's own changes are told at once, and the bell says nothing new of them.
Rule 2: between two answers of the bell there is a short pause: a busy log does not wake everybody for each change.
Rule 3: after a lost connection something may have changed.
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from anyio import sleep

from evenflow.log._mark import Mark

from ._faults import Lost

if TYPE_CHECKING:
    from evenflow._loop import RunningLoop

    from ._line import Line

BLOCK: Final = 4.0
"""Seconds that the server keeps one question open."""
PAUSE: Final = 0.01


class Marks(Mark[None]):
    """The mark of one opening.

    Args:
        rev: the number of the newest change.
    """

    def __init__(self, loop: RunningLoop, rev: int) -> None:
        super().__init__(loop)
        self.rev = rev

    async def wait(self, mark: int) -> int:
        """Wait until the mark is another one."""
        return await self.wait_about(mark, None)

    def changed(self, rev: int | None = None) -> None:
        """Something has changed: the change with this number, or nobody knows what."""
        if rev is not None:
            if rev <= self.rev:
                return
            self.rev = rev
        self.moved()


async def listen(line: Line, bell: str, marks: Marks) -> None:
    """The task that hears the bell, until it is cancelled."""
    while True:
        await marks.until_awaited()
        if not line.is_up:
            await line.bring_up()
            marks.changed()
            continue
        with suppress(Lost):
            question = ("XREAD", "BLOCK", round(BLOCK * 1_000), "STREAMS", bell, f"{marks.rev}-0")
            (reply,) = await line.exchange([question], BLOCK + 5.0)
            if isinstance(reply, Exception):
                await line.lose(reply)
                await sleep(BLOCK / 4)
            elif reply:
                marks.changed(int(reply[0][1][-1][0].partition(b"-")[0]))
                await sleep(PAUSE)
