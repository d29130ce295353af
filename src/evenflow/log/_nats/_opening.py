"""What runs between open and close: a connection, the tasks that use it, and a thread.

task                   what for
Line.keep_up           the connection: it is made anew whenever it is lost
Line.keep_sending      what is sent, in its order
Commits.send_singles   changes of one message
Commits.send_batches   other changes
Ear.listen             another process's changes
(thread)               Members: that this process lives, and what it has begun
"""

from __future__ import annotations

import asyncio
import os
import time
from contextvars import Context
from secrets import token_hex
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from anyio import CancelScope, move_on_after, sleep
from anyio.lowlevel import checkpoint

from evenflow._crew import Crew
from evenflow._errors import LogError
from evenflow.log._heard import ServerClock
from evenflow.log._stored import Absent

from ._commits import Commits
from ._dues import AllDues
from ._faults import FAULTS, Busy, Lost
from ._line import Line
from ._marks import Ear, Marks
from ._members import Members
from ._plan import Writing
from ._reads import Reads
from ._stream import Api, History, Shape, check_server, ensure, first_line
from ._values import micros

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from evenflow._loop import RunningLoop
    from evenflow.log._stored import Change, Done

    from ._names import Names
    from ._servers import Servers

TICK: Final = 0.1
"""Seconds between two looks at what waits for too long."""
OPEN: Final = 15.0
"""Seconds that opening may take."""
ASK: Final = 3.0
"""Seconds after which it is asked again meanwhile."""
LEAST: Final = 1
"""Seconds that a server remembers something, at least."""


class Settings(NamedTuple):
    """What a log on NATS is opened with."""

    servers: Servers
    log: str
    names: Names
    shape: Shape
    domain: str | None
    keep_ids: float
    told: Callable[[bool], object]

    @property
    def name(self) -> str:
        """The log and its servers, for errors."""
        return f"log {self.log} at {self.servers.shown}"


class Opening:
    """One opening of a log: a member of its own."""

    def __init__(self, settings: Settings, loop: RunningLoop, *, creates: bool = True) -> None:
        self.settings = settings
        self._creates = creates
        self.loop = loop
        self.process = os.getpid()
        self.member: str = token_hex(8)
        self.names = settings.names
        self.history = History()
        self.line = Line(settings.servers, settings.name, settings.told)
        self.api = Api(self.line, settings.names, settings.domain)
        timeout = settings.shape.publish_timeout
        self.reads = Reads(settings.name, self.line, settings.names, self.api, self.history, timeout)
        self.dues = AllDues(self.reads, settings.names)
        self.marks = Marks(loop)
        keep_ids = max(LEAST, round(settings.keep_ids))
        self.commits = Commits(
            settings.name,
            self.line,
            self.reads,
            self.history,
            Writing(settings.names, settings.log, self.member, keep_ids),
            timeout,
            loop,
            self._note_made,
        )
        self._clock = ServerClock(time.time())
        self.members = Members(
            settings.servers,
            settings.names,
            self.member,
            self._clock,
            f"{self.api.prefix}STREAM.INFO.{settings.names.stream}",
            loop.has_ended,
        )
        self._crew = Crew(settings.name, loop)

    def wall(self) -> float:
        """The server's clock."""
        return self._clock.wall()

    def _note_made(self, change: Change, done: Done, seq: int) -> None:
        self.marks.rev = max(self.marks.rev, seq)
        self.dues.note(change, done)
        self.marks.changed()

    # ------------------------------------------------------------------ the beginning

    async def open(self) -> None:
        """Look at the server and the stream, and begin.

        Raises:
            LogError: it cannot be used; the message says why.
        """
        name = self.settings.name
        await self._crew.open()
        self._start(self.line.keep_sending, "sending")
        try:
            async with asyncio.timeout(OPEN):
                await self._meet()
        except TimeoutError:
            await self._drop()  # noqa: ASYNC120 -- cancelled, that goes out
            raise LogError(f"{name} gave no answer for {OPEN:g} s") from None
        except BaseException:
            await self._drop()
            raise
        self.members.start()
        ear = Ear(self.line, self.names, self.marks, self.history)
        for work, what in (
            (self.line.keep_up, "connection"),
            (self.commits.send_singles, "changes"),
            (self.commits.send_batches, "batches"),
            (ear.listen, "ear"),
            (self._tick, "ticks"),
        ):
            self._start(work, what)

    def _start(self, work: Callable[[], Any], what: str) -> None:
        self._crew.start(work, name=f"{what} of {self.settings.name}", context=Context())

    async def _meet(self) -> None:
        name = self.settings.name
        while True:
            try:
                if not self.line.is_up:
                    await self.line.connect()
            except Lost as lost:
                raise LogError(f"{name} cannot be opened: {lost}") from lost
            try:
                async with asyncio.timeout(ASK):
                    await self._look()
            except Busy as busy:
                if not self._may_have_a_leader():
                    raise LogError(f"{name} cannot be opened: {busy}; is JetStream enabled there?") from busy
                await sleep(TICK)
            except (Lost, TimeoutError):  # servers that have just begun to elect a leader give no answer
                if said := self.settings.servers.forbidden:
                    raise LogError(f"{name} cannot be opened: its user may not do it: {said}") from None
                await sleep(TICK)
            else:
                return

    def _may_have_a_leader(self) -> bool:
        """Whether waiting may help: a server alone that has no JetStream will not have it later."""
        info: Mapping[str, Any] = self.line.client.says
        is_known = "server_id" in info
        return bool(info.get("jetstream") or info.get("connect_urls") or info.get("cluster") or not is_known)

    async def _look(self) -> None:
        settings = self.settings
        check_server(settings.name, str(self.line.client.says.get("version", "")))
        asked = time.monotonic()
        found = await ensure(self.api, settings.name, self.names, settings.shape, creates=self._creates)
        self._clock.learn(micros(found["ts"]) / 1e6, asked)
        self.reads.has_followers = found["config"]["num_replicas"] > 1
        while (meta := await self.reads.newest(self.names.meta)) is None:
            if not self._creates:
                raise Absent(settings.name)
            await self._publish(self.names.meta, *first_line())
        self.history.learn(settings.name, meta.data)
        self.history.note(meta.seq)
        if (newest := await self.reads.newest(self.names.events)) is not None:
            self.history.note(newest.seq, event=True)
        # whoever finds a page of this member's must find the member
        await self._publish(self.names.member(self.member), *self.members.said(closed=False))

    async def _publish(self, subject: str, data: bytes, headers: dict[str, str]) -> None:
        """Publish, and wait for any answer."""
        try:
            await self.line.client.request(subject, data, headers=headers, timeout=OPEN / 2)
        except FAULTS as error:
            raise Lost(str(error)) from error

    # ------------------------------------------------------------------ meanwhile

    async def _tick(self) -> None:
        made = self.line.made
        while True:
            await sleep(TICK)
            self.line.look()
            self.commits.expire(asyncio.get_running_loop().time())
            if self.line.made != made:
                made = self.line.made
                self.members.heard.back_at = time.monotonic()
                self.marks.changed()

    # ------------------------------------------------------------------ the end

    async def close(self) -> None:
        """Finish what was handed over, and let go of the server; bounded."""
        why = f"{self.settings.name} is closed; open it first"
        self.commits.close(why)
        self.marks.close(why)
        self.members.stop()
        with CancelScope(shield=True):
            with move_on_after(self.settings.shape.publish_timeout):
                while not self.commits.is_idle:  # noqa: ASYNC110 -- only while the log is closed
                    await sleep(0.005)
            self.reads.close(why)
            self.line.end()
            await self._drop()
            await self._until_silent()

    async def _until_silent(self) -> None:
        """Wait for the thread to have said that this member leaves, for a short time."""
        with move_on_after(5.0):
            while self.members.is_alive():  # noqa: ASYNC110 -- a thread sets no event of the loop's
                await sleep(0.002)

    async def _drop(self) -> None:
        with CancelScope(shield=True):
            try:
                await self._crew.close()
            finally:
                self.line.end()
                self.commits.fail_all()
                await self.line.close()
                await checkpoint()  # the loop closes the sockets in its next turn

    def abandon(self) -> None:
        """Its loop has ended without closing it."""
        self.members.stop()
