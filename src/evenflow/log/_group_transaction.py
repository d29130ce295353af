"""Acknowledging deliveries in a commit of somebody else's: all of it is done, or nothing."""

from __future__ import annotations

from contextlib import AsyncExitStack
from functools import partial
from typing import TYPE_CHECKING, Any

from evenflow._errors import LogError

from ._delivery import lease_lost, refuse_unsettleable
from ._group_rules import Fate
from ._outcomes import settlement_of
from ._outlast import outlast
from ._stored import Change, Outdated

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._delivery import Delivery
    from ._engine import Engine
    from ._group_rules import Draft, Settled
    from ._held_page import HeldPage
    from ._settlement import Settlement
    from ._settlements import Settlements
    from ._stored import Done


class _Part:
    """What one reader's deliveries are in the commit."""

    def __init__(self, hands: Settlements, deliveries: list[Delivery[Any]]) -> None:
        self.hands = hands
        self.deliveries = deliveries
        self.states = [delivery._state for delivery in deliveries]
        self.settlement: Settlement = settlement_of(hands.host, hands.desk.spec, deliveries, Fate.DONE)
        self.settled: dict[HeldPage, Settled] = {}
        self.is_made = False
        """Whether they are acknowledged, also where whoever waited for that was cancelled."""

    async def decide(self) -> Draft:
        """The change that acknowledges them, as things stand.

        Raises:
            LeaseLost: some went out again meanwhile.
        """
        draft, self.settled = await self.hands.settler.draft([self.settlement])
        if self.settlement.error is not None:
            raise self.settlement.error
        if self.settlement.lost:
            raise lease_lost([each for each in self.deliveries if each._row.seq in self.settlement.lost])
        return draft


async def commit_with(
    engine: Engine,
    change: Change,
    deliveries: Sequence[Delivery[Any]],
    *,
    made: Callable[[Done], object] | None = None,
) -> Done:
    """Make a change, and acknowledge these deliveries, of any groups of this log, in the same commit.

    Cancelled before it is handed over, nothing is done; later its outcome is awaited, and
    ``made`` hears of it, whatever becomes of the caller.

    Raises:
        LeaseLost: a delivery went out again meanwhile; nothing was done.
        RuntimeError: a delivery was settled already; nothing was done.
        Outdated, IdTaken, Conflict, LogError: as ``Engine.commit``; the deliveries may be settled again.
    """
    if not deliveries:
        return await engine.commit(change, made=made)
    if lost := [delivery for delivery in deliveries if delivery._is_lost]:
        raise lease_lost(lost)
    refuse_unsettleable(deliveries)
    members: dict[str, list[Delivery[Any]]] = {}
    for delivery in deliveries:
        hands: Any = delivery._hands
        members.setdefault(hands.reader, []).append(delivery)
    parts: list[_Part] = []
    try:
        for _, its in sorted(members.items()):
            of: Any = its[0]._hands
            parts.append(_Part(of, its))
        async with AsyncExitStack() as locks:
            for part in parts:
                await locks.enter_async_context(part.hands.desk.settling)
            crew = parts[0].hands.host.crew
            return await outlast(crew, partial(_commit, engine, change, parts, made), "commit of a transaction")
    except BaseException as error:
        for part in parts:
            if not part.is_made:
                part.settlement.error = part.settlement.error or _as_failure(error)
        raise
    finally:
        for part in parts:
            part.hands.finish(part.settlement, part.deliveries, part.states)


def _as_failure(error: BaseException) -> Exception:
    return error if isinstance(error, Exception) else LogError("the commit was cancelled before it was made")


async def _commit(engine: Engine, change: Change, parts: list[_Part], made: Callable[[Done], object] | None) -> Done:
    while True:
        drafts = [await part.decide() for part in parts]
        try:
            done = await engine.commit(_merged(change, drafts), made=made)
        except Outdated as outdated:
            if not set(outdated.keys) - change.expect.keys():
                raise
            for part in parts:
                part.hands.settler.note_lost(part.settled, outdated)
        except LogError as error:
            for part in parts:
                part.hands.settler.doubt(part.settled, error)
            raise
        else:
            for part, draft in zip(parts, drafts, strict=True):
                part.hands.settler.made(draft, part.settled, done)
                part.is_made = True
            return done


def _merged(change: Change, drafts: Sequence[Draft]) -> Change:
    expect, puts, deletes = dict(change.expect), dict(change.puts), list(change.deletes)
    for draft in drafts:
        expect.update(draft.expect)
        puts.update(draft.puts)
        deletes.extend(draft.deletes)
    return change._replace(expect=expect, puts=puts, deletes=deletes)
