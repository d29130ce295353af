"""Settlement: what one caller settles; several of them put together, and those that wait to be stored.

Rule 1: what is acknowledged is a bit of its page. Of a plain page that is all there is to do: an object for each event,
        and a decision, took a fifth of what 64 handlers cost.
Rule 2: of any other page each event is an outcome of its own: it may be lost, or have a key or a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from ._group_rules import acknowledged

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from evenflow._backends import WakeUp

    from ._delivery import Delivery, State
    from ._group_rules import Outcome
    from ._held_page import HeldPage


Over: TypeAlias = "Callable[[Sequence[Delivery[Any]], Settlement], object]"
"""Hears what came of deliveries that were acknowledged together."""


class Settlement:
    """What one caller settles.

    Attributes:
        acked: the bits of the events that are acknowledged, by page.
        outcomes: what became of other events, by page.
        error: why nothing of it was done.
        lost: the numbers of the events that another had taken, of which nothing was done.
        is_stored: whether it is known to be done, as far as nothing was lost; also where the caller was cancelled.
    """

    __slots__ = ("acked", "error", "is_stored", "lost", "outcomes")

    def __init__(self) -> None:
        self.acked: dict[HeldPage, int] = {}
        self.outcomes: dict[HeldPage, list[Outcome]] = {}
        self.error: Exception | None = None
        self.lost: list[int] = []
        self.is_stored: bool = False

    def pages(self) -> set[HeldPage]:
        """The pages of all its events."""
        return {*self.acked, *self.outcomes}

    def decide(self, page: HeldPage) -> None:
        """Each event of this page needs a decision: what is acknowledged becomes an outcome, too."""
        if bits := self.acked.pop(page, 0):
            self.outcomes.setdefault(page, []).extend(acknowledged(bits))


class Waiting:
    """A settlement that waits to be stored.

    Attributes:
        settlement: what is settled.
        deliveries: whose outcomes these are.
        states: where they were before.
        wake_up: what somebody sleeps on until it is stored, if anybody does.
        over: is called once it is stored, or could not be.
        is_done: whether it is.
    """

    __slots__ = ("deliveries", "is_done", "over", "settlement", "states", "wake_up")

    def __init__(self, settlement: Settlement, deliveries: Sequence[Delivery[Any]], states: list[State]) -> None:
        self.settlement: Settlement = settlement
        self.deliveries: Sequence[Delivery[Any]] = deliveries
        self.states: list[State] = states
        self.wake_up: WakeUp | None = None
        self.over: Over | None = None
        self.is_done: bool = False


def together(settlements: Sequence[Settlement]) -> tuple[dict[HeldPage, int], dict[HeldPage, list[Outcome]]]:
    """What all of them settle: the bits of plain pages, and the outcomes of others. Notes in each what is lost."""
    acked: dict[HeldPage, int] = {}
    outcomes: dict[HeldPage, list[Outcome]] = {}
    for settlement in settlements:
        if settlement.lost:
            settlement.lost = []
        for page in list(settlement.acked):
            if page.is_plain:
                acked[page] = acked.get(page, 0) | settlement.acked[page]
            else:
                settlement.decide(page)
        for page, its in settlement.outcomes.items():
            if left := _still_held(settlement, page, its):
                outcomes.setdefault(page, []).extend(left)
    return acked, outcomes


def _still_held(settlement: Settlement, page: HeldPage, outcomes: list[Outcome]) -> list[Outcome]:
    """The outcomes of events that are still in hand; the others are lost."""
    if page.doubted:
        out = [each.place for each in outcomes if page.went_out(each.place, each.fate)]
        settlement.lost += [page.record.items[place].seq for place in out]
    if not page.is_lost and not page.gone:
        return outcomes
    settlement.lost += [page.record.items[each.place].seq for each in outcomes if not page.has(each.place)]
    return [each for each in outcomes if page.has(each.place)]
