"""GroupMember: one reader of a group while it is open: its tasks, and in which order it ends.

    fetch    claims events as long as there is room in the hand (``_fetching``)
    settle   stores what became of events, all that waits in one commit (``_settlements``)
    watch    lets go of what was handed over and not settled in time; takes what dead members left

A log that fails is asked again, with a pause that grows; that is logged once.
"""

from __future__ import annotations

import logging
from contextvars import Context
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any, Final

from anyio import CancelScope, Event, get_cancelled_exc_class, move_on_after, sleep

from evenflow._errors import LogError

from ._backoff import LONGEST_PAUSE
from ._desk import Desk, GroupChanged
from ._fetching import Fetching
from ._group_rules import Fate
from ._membership import join, leave
from ._outlast import outlast
from ._settlements import Settlements

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Sequence

    from evenflow._crew import Member

    from ._delivery import Delivery, Inside
    from ._group_spec import GroupSpec, Host
    from ._hand import Hand

_log = logging.getLogger("evenflow.groups")
_numbers: Final = count(1)

LOOK_EVERY: Final = 1.0
"""Seconds between two looks for what dead members left."""


class GroupMember:
    """One open reader of a group.

    Attributes:
        host: the subject.
        spec: what it asks for.
        hand: what it has fetched.
        settle: settles deliveries: see ``Settlements.settle``.
        acknowledge: does so with the next commit: see ``Settlements.acknowledge``.
    """

    def __init__(self, host: Host, spec: GroupSpec) -> None:
        self.host: Host = host
        self.spec: GroupSpec = spec
        self._desk = Desk(host, spec, f"{host.engine.member}/{next(_numbers)}")
        self._settlements = Settlements(self._desk, self._look_now)
        self.settle = self._settlements.settle
        self.acknowledge = self._settlements.acknowledge
        self.hand: Hand = self._settlements.hand
        self._look: Event = Event()
        """Fires when the watch must look now."""
        self._tasks: dict[str, tuple[Member, Event]] = {}
        self._is_closed = False

    def trace(self, tracing: Inside | None) -> None:
        """From now on this follows the blocks of its deliveries; None for nobody."""
        self._settlements.tracing = tracing

    @property
    def gathers(self) -> bool:
        """Whether ``acknowledge`` can be used."""
        return self._settlements.gathers

    # ------------------------------------------------------------------ open and close

    async def open(self) -> None:
        """Join the group, and begin to fetch.

        Raises:
            ValueError: the group is another.
            LogError: the log failed.
        """
        crew, name = self.host.crew, f"group {self.spec.group}"
        try:
            await outlast(crew, partial(join, self._desk), f"joining of {name}")
        except get_cancelled_exc_class():
            if self._desk.group is not None:  # it has joined
                await outlast(crew, self._leave, f"leaving of {name}")
            raise
        self.host.heartbeat.keep(self.spec.ack_wait)
        fetching = Fetching(self._settlements, tell=self._tell, group_changed=self._end_changed)
        self._start("fetch", fetching.run)
        self._start("settle", self._settlements.run, then=self._settlements.note_end)
        self._start("watch", self._watch)

    def _start(
        self, what: str, work: Callable[[], Coroutine[Any, Any, None]], *, then: Callable[[], object] | None = None
    ) -> None:
        ended = Event()

        def has_ended() -> None:
            if then is not None:
                then()
            ended.set()

        name = f"{what} for group {self.spec.group}"
        self._tasks[what] = self.host.crew.start(work, name=name, context=Context(), ended=has_ended), ended

    async def stop_fetching(self, error: BaseException | None = None) -> None:
        """Give back what was fetched and not begun, uncounted; whoever waits for more gets the end."""
        await self._stop("fetch")
        await self._end(error)

    async def _end(self, error: BaseException | None) -> None:
        if left := self.hand.end(error):
            await self._give_back(left)

    async def _end_changed(self, error: GroupChanged) -> None:
        """The group is no more, or another: readers get that as a plain ``LogError``, whose name is public."""
        await self._end(LogError(str(error)))

    @property
    def is_closed(self) -> bool:
        """Whether it has left the group, or is about to."""
        return self._is_closed

    async def close(self, error: BaseException | None = None) -> None:
        """Give back all that is not settled, once what is being settled is; then leave the group.

        Whoever waits for more gets the end, or the error.
        """
        if self._is_closed:
            return
        self._is_closed = True
        await self.stop_fetching(error)
        await self._flush()
        if left := self._settlements.open_deliveries():
            await self._give_back(left, lapse=True)
        await self._stop("watch")
        await self._stop("settle")
        self._settlements.is_over = True
        await self._leave()
        if unknown := self._settlements.unknown:
            _log.warning(
                "reader %s of group %s of %s: of %s it is not known whether it was stored that they were settled; they"
                " may go out again",
                self.spec.name,
                self.spec.group,
                self.host.subject,
                _events(unknown),
                extra=self.spec.log_fields(self.host.subject),
            )

    async def _leave(self) -> None:
        try:
            await self._desk.save_position(at_once=True)
            await leave(self._desk)
        except LogError as error:
            self._tell("could not leave its group", error)

    async def _stop(self, what: str) -> None:
        task, ended = self._tasks[what]
        task.cancel()
        with CancelScope(shield=True):
            await ended.wait()

    async def _flush(self) -> None:
        """Wait until all that is being settled is."""
        await self._settlements.settle_all([], Fate.BACK)

    async def _give_back(self, left: Sequence[Delivery[Any]], *, lapse: bool = False) -> None:
        settlement = await self._settlements.settle_all(left, Fate.BACK, lapse=lapse)
        if settlement.error is not None:
            self._tell(f"could not give {_events(len(left))} back", settlement.error)

    def _tell(self, what: str, error: BaseException) -> None:
        _log.warning(
            "reader %s of group %s of %s %s: %s",
            self.spec.name,
            self.spec.group,
            self.host.subject,
            what,
            error,
            extra=self.spec.log_fields(self.host.subject),
        )

    def _look_now(self) -> None:
        """Have the watch look whose the pages are."""
        self._look.set()

    # ------------------------------------------------------------------ watching

    async def _watch(self) -> None:
        every = min(LOOK_EVERY, self.spec.ack_wait / 4)
        look_at = 0.0
        pause = 0.0
        while True:
            with move_on_after(every):
                await (sleep(every) if pause else self._look.wait())
            await self._settlements.lapse_late()
            now = self.host.engine.clock()
            if now < look_at and (pause or not self._look.is_set()):
                continue
            try:
                with CancelScope(shield=True):
                    await self._settlements.settler.reclaim(self._settlements.pages)
                    await self._desk.save_position()
                pause = 0.0
            except GroupChanged as error:
                await self._end_changed(error)
                return
            except LogError as error:
                if not pause:
                    self._tell("cannot look for what others left", error)
                pause = min(LONGEST_PAUSE, max(LOOK_EVERY, pause * 2))
                look_at = now + pause
                continue
            look_at = now + LOOK_EVERY
            self._settlements.forget_pages()
            if self._look.is_set():
                self._look = Event()
                self.hand.is_sure_again()


def _events(number: int) -> str:
    return "1 event" if number == 1 else f"{number} events"
