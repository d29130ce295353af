"""Desk: where one reader of a group claims events.

Rule 1: one claim at a time, and one settlement. They change different records, and share a commit where they meet; with
        an order both change lanes, and it is one of both. A look for what others have left is alone.
Rule 2: every change names the versions that were seen; where one has changed, it is decided again.
Rule 3: nothing here is cancelled half-way: whoever calls shields it. The engine bounds how long it takes.
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from math import inf
from typing import TYPE_CHECKING, Final, NamedTuple

from anyio import Lock

from evenflow._errors import LogError

from ._claiming import MOST_WAITING, Claiming, Plain, Taken
from ._due import Due
from ._group_logs import GroupLogs, tell_dead
from ._group_reading import news_of, read, read_all, rows_of
from ._group_records import GroupRecord, Keys
from ._group_rules import Draft
from ._held_page import HeldPage
from ._known_lanes import KnownLanes
from ._read_ahead import Place, ReadAhead
from ._stored import Outdated

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence

    from ._claiming import Reading
    from ._definition import Order
    from ._due import Again
    from ._group_records import Item
    from ._group_rules import Lanes
    from ._group_spec import GroupSpec, Host
    from ._stored import Page, Record

FAR: Final = 1_000
"""By how many events a position that has only passed unwanted ones may lag behind, before it is stored."""

WAITING: Final = 4
"""As many buffers of events may wait behind others of their key before new ones are looked for only where nothing
else can go out: each settlement writes what waits behind it, and a backlog would make that ever longer."""

LOOKED_AT: Final = 100
"""How many events a claim looks at, at least, where not all of them may be claimed."""


class GroupChanged(LogError):
    """The group that was read is no more, or is another by now."""


class Claimed(NamedTuple):
    """What a claim came to.

    Attributes:
        page: the page; None where nothing was claimed.
        taken: its events.
        went_on: whether anything was done at all, so that it is worth claiming again at once.
        held_back: whether it did not look for new events, because so many wait already.
    """

    page: HeldPage | None = None
    taken: Sequence[Taken] | Plain = ()
    went_on: bool = False
    held_back: bool = False


class Desk:
    """The records of one group, as one of its readers works on them.

    Attributes:
        host: the subject.
        spec: what the reader asks for.
        reader: its name, unlike that of any other, of any process.
        keys: the records' keys.
        lock: whoever has it may claim.
        settling: whoever has it may settle what is in hand.
        known: what is known of the group's lanes.
    """

    def __init__(self, host: Host, spec: GroupSpec, reader: str) -> None:
        self.host: Host = host
        self.spec: GroupSpec = spec
        self.reader: str = reader
        self.keys: Keys = Keys(host.subject, spec.group)
        self.lock: Lock = Lock(fast_acquire=True)
        self.settling: Lock = Lock(fast_acquire=True) if spec.order is None else self.lock
        self.topics: tuple[str, ...] = (host.subject, self.keys.group, "retry", "lane")
        """What can make it worth claiming again."""
        if spec.order is not None and spec.order.is_whole:  # while its one lane is there, nothing new is claimed
            self.topics += (self.keys.lane + spec.order.key_of(None),)
        self._group: tuple[GroupRecord, int] | None = None
        self._is_old = False
        self._looked = (0, 0)
        """The epoch, and up to where was looked in it, where that is not stored yet."""
        self._saved_at = 0.0
        self._logs = GroupLogs(spec, host.subject)
        self.known: KnownLanes = KnownLanes(host.engine, self.keys)
        self._ahead = ReadAhead(2 * WAITING * spec.buffer)
        self._due = Due(host.engine, self.keys, spec.undecodable_after, self.known)

    @property
    def group(self) -> GroupRecord | None:
        """The group, as far as is known."""
        return None if self._group is None else self._group[0]

    @property
    def is_alone(self) -> bool:
        """Whether nobody else reads the group, as far as is known."""
        return self._group is not None and len(self._group[0].members) == 1

    @asynccontextmanager
    async def alone(self) -> AsyncGenerator[None]:
        """In this block nobody claims, and nobody settles."""
        async with AsyncExitStack() as locks:
            for lock in {self.lock: None, self.settling: None}:
                await locks.enter_async_context(lock)
            yield

    async def load(self) -> tuple[GroupRecord, int]:
        """Look at the group.

        Raises:
            GroupChanged: there is none, or it is another than this reader asks for.
        """
        group, version = await self.look()
        if group.definition != self.spec.definition:
            raise GroupChanged(
                f"group {self.spec.group!r} of {self.host.subject} was redefined while it was read: it wants"
                f" {group.definition} now, and this reader asks for {self.spec.definition}"
            )
        return group, version

    async def look(self) -> tuple[GroupRecord, int]:
        """Look at the group, whatever it is.

        Raises:
            GroupChanged: there is none.
        """
        record = (await self.host.engine.load([self.keys.group])).get(self.keys.group)
        if record is None:
            raise GroupChanged(f"group {self.spec.group!r} of {self.host.subject} was deleted while it was read")
        self._group = GroupRecord.parse(record.value), record.version
        return self._group

    def forget(self) -> None:
        """What is known of the group is old: somebody may have moved it, or paused it."""
        self._is_old = True

    def keep(self, group: GroupRecord, version: int) -> None:
        """The group is this now."""
        self._group = group, version
        self._saved_at = self.host.engine.clock()

    # ------------------------------------------------------------------ claiming

    async def claim(self, room: int, *, hungry: bool = True) -> Claimed:
        """Claim up to ``room`` events: what is due again, then new ones.

        Where many wait behind others of their key, new ones are looked for only if nothing else can go out, and
        somebody is ``hungry``.

        Raises:
            GroupChanged: there is no such group any more, or it is another.
            LogError: the engine failed.
        """
        async with self.lock:
            if self._group is None or self.is_alone:
                await self._load_if_old()
            if self.is_alone:
                with suppress(Outdated):
                    return await self._claim_once(room, hungry)
            async with self.host.engine.turn(self.keys.group):
                self._is_old = True  # others have claimed since
                while True:
                    with suppress(Outdated):
                        return await self._claim_once(room, hungry)

    async def _load_if_old(self) -> tuple[GroupRecord, int]:
        if self._group is None or self._is_old:
            self._group = await self.load()
            self._is_old = False
        return self._group

    async def _claim_once(self, room: int, hungry: bool) -> Claimed:
        """Claim, if what is known is not outdated; otherwise it is loaded before the next time."""
        group, version = await self._load_if_old()
        if group.paused:
            return Claimed()
        page = self.host.heartbeat.new_page()
        claimed = Claimed()
        try:
            claimed = await self._claim(group, version, page, room, hungry)
        except Outdated as outdated:
            self.known.forget(outdated.keys)
            self._is_old = True
            raise
        except LogError:
            self.known.forget_all()
            raise
        finally:
            if claimed.page is None:
                self.host.heartbeat.pages.discard(page)
        return claimed

    async def _claim(self, group: GroupRecord, version: int, page: str, room: int, hungry: bool) -> Claimed:
        now = self.host.engine.wall()
        silences = self.host.heartbeat.silences()
        if not self._ahead.is_empty:
            self._ahead.forget_through(await self.host.engine.floor(self.host.subject))
        ahead, due = await self._look_at_both(group, now, room)
        items, most = due.items(room)
        again = await self._read_again(items)
        held_back = group.waiting >= WAITING * self.spec.buffer and (bool(items) or not hungry)
        found, through = ([], 0) if held_back else await self._look_ahead(group, room - len(items), ahead)
        plain = found if isinstance(found, Plain) and not items else None
        news = [] if plain is not None else found.readings() if isinstance(found, Plain) else found
        claiming = Claiming(
            self.keys,
            (group, version),
            page_id=page,
            room=room,
            lanes=await self._lanes(due.heads, [*again.values(), *news]),
            now=now,
            undecodable_after=self.spec.undecodable_after,
        )
        for key, retry in due.retries.items():
            claiming.add_retry(retry, due.records[key].version, again[retry.item.seq])
        for name, lane in due.lanes.items():
            claiming.add_lane(name, [again[item.seq] for item in lane.items[:most]], most)
        if plain is not None:
            claiming.add_plain(plain)
        if claiming.add_all(news):
            claiming.pass_to(through)
        claimed = await self._commit(claiming, (group, version), page, silences)
        if self.spec.order is not None:
            self._keep_read([*again.values(), *news], claiming, through)
        return claimed._replace(held_back=held_back)

    async def _look_at_both(self, group: GroupRecord, now: float, room: int) -> tuple[Page | None, Again]:
        """What is due, and the new events, where it is known beforehand that they are wanted."""
        limit, types = self._looks_at(room), self.host.types_of(self.spec.wants)
        filters = self.host.wanted(types, self.spec.condition) is not None
        if self.spec.order is not None or group.lanes or filters:
            return None, await self._due.load(now, room, lanes=group.lanes)
        ahead, retries = await self.host.engine.read_with_due(
            self.host.subject, self._after(group), limit, self.keys.retry, now, self._due.most(room), types=types
        )
        return ahead, await self._due.load(now, room, lanes=False, retries=retries)

    def _looks_at(self, room: int) -> int:
        """How many new events a claim looks at."""
        return room if self.spec.condition is None and self.spec.order is None else max(room, LOOKED_AT)

    async def _read_again(self, items: Sequence[Item]) -> dict[int, Reading]:
        """The events of what goes out again, by number."""
        again = {item.seq: reading for item in items if (reading := self._ahead.get(item.seq)) is not None}
        if missing := [item for item in items if item.seq not in again]:
            rows = await rows_of(self.host.engine, self.host.subject, self.keys, missing)
            for item in missing:
                again[item.seq] = read(self.host, self.spec, rows.get(item.seq), again=True)
        self._due.note_read(again)
        return again

    def _keep_read(self, readings: Iterable[Reading], claiming: Claiming, through: int) -> None:
        """Keep what was read and not claimed for the next claim."""
        assert self._group is not None
        place = Place(self._group[0].epoch, self._after(self._group[0]), self.host.types_of(self.spec.wants))
        taken = [taken.item.seq for taken in claiming.taken]
        self._ahead.keep(place, [each for each in readings if each.row is not None], taken, through)

    async def _look_ahead(
        self, group: GroupRecord, room: int, ahead: Page | None = None
    ) -> tuple[list[Reading] | Plain, int]:
        """New events after the group's position, and up to where everything was looked at; ``ahead`` are those read."""
        order = self.spec.order
        if group.waiting >= MOST_WAITING:
            self._logs.choked()
            return [], 0
        if room <= 0 or (order is not None and order.is_whole and await self._lane_is_known(order)):
            return [], 0
        after = self._after(group)
        types = self.host.types_of(self.spec.wants)
        limit = self._looks_at(room)
        known, through = self._ahead.next_at(Place(group.epoch, after, types))
        if len(known) >= room:
            return list(known), through
        page = ahead or await news_of(self.host, self.spec.condition, types, through, limit - len(known))
        if page.floor > through:
            self._logs.removed(through, page.floor)
        news = read_all(self.host, self.spec, page.rows)
        return news if isinstance(news, Plain) else [*known, *news], page.through

    async def _lane_is_known(self, order: Order) -> bool:
        """Whether the one key of the group is in hand, or held back: then nothing new could be claimed."""
        key = self.keys.lane + order.key_of(None)
        return key in await self.host.engine.load([key])

    def _after(self, group: GroupRecord) -> int:
        """Up to where was looked."""
        epoch, looked = self._looked
        return max(group.position, looked) if epoch == group.epoch else group.position

    async def _lanes(self, due: Mapping[str, Record], readings: Iterable[Reading]) -> Lanes:
        """The lanes that are due, and those of these events."""
        names = {reading.lane for reading in readings if reading.lane}
        return await self.known.lanes(names, alone=self.is_alone, loaded=due)

    async def _commit(self, claiming: Claiming, seen: tuple[GroupRecord, int], page: str, silences: int) -> Claimed:
        group, version = seen
        record = claiming.finish(self.reader, self.spec.ack_wait)
        if claiming.only_moves and claiming.position - group.position < FAR:
            before, self._looked = self._after(group), (group.epoch, claiming.position)
            return Claimed(went_on=claiming.position > before)
        done = await self.host.engine.commit(claiming.draft.change())
        self.known.keep(claiming.draft, done)
        self._due.note_unreadable(claiming.put_off)
        self.keep(claiming.group, done.versions.get(self.keys.group, version))
        self._logs.gone(claiming.gone)
        tell_dead(self.host.subject, self.spec.group, claiming.dead)
        if record is None:
            return Claimed(went_on=True)
        held = HeldPage(page, record, done.versions[self.keys.page + page], silences)
        return Claimed(held, claiming.plain or claiming.taken, went_on=True)

    async def next_due(self) -> float:
        """When the next retry or lane is due, on the wall clock; infinite where none is, or the group is paused."""
        group = self.group
        return inf if group is None or group.paused else await self._due.next(lanes=group.lanes)

    async def save_position(self, *, at_once: bool = False) -> None:
        """Store how far the group has come past what it does not want; not more than once a second."""
        async with self.lock:
            while self._group is not None and (at_once or self.host.engine.clock() - self._saved_at >= 1):
                group, version = self._group
                if (looked := self._after(group)) <= group.position:
                    return
                if not await self.replace(replace(group, position=looked), version):
                    await self.load()

    async def replace(self, group: GroupRecord, version: int) -> bool:
        """Store the group, unless it has changed; returns whether it was stored. For whoever has the lock."""
        draft = Draft(expect={self.keys.group: version})
        draft.put(self.keys.group, group.dump())
        try:
            done = await self.host.engine.commit(draft.change())
        except Outdated:
            return False
        self.keep(group, done.versions[self.keys.group])
        return True
