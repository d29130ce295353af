"""Settling: what became of events in hand is stored, many in one commit; what dead members left goes out again.

Rule 1: a page that has changed was taken by another: what it had in hand is lost, and nothing of it is done.
Rule 2: where the outcome of a commit is not known, the page is looked at before the next: what it says is so.
Rule 3: the events of a reader that has left, or whose process is dead, or silent for longer than its ``ack_wait``, are
        taken by the others, page by page: what it had begun counts as an attempt, what it had not begun does not.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from evenflow._errors import LogError

from ._desk import tell_dead
from ._engine import Outdated
from ._group_reading import rows_of
from ._group_records import PageRecord, last_part
from ._group_rules import Draft, Fate, Lanes, Outcome, Policy, lanes_of, settle

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ._desk import Desk, HeldPage
    from ._engine import Done, Pulse, Row
    from ._group_rules import Settled


@dataclass(eq=False, slots=True)
class Settlement:
    """What one caller settles.

    Attributes:
        outcomes: what became of events, by page.
        error: why nothing of it was done.
        lost: the numbers of the events that another had taken, of which nothing was done.
        is_stored: whether it is known to be done, as far as nothing was lost; also where the caller was cancelled.
    """

    outcomes: dict[HeldPage, list[Outcome]]
    error: Exception | None = None
    lost: list[int] = field(default_factory=list[int])
    is_stored: bool = False


class Settler:
    """Settles the events of one reader's pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._engine = desk.host.engine

    def _policy(self) -> Policy:
        group = self._desk.group
        spec = self._desk.spec
        attempts = spec.max_attempts if group is None else group.max_attempts
        on_dead = spec.on_dead if group is None else group.on_dead
        return Policy(attempts, on_dead == "hold_key", self._engine.wall())

    # ------------------------------------------------------------------ the events in hand

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle all of this in one commit. What went wrong is noted in each settlement."""
        async with self._desk.settling:
            settled: dict[HeldPage, Settled] = {}
            try:
                draft, settled = await self.draft(settlements)
                while not draft.is_empty:
                    try:
                        stored = partial(self._stored, settlements, draft, settled)
                        await self._engine.commit(draft.change(), made=stored)
                    except Outdated as outdated:
                        self.note_lost(settled, outdated)
                        draft, settled = await self.draft(settlements)
                    else:
                        return
            except LogError as error:
                for settlement in settlements:
                    settlement.error = settlement.error or error
                    for page, its in settlement.outcomes.items():
                        page.doubted.update({each.place: each.fate for each in its})
                self.doubt(settled, error)

    async def draft(self, settlements: Sequence[Settlement]) -> tuple[Draft, dict[HeldPage, Settled]]:
        """The change that settles all of this, as things stand."""
        await self._look_at_doubtful(settlements)
        is_loaded = False
        while True:
            try:
                return await self._draft(settlements)
            except Outdated as outdated:
                if is_loaded:
                    self.note_lost({page for each in settlements for page in each.outcomes}, outdated)
                else:  # what is known of the lanes may be older than the page
                    self._desk.known.forget_all()
                    is_loaded = True

    async def _draft(self, settlements: Sequence[Settlement]) -> tuple[Draft, dict[HeldPage, Settled]]:
        outcomes: dict[HeldPage, list[Outcome]] = {}
        for settlement in settlements:
            settlement.lost.clear()
            for page, its in settlement.outcomes.items():
                if page.doubted:
                    out = [each.place for each in its if page.went_out(each.place, each.fate)]
                    settlement.lost += [page.record.items[place].seq for place in out]
                if not page.is_lost and not page.gone:
                    outcomes.setdefault(page, []).extend(its)
                    continue
                settlement.lost += [page.record.items[each.place].seq for each in its if not page.has(each.place)]
                if left := [each for each in its if page.has(each.place)]:
                    outcomes.setdefault(page, []).extend(left)
        names: set[str] = set()
        if self._desk.group is None or self._desk.group.lanes:
            for page, its in outcomes.items():
                names |= lanes_of(page.record, [each.place for each in its])
        lanes = Lanes(self._desk.keys, {})
        if names:
            lanes = await self._desk.known.lanes(names, alone=self._desk.is_alone)
        draft, policy = Draft(), self._policy()
        settled = {
            page: settle(draft, self._desk.keys, page.id, (page.record, page.version), its, lanes, policy)
            for page, its in outcomes.items()
        }
        lanes.write(draft, policy.now)
        return draft, settled

    def _stored(
        self, settlements: Sequence[Settlement], draft: Draft, settled: Mapping[HeldPage, Settled], done: Done
    ) -> None:
        for settlement in settlements:
            settlement.is_stored = True
        self.made(draft, settled, done)

    def made(self, draft: Draft, settled: Mapping[HeldPage, Settled], done: Done) -> None:
        """The change was made."""
        self._desk.known.keep(draft, done)
        for page, result in settled.items():
            page.record = result.page
            page.version = done.versions.get(self._desk.keys.page + page.id, 0)
            page.gone.update(result.taken_back)
            if page.record.is_over:
                self._desk.host.heartbeat.pages.discard(page.id)
            tell_dead(self._desk.host.subject, self._desk.spec.group, result.dead)

    def note_lost(self, pages: Iterable[HeldPage], outdated: Outdated) -> None:
        """These pages, as far as they were outdated, are another's; and so are the lanes."""
        self._desk.known.forget(outdated.keys)
        for page in pages:
            if self._desk.keys.page + page.id in outdated.keys:
                self._lose(page)

    def _lose(self, page: HeldPage) -> None:
        page.is_lost = True
        self._desk.host.heartbeat.pages.discard(page.id)

    async def _look_at_doubtful(self, settlements: Sequence[Settlement]) -> None:
        doubtful = {page for each in settlements for page in each.outcomes if page.doubt is not None}
        if not doubtful:
            return
        found = await self._engine.load([self._desk.keys.page + page.id for page in doubtful])
        for page in doubtful:
            error, page.doubt = page.doubt, None
            record = found.get(self._desk.keys.page + page.id)
            if record is not None:
                page.record, page.version = PageRecord.parse(record.value), record.version
                page.gone.update(index for index in page.leaving if page.record.is_done(index))
                page.leaving.clear()
                continue
            # either this was settled whole, or another has taken it: nobody knows
            self._lose(page)
            for settlement in settlements:
                if settlement.outcomes.pop(page, None) is not None:
                    settlement.error = error

    def doubt_all(self, settlement: Settlement, error: LogError) -> None:
        """The caller was cancelled, and nobody heard what became of its change: the pages say."""
        self._desk.known.forget_all()
        for page in settlement.outcomes:
            page.doubt = error

    def doubt(self, settled: Mapping[HeldPage, Settled], error: LogError) -> None:
        """It is not known whether the change was made."""
        self._desk.known.forget_all()
        for page, result in settled.items():
            page.doubt = error
            page.leaving.update(result.taken_back)

    # ------------------------------------------------------------------ what the dead left

    async def reclaim(self, held: Mapping[str, HeldPage]) -> None:
        """Take what members have left that are dead or silent; and look whether this reader's pages are still its own.

        Raises:
            LogError: the engine failed.
        """
        async with self._desk.alone():
            silences = self._desk.host.heartbeat.silences()
            found = await self._engine.load(prefix=self._desk.keys.page)
            for id_, mine in held.items():
                mine.seen = silences
                if self._desk.keys.page + id_ not in found and not mine.record.is_over and mine.doubt is None:
                    self._lose(mine)
            strangers = {
                key: (PageRecord.parse(record.value), record.version)
                for key, record in found.items()
                if last_part(key) not in self._desk.host.heartbeat.pages
            }
            # after the pages, so that whoever has one is known, unless it has left
            group = (await self._desk.load())[0] if strangers else self._desk.group
            readers: Mapping[str, str] = {}
            if group is not None:
                readers = group.members
            members = {page.member for page, _ in strangers.values()} | set(readers.values())
            pulses = await self._engine.pulses(members - {self._engine.member})
            for key, (page, version) in strangers.items():
                pulse = pulses.get(page.member)
                if page.reader not in readers or self._is_left(page, pulse):
                    await self._take_over(last_part(key), (page, version), pulse)
            await self._forget({name for name, pulse in pulses.items() if pulse.alive is False})

    def _is_left(self, page: PageRecord, pulse: Pulse | None) -> bool:
        """Whether nobody will settle a page: its member is dead or silent, or is this one, and knows it no more."""
        if pulse is None:
            return True
        return pulse.alive is False or self._engine.clock() - pulse.at > page.ack_wait

    async def _take_over(self, id_: str, seen: tuple[PageRecord, int], pulse: Pulse | None) -> None:
        page = seen[0]
        begun = (
            {seq for group, seq in pulse.begun if group == self._desk.keys.begun} if pulse is not None else set[int]()
        )
        open_ = page.open_indexes()
        rows = await rows_of(
            self._engine,
            self._desk.host.subject,
            self._desk.keys,
            [page.items[index] for index in open_ if page.items[index].seq in begun],
        )
        outcomes = [self._left(page, index, rows) for index in open_]
        draft, policy = Draft(), self._policy()
        lanes = await self._desk.known.lanes(lanes_of(page, open_), alone=False)
        try:
            settled = settle(draft, self._desk.keys, id_, seen, outcomes, lanes, policy)
            lanes.write(draft, policy.now)
            await self._engine.commit(draft.change())
        except Outdated:
            return  # another was quicker, or its member lives: the next look will tell
        finally:
            self._desk.known.forget(draft.lanes)
        tell_dead(self._desk.host.subject, self._desk.spec.group, settled.dead)

    @staticmethod
    def _left(page: PageRecord, index: int, begun: Mapping[int, Row]) -> Outcome:
        """What becomes of an event that a reader has left; ``begun`` are those that it had begun."""
        row = begun.get(page.items[index].seq)
        if row is None:  # or it had, and retention has removed it: whoever claims it says so
            return Outcome(index, Fate.BACK)
        error = f"its process died, or was silent for more than {page.ack_wait:g} seconds, while it was handled"
        return Outcome(index, Fate.AGAIN, error=error, row=row)

    async def _forget(self, dead: set[str]) -> None:
        """The readers of dead members are members no more."""
        seen = self._desk.group
        if seen is None or dead.isdisjoint(seen.members.values()):
            return
        group, version = await self._desk.load()
        left = {reader: member for reader, member in group.members.items() if member not in dead}
        await self._desk.replace(replace(group, members=left), version)
