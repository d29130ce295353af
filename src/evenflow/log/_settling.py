"""Settling: what became of events in hand is stored, many in one commit; what dead members left goes out again.

Rule 1: a page that has changed was taken by another: what it had in hand is lost, and nothing of it is done.
Rule 2: where the outcome of a commit is not known, the page is looked at before the next: what it says is so.
Rule 3: the events of a reader that has left, or whose process is dead, or silent for longer than its ``ack_wait``, are
        taken by the others, page by page: what it had begun counts as an attempt, what it had not begun does not.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from anyio import WouldBlock

from evenflow._errors import LogError

from ._group_logs import tell_dead
from ._group_reading import rows_of
from ._group_records import PageRecord, last_part
from ._group_rules import Draft, Fate, Lanes, Outcome, Policy, acknowledge, acknowledged, lanes_of, settle
from ._settlement import together
from ._stored import ABSENT, Outdated

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from ._desk import Desk
    from ._group_rules import Settled
    from ._held_page import HeldPage
    from ._settlement import Settlement
    from ._stored import Done, Pulse, Row


class Settler:
    """Settles the events of one reader's pages."""

    def __init__(self, desk: Desk) -> None:
        self._desk = desk
        self._engine = desk.host.engine
        self._doubtful: set[HeldPage] = set()
        """The pages of which it is not known whether a commit has changed them."""

    def _policy(self) -> Policy:
        group = self._desk.group
        spec = self._desk.spec
        attempts = spec.max_attempts if group is None else group.max_attempts
        on_dead = spec.on_dead if group is None else group.on_dead
        return Policy(attempts, on_dead == "hold_key", self._engine.wall())

    # ------------------------------------------------------------------ the events in hand

    async def settle(self, settlements: Sequence[Settlement]) -> None:
        """Settle all of this in one commit. What went wrong is noted in each settlement."""
        lock = self._desk.settling
        try:
            lock.acquire_nowait()  # nearly always, at a third of what `async with` takes
        except WouldBlock:
            await lock.acquire()
        try:
            await self._settle(settlements)
        finally:
            lock.release()

    async def _settle(self, settlements: Sequence[Settlement]) -> None:
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
                for page in settlement.pages():
                    settlement.decide(page)
                    page.doubted.update({each.place: each.fate for each in settlement.outcomes[page]})
            self.doubt(settled, error)

    async def draft(self, settlements: Sequence[Settlement]) -> tuple[Draft, dict[HeldPage, Settled]]:
        """The change that settles all of this, as things stand."""
        if self._doubtful:
            await self._look_at_doubtful(settlements)
        is_loaded = False
        while True:
            try:
                return await self._draft(settlements)
            except Outdated as outdated:
                if is_loaded:
                    self.note_lost({page for each in settlements for page in each.pages()}, outdated)
                else:  # what is known of the lanes may be older than the page
                    self._desk.known.forget_all()
                    is_loaded = True

    async def _draft(self, settlements: Sequence[Settlement]) -> tuple[Draft, dict[HeldPage, Settled]]:
        acked, outcomes = together(settlements)
        draft, keys = Draft(), self._desk.keys
        if not outcomes:
            return draft, {
                page: acknowledge(draft, keys, page.id, (page.record, page.version), bits)
                for page, bits in acked.items()
            }
        for page, bits in acked.items():
            outcomes.setdefault(page, []).extend(acknowledged(bits))
        names: set[str] = set()
        if self._desk.group is None or self._desk.group.lanes:
            for page, its in outcomes.items():
                names |= lanes_of(page.record, [each.place for each in its])
        lanes = Lanes(keys, {})
        if names:
            lanes = await self._desk.known.lanes(names, alone=self._desk.is_alone)
        policy = self._policy()
        settled = {
            page: settle(draft, keys, page.id, (page.record, page.version), its, lanes, policy)
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
        if draft.lanes:
            self._desk.known.keep(draft, done)
        for page, (record, taken_back, dead) in settled.items():
            page.record = record
            page.version = done.versions.get(self._desk.keys.page + page.id, ABSENT)
            if page.version == ABSENT:
                self._desk.host.heartbeat.pages.discard(page.id)
            if taken_back or dead:
                page.gone.update(taken_back)
                tell_dead(self._desk.host.subject, self._desk.spec.group, dead)

    def note_lost(self, pages: Iterable[HeldPage], outdated: Outdated) -> None:
        """These pages, as far as they were outdated, are another's; and so are the lanes."""
        self._desk.known.forget(outdated.keys)
        for page in pages:
            if self._desk.keys.page + page.id in outdated.keys:
                self._lose(page)

    def _lose(self, page: HeldPage) -> None:
        page.is_lost = True
        self._doubtful.discard(page)
        self._desk.host.heartbeat.pages.discard(page.id)

    async def _look_at_doubtful(self, settlements: Sequence[Settlement]) -> None:
        doubtful = {page for each in settlements for page in each.pages() if page in self._doubtful}
        if not doubtful:
            return
        found = await self._engine.load([self._desk.keys.page + page.id for page in doubtful])
        self._doubtful -= doubtful
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
                settlement.decide(page)
                if settlement.outcomes.pop(page, None) is not None:
                    settlement.error = error

    def doubt_all(self, settlement: Settlement, error: LogError) -> None:
        """The caller was cancelled, and nobody heard what became of its change: the pages say."""
        self._desk.known.forget_all()
        for page in settlement.pages():
            self._doubt(page, error)

    def doubt(self, settled: Mapping[HeldPage, Settled], error: LogError) -> None:
        """It is not known whether the change was made."""
        self._desk.known.forget_all()
        for page, result in settled.items():
            self._doubt(page, error)
            page.leaving.update(result.taken_back)

    def _doubt(self, page: HeldPage, error: LogError) -> None:
        page.doubt = error
        self._doubtful.add(page)

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
            others = {page.member for page, _ in strangers.values()} | set(readers.values())
            others.discard(self._engine.member)
            pulses: Mapping[str, Pulse] = {}
            if others:
                pulses = await self._engine.pulses(others)
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
        return Outcome(index, Fate.AGAIN, error=error, row=row, died=True)

    async def _forget(self, dead: set[str]) -> None:
        """The readers of dead members are members no more."""
        seen = self._desk.group
        if seen is None or dead.isdisjoint(seen.members.values()):
            return
        group, version = await self._desk.load()
        left = {reader: member for reader, member in group.members.items() if member not in dead}
        await self._desk.replace(replace(group, members=left), version)
