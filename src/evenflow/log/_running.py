"""What everything that goes on in an open log needs: the engine, the tasks, and where an offset stands."""

from __future__ import annotations

from contextvars import Context
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal

from evenflow._crew import Crew
from evenflow._errors import OffsetExpired
from evenflow._loop import running_loop

from ._offsets import Offset, lineage_of, microseconds, offsets_of, seq_in

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Iterable, Sequence

    from evenflow._crew import Member
    from evenflow._loop import RunningLoop

    from ._engine import Engine
    from ._offsets import Since, Until


class Running:
    """An open log, as its parts know it.

    Attributes:
        name: the log's.
        engine: what stores it.
        loop: the loop that it was opened in.
        crew: its tasks.
        is_closing: whether it is being closed, so that nothing is begun any more.
    """

    def __init__(self, name: str, engine: Engine) -> None:
        self.name = name
        self.engine = engine
        self.loop: RunningLoop = running_loop()
        self.crew: Crew = Crew(f"log {name}", self.loop)
        self.is_closing: bool = False
        self._context = Context()
        """What its own tasks run in: nobody's context variables."""

    async def open(self) -> None:
        """Open the engine, and begin to run tasks.

        Raises:
            LogError: it cannot be opened.
        """
        await self.engine.open()
        try:
            await self.crew.open()
        except BaseException:
            await self.engine.close()
            raise

    def check_close(self) -> None:
        """Refuse to close it where the library does not allow it.

        Raises:
            RuntimeError: on trio, in another task than it was opened in, or before what was opened after it.
        """
        self.crew.check_end()

    def begin_close(self) -> None:
        """Begin nothing more.

        Raises:
            RuntimeError: as for ``check_close``.
        """
        self.check_close()
        self.is_closing = True

    async def close(self) -> None:
        """End the tasks, then the engine."""
        try:
            await self.crew.close()
        finally:
            await self.engine.close()

    def run(self, work: Callable[..., Coroutine[Any, Any, None]], *arguments: Any, name: str) -> Member:
        """Run a task of the log's own."""
        return self.crew.start(work, *arguments, name=name, context=self._context.copy())

    def offset(self, subject: str, seq: int) -> Offset:
        """The offset of an event, in the line of the log that it was stored in."""
        return Offset._made(subject, lineage_of(seq, self.engine.lineages), seq)

    def offsets(self, subject: str, seqs: Sequence[int]) -> list[Offset]:
        """The offsets of several events."""
        return offsets_of(seqs, subject, self.engine.lineages)

    async def position(self, subject: str, since: Since, end: int | None = None) -> int:
        """The number after which to begin, where the newest event has the number ``end``.

        Raises:
            ValueError: the offset is none of this subject's, of another line of the log, or beyond its end.
        """
        if since == "now":
            return await self.engine.end(subject) if end is None else end
        if since == "start":
            return 0
        if isinstance(since, datetime):
            return await self.engine.place(subject, microseconds(since))
        return await self._seq(subject, since, end or 0)

    async def _seq(self, subject: str, offset: Offset, end: int = 0) -> int:
        """The number of an offset that this log has; everything up to ``end`` is known to be there.

        Raises:
            ValueError: it is none of this subject's, of another line of the log, or beyond the end of this one.
        """
        seq = seq_in(offset, subject, self.engine.lineages)
        if seq > end and (await self.engine.read(subject, seq - 1, 1)).through < seq:
            raise ValueError(
                f"{offset} is beyond the end of this log: it has no event with so large a number; the offset is of a"
                " copy that went on, or of events that were lost; since='now' reads what comes"
            )
        return seq

    async def limit(self, subject: str, until: Until) -> int:
        """The number of the last event up to which to read.

        Raises:
            ValueError: as for ``position``.
        """
        if until == "end":
            return await self.engine.end(subject)
        if isinstance(until, datetime):
            return await self.engine.place(subject, microseconds(until))
        return await self._seq(subject, until)

    def seqs(self, subject: str, offsets: Iterable[Offset] | Literal["all"]) -> list[int] | Literal["all"]:
        """The numbers of these offsets.

        Raises:
            TypeError, ValueError: one is no offset, or none of this subject.
        """
        if isinstance(offsets, str):
            if offsets != "all":
                raise ValueError(f"offsets must be offsets or 'all', not {offsets!r}; Offset.parse reads a text")
            return "all"
        if isinstance(offsets, Offset):
            raise TypeError(f"offsets must be several offsets or 'all', not one; for one say [{offsets!r}]")
        return [seq_in(_checked_offset(offset), subject, self.engine.lineages) for offset in offsets]

    def expired(self, subject: str, position: int, floor: int) -> OffsetExpired:
        """The error for whoever would read on from a position of which retention has removed events."""
        return OffsetExpired(self.offset(subject, position), self.offset(subject, floor))


def _checked_offset(given: object) -> Offset:
    if not isinstance(given, Offset):
        raise TypeError(f"offsets must be offsets or 'all', not {given!r}; Offset.parse reads a text")
    return given
