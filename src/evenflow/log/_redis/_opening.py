"""What runs between open and close: the lines, the tasks that use them, and what is asked of a server first.

line       task                  what for
commits    Commits.run           changes
reads      Reads.run             events, records, members
bell       listen                another process's changes
(thread)   Members               that this process lives, and what it has begun
"""

from __future__ import annotations

import os
import time
from contextvars import Context
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from anyio import CancelScope, fail_after, move_on_after, sleep
from anyio.lowlevel import checkpoint

from evenflow._crew import Crew
from evenflow._errors import LogError
from evenflow.log._heard import ServerClock

from ._commits import Commits
from ._faults import Lost, words
from ._history import History
from ._line import Health, Line
from ._marks import Marks, listen
from ._members import LIFE, Members
from ._names import Names
from ._reads import Reads
from ._scripts import BEAT, BEGIN
from ._server import check

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from datetime import timedelta

    from evenflow._loop import RunningLoop
    from evenflow.log._stored import Lineage

    from ._address import Address

TICK: Final = 0.2
"""Seconds between two looks at what waits for too long, and whether a connection was closed."""
IDLE: Final = 3.0
"""Seconds after which a server that nobody asks is asked whether it answers."""
OPEN: Final = 10.0
"""Seconds that opening may take."""


class Settings(NamedTuple):
    """What a log on Redis is opened with."""

    address: Address
    log: str
    durability: Literal["power", "server"]
    keep_ids: timedelta
    publish_timeout: float
    on_connected: Callable[[bool], object]

    @property
    def name(self) -> str:
        """The log and its server, for errors."""
        return f"log {self.log} at {self.address.shown}"


class Opening:
    """One opening of a log: a member of its own."""

    def __init__(
        self,
        settings: Settings,
        loop: RunningLoop,
        learned: Callable[[Sequence[Lineage]], object],
        *,
        creates: bool = True,
    ) -> None:
        self.settings = settings
        self._creates = creates
        self.loop = loop
        self.process = os.getpid()
        self.member: str = f"{token_hex(8)}"
        self.names = Names(settings.log)
        self.history = History(settings.name, self.names.meta, learned)
        self.health = Health(settings.name, settings.on_connected)
        commits, reads, self._bell = (Line(settings.address, self.health) for _ in range(3))
        timeout = settings.publish_timeout
        self.commits = Commits(
            settings.name,
            commits,
            loop,
            timeout,
            history=self.history,
            member=self.member,
            keep_ids=settings.keep_ids,
            changed=self._changed,
        )
        self.reads = Reads(settings.name, reads, loop, timeout)
        self.reads.watch(self.history, self.commits.touch)
        self._crew = Crew(settings.name, loop)
        self._marks: Marks | None = None
        self._members: Members | None = None
        self._clock: ServerClock | None = None

    @property
    def marks(self) -> Marks:
        """The mark of this opening."""
        assert self._marks is not None, "it is open"
        return self._marks

    @property
    def members(self) -> Members:
        """This opening as a member."""
        assert self._members is not None, "it is open"
        return self._members

    def wall(self) -> float:
        """The server's clock."""
        assert self._clock is not None, "it is open"
        return self._clock.wall()

    def _changed(self, rev: int) -> None:
        self.marks.changed(rev)

    async def open(self) -> None:
        """Look at the server, and begin.

        Raises:
            LogError: it cannot be used; the message says why.
        """
        try:
            with fail_after(OPEN):
                now = await self._meet()
        except TimeoutError:
            await self._drop()  # noqa: ASYNC120 -- cancelled, that goes out
            raise LogError(f"{self.settings.name} gave no answer for {OPEN:g} s") from None
        except BaseException:
            await self._drop()
            raise
        self._clock = ServerClock(now / 1e6)
        self._marks = Marks(self.loop, self.history.rev)
        self._members = Members(self.settings.address, self.names, self.member, self._clock, self.loop.has_ended)
        self._members.start()
        await self._crew.open()
        for work, name, *more in (
            (self.commits.run, "commits"),
            (self.reads.run, "reads"),
            (listen, "bell", self._bell, self.names.bell, self._marks),
            (self._tick, "ticks"),
        ):
            self._crew.start(work, *more, name=f"{name} of {self.settings.name}", context=Context())

    async def _meet(self) -> int:
        """Connect, look at the server, and open the log; returns the server's time."""
        try:
            reply = await self._ask()
        except Lost:  # a cluster may have said where the log is
            try:
                reply = await self._ask()
            except Lost as lost:
                raise LogError(f"{self.settings.name} cannot be opened: {lost}") from lost
        if isinstance(reply, Exception):
            raise LogError(f"{self.settings.name} cannot be opened: {words(reply)}") from reply
        now = self.history.learn(reply)
        # whoever finds a page of this member's must find the member
        await self.commits.line.script(BEAT, self.names.meta, self.member, LIFE, 0)
        return now

    async def _ask(self) -> Any:
        """Connect, look at the server, and open the log on it."""
        line = self.commits.line
        await line.connect()
        await check(line, self.settings.name, self.settings.durability, self.names.meta, creates=self._creates)
        return await line.script(BEGIN, self.names.meta, *self.history.arguments())

    async def _tick(self) -> None:
        made = self.commits.line.made
        idle = 0
        while True:
            await sleep(TICK)
            idle = idle + 1 if self.reads.is_idle else 0
            if idle * TICK > IDLE:
                # a server that hangs, or is cut off without a word, is noticed only if it is asked
                self.reads.touch()
            for pump in (self.commits, self.reads):
                pump.expire(self.loop.now())
                pump.look()
            if self.commits.line.made != made:
                made = self.commits.line.made
                self.members.heard.back_at = self.clock()
                self.marks.changed()

    @staticmethod
    def clock() -> float:
        """The lease clock."""
        return time.monotonic()

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Finish what was handed over, and let go of the server; bounded."""
        why = f"{self.settings.name} is closed; open it first"
        self.commits.close(why)
        self.reads.close(why)
        self.marks.close(why)
        self.members.stop()
        with CancelScope(shield=True):
            with move_on_after(self.settings.publish_timeout):
                await self.commits.until_idle()
            self.health.is_over()
            try:
                await self._crew.close()
            finally:
                self.commits.fail_all()
                self.reads.fail_all()
                await self._drop()
                await self._until_silent()

    async def _until_silent(self) -> None:
        """Wait for the thread to have said that this member leaves, for a short time."""
        with move_on_after(5.0):
            while self.members.is_alive():  # noqa: ASYNC110 -- a thread sets no event of the loop's
                await sleep(0.002)

    async def _drop(self) -> None:
        for line in (self.commits.line, self.reads.line, self._bell):
            await line.drop()
        await checkpoint()  # the loop closes the sockets in its next turn

    def abandon(self) -> None:
        """Its loop has ended without closing it."""
        if self._members is not None:
            self._members.stop()
