"""Fetching: one reader's task that claims events as long as there is room in its hand.

Rule 1: a claim is not cut off half-way, whatever ends the task.
Rule 2: with nothing to claim it sleeps until something has changed or is due.
Rule 3: a log that fails is asked again, with a pause that grows; that is logged once.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from anyio import CancelScope, move_on_after, sleep

from evenflow._errors import LogError

from ._backoff import LONGEST_PAUSE
from ._claiming import Plain
from ._delivery import Delivery
from ._desk import Claimed, GroupChanged
from ._group_rules import LARGEST_PAGE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from ._settlements import Settlements

_log = logging.getLogger("evenflow.groups")


class Fetching:
    """Fills the hand of one reader."""

    def __init__(
        self,
        settlements: Settlements,
        *,
        tell: Callable[[str, BaseException], object],
        group_changed: Callable[[GroupChanged], Awaitable[object]],
    ) -> None:
        self._host = settlements.host
        self._spec = settlements.desk.spec
        self._desk = settlements.desk
        self._settlements = settlements
        self._hand = settlements.hand
        self._tell = tell
        self._end = group_changed

    async def run(self) -> None:
        """Claim events until it is cancelled, or the group is another."""
        pause = 0.0
        while True:
            await self._hand.wait_for_room()
            mark = self._host.engine.mark()
            went_on, claimed = False, Claimed()
            try:
                with CancelScope(shield=True):
                    most = min(LARGEST_PAGE, self._host.engine.most_claimed)
                    room, hungry = min(self._hand.room, most), self._hand.is_waited_for
                    claimed = await self._desk.claim(room, hungry=hungry)
                    went_on = self._add(claimed)
                if pause:
                    _log.info(
                        "group %s of %s: the log answers again",
                        self._spec.group,
                        self._host.subject,
                        extra=self._spec.log_fields(self._host.subject),
                    )
                pause = 0.0
                if not went_on:
                    await self._wait_for_more(mark, claimed)
            except GroupChanged as error:
                await self._end(error)
                return
            except LogError as error:
                if not pause:
                    self._tell("cannot fetch, and tries again", error)
                pause = min(LONGEST_PAUSE, max(0.1, pause * 2))
                await sleep(pause)

    def _add(self, claimed: Claimed) -> bool:
        """Put what was claimed into the hand; returns whether to claim again at once."""
        page = claimed.page
        if page is None:
            return claimed.went_on
        self._settlements.pages[page.id] = page
        offset_of, group, hands = self._host.offset_of, self._spec.group, self._settlements
        if isinstance(claimed.taken, Plain):
            news = enumerate(zip(claimed.taken.rows, claimed.taken.events, strict=True))
            # not Delivery[Any](...): typing takes as long for that as all of this
            plain: list[Delivery[Any]] = [
                Delivery(event, row, offset_of, group, 1, page, index, hands) for index, (row, event) in news
            ]
            self._hand.add(plain, plain)
            return True
        last: dict[str, Delivery[Any]] = {}
        made: list[Delivery[Any]] = []
        heads: list[Delivery[Any]] = []
        died: list[Delivery[Any]] = []
        for index, taken in enumerate(claimed.taken):
            item, lane, reading = taken.item, taken.lane, taken.reading
            assert reading.row is not None
            delivery: Delivery[Any] = Delivery(
                reading.event, reading.row, offset_of, group, item.attempt, page, index, hands
            )
            made.append(delivery)
            if item.died:
                died.append(delivery)
            if lane:
                if lane in last:
                    last[lane]._following = delivery
                else:
                    heads.append(delivery)
                last[lane] = delivery
        self._hand.add(made, heads if last else made, died)
        return True

    async def _wait_for_more(self, mark: int, claimed: Claimed) -> None:
        """Wait until something has changed, or a retry is due, or what was not looked for is wanted."""
        engine = self._host.engine
        due = await self._desk.next_due()
        if claimed.held_back and self._hand.is_waited_for:
            return
        with move_on_after(max(0.0, due - engine.wall())) as scope:
            self._hand.when_waited_for = scope.cancel if claimed.held_back else None
            await engine.wait(mark, self._desk.topics)
        self._hand.when_waited_for = None
        self._desk.forget()
