"""What the engines of a server have in common whose every opening is a member of its own: it is opened once at a time.

Rule 1: what runs between open and close is one object, the *opening*.
Rule 2: after a fork the child's copy refuses, and leaves the connections alone.
Rule 3: their clients are asyncio's alone: on trio opening is refused.
"""

from __future__ import annotations

import os
import time
from abc import ABC, abstractmethod
from contextlib import suppress
from typing import TYPE_CHECKING, ClassVar, Generic, Protocol, TypeVar

from evenflow._errors import LogError, Unsupported
from evenflow._loop import running_loop

from ._engine import Engine

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from evenflow._loop import RunningLoop

    from ._stored import Lineage


class OpenMark(Protocol):
    """What an engine must know of the mark of an opening."""

    @property
    def mark(self) -> int:
        """The mark."""
        ...

    async def wait(self, mark: int, /) -> int:
        """Wait until it is another one."""
        ...


class OpenMember(Protocol):
    """What an engine must know of an opening as a member."""

    def begin(self, group: str, seqs: Sequence[int], /) -> Sequence[int]:
        """Note that events are handed over."""
        ...

    def settled(self, marks: Sequence[int], /) -> None:
        """Take marks back."""
        ...

    def beat(self) -> None:
        """Say that it lives. From any thread."""
        ...


class Opening(Protocol):
    """What an engine must know of an opening."""

    process: int
    loop: RunningLoop
    member: str

    @property
    def marks(self) -> OpenMark:
        """Its mark."""
        ...

    @property
    def members(self) -> OpenMember:
        """Itself as a member."""
        ...

    def wall(self) -> float:
        """The server's clock."""
        ...

    async def open(self) -> None:
        """Look at the server, and begin."""
        ...

    async def close(self) -> None:
        """Finish what was handed over, and let go of the server."""
        ...

    def abandon(self) -> None:
        """Its loop has ended without closing it."""
        ...


OpeningT = TypeVar("OpeningT", bound=Opening)


class MemberEngine(Engine, ABC, Generic[OpeningT]):
    """Such an engine.

    Attributes:
        client: what talks to the server, for errors.

    Args:
        name: of the log and its server, for errors.
    """

    client: ClassVar[str]

    def __init__(self, name: str) -> None:
        self._name = name
        self._opening: OpeningT | None = None
        self.member: str = ""
        self.lineages: Sequence[Lineage] = ()

    @abstractmethod
    def _make(self, loop: RunningLoop) -> OpeningT:
        """An opening, before it is open."""

    def _opened(self) -> OpeningT:
        opening = self._opening
        if opening is None:
            raise LogError(f"{self._name} is not open; open it first")
        if opening.process != os.getpid():
            raise LogError(
                f"{self._name} was opened in process {opening.process}, of which this one is a fork, and its"
                " connections must not be used from both; open the log in the child anew"
            )
        return opening

    # ------------------------------------------------------------------ open and close

    async def open(self) -> None:
        """Connect, look at the server and at what it stores, and become a member.

        Raises:
            Unsupported: the loop is trio's.
            Absent: there is no log, and ``creates`` is False.
            LogError: no server can be reached, or it cannot keep a log; the message says why.
        """
        loop, before = running_loop(), self._opening
        if not hasattr(loop.backend.wake_up(), "add_done_callback"):  # a future of asyncio's
            raise Unsupported(f"{self._name} runs on asyncio only: {self.client} has no trio", missing=("trio",))
        if before is not None and before.process == os.getpid():
            if not before.loop.has_ended():
                raise LogError(f"{self._name} is open already; close it first")
            before.abandon()
        opening = self._make(loop)
        await opening.open()
        self.member = opening.member
        self._opening = opening

    async def close(self) -> None:
        """Finish what was handed over, and let go of the server; in a forked child, and the second time, do nothing."""
        opening, self._opening = self._opening, None
        if opening is not None and opening.process == os.getpid():
            await opening.close()

    # ------------------------------------------------------------------ waiting

    def mark(self) -> int:
        """A number that grows with each change."""
        return self._opened().marks.mark

    async def wait(self, mark: int, /, about: Collection[str] = ()) -> int:  # noqa: ARG002 -- it wakes for all
        """Wait until the mark is another one; while the server is away, until it is back."""
        return await self._opened().marks.wait(mark)

    # ------------------------------------------------------------------ members

    def begin(self, group: str, seqs: Sequence[int], /) -> Sequence[int]:
        """Note that events are handed over: no answer is waited for."""
        return self._opened().members.begin(group, seqs)

    def settled(self, marks: Sequence[int], /) -> None:
        """Take marks back; the server hears of it a little later."""
        if self._opening is not None:
            self._opening.members.settled(marks)

    def beat(self) -> None:
        """Say that this member lives."""
        with suppress(LogError):  # closed meanwhile: the thread that beats need not know
            self._opened().members.beat()

    def clock(self) -> float:
        """The machine's monotonic clock: silences of others are measured with the server's."""
        return time.monotonic()

    def wall(self) -> float:
        """The server's clock, which all machines share."""
        opening = self._opening
        return time.time() if opening is None else opening.wall()
