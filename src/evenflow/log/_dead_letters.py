"""Dead letters: what a group has given up on, kept with its event until somebody sends it out again or discards it.

There may be many: they are read, sent out and discarded page by page, in the order of their offsets.
"""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from evenflow._errors import DecodeError

from ._group_changes import load_group
from ._group_records import DeadRecord, Item, Keys, RetryRecord
from ._group_rules import Draft, Lanes, unhold
from ._stored import Outdated

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from evenflow._conditions import Condition

    from ._engine import Engine
    from ._group_spec import Host
    from ._offsets import Offset
    from ._stored import Record

E_co = TypeVar("E_co", covariant=True)

IN_ONE_COMMIT = 250
"""Dead letters that are sent out again, or discarded, in one commit."""


@dataclass(frozen=True, slots=True)
class DeadLetter(Generic[E_co]):
    """An event that a group has given up on.

    Attributes:
        event: the event; None where nobody here can read it.
        type: its wire name.
        data: its JSON, as it was stored.
        offset: where it stands in its subject.
        attempts: how often it was handed over.
        error: what was wrong the last time.
        at: when it became a dead letter, in UTC.
    """

    event: E_co | None
    type: str
    data: bytes
    offset: Offset
    attempts: int
    error: str
    at: datetime


class DeadLetters(AsyncIterator[DeadLetter[Any]]):
    """The dead letters of a group, in the order of their offsets; what becomes one meanwhile may be among them."""

    def __init__(self, host: Host, keys: Keys, offset: Callable[[int], Offset]) -> None:
        self._host = host
        self._pages = _Pages(host.engine, keys)
        self._offset = offset
        self._left: deque[DeadRecord] = deque()

    async def __anext__(self) -> DeadLetter[Any]:
        while not self._left:
            page = await self._pages.next()
            if page is None:
                raise StopAsyncIteration
            self._left.extend(page)
        letter = self._left.popleft()
        return DeadLetter(
            _event_of(self._host, letter),
            letter.row.type,
            letter.row.data,
            self._offset(letter.row.seq),
            letter.attempts,
            letter.error,
            datetime.fromtimestamp(letter.at, UTC),
        )


class _Pages:
    """The dead letters of a group, or those with these numbers, page by page; not those that are out again."""

    def __init__(self, engine: Engine, keys: Keys, named: Iterable[int] | None = None) -> None:
        self._engine = engine
        self._keys = keys
        self._named = None if named is None else deque(sorted(set(named)))
        self._after = ""
        self._is_known = False

    async def next(self) -> list[DeadRecord] | None:
        """The next page, which may be empty; None at the end. A cancelled read takes nothing.

        Raises:
            ValueError: there is no such group.
        """
        if not self._is_known:
            await load_group(self._engine, self._keys)
            self._is_known = True
        found = await self._load()
        if found is None:
            return None
        letters = [DeadRecord.parse(record.value) for record in found.values()]
        return [letter for letter in letters if not letter.redriven]

    async def _load(self) -> Mapping[str, Record] | None:
        if self._named is None:
            found = await self._engine.load_some(self._keys.dead, self._after, IN_ONE_COMMIT)
            self._after = next(reversed(list(found)), self._after)
            return found or None
        some = list(islice(self._named, IN_ONE_COMMIT))
        if not some:
            return None
        found = await self._engine.load([*map(self._keys.dead_of, some)])
        for _ in some:
            self._named.popleft()
        return found


def _event_of(host: Host, letter: DeadRecord) -> Any:
    try:
        return host.decode(letter.row)
    except DecodeError:
        return None


async def redrive(
    host: Host, keys: Keys, seqs: Iterable[int] | Literal["all"], *, where: Condition | None, limit: int | None
) -> int:
    """Send dead letters out again, with attempt 1; returns how many.

    In an ordered group one comes before the others of its key that were not begun.
    """

    def is_chosen(letter: DeadRecord) -> bool:
        return where is None or _holds(where, _event_of(host, letter))

    return await _settle(host, keys, seqs, is_chosen, limit=limit, again=True)


async def discard(host: Host, keys: Keys, seqs: Iterable[int] | Literal["all"]) -> int:
    """Delete dead letters; a key that they held goes on. Returns how many."""
    return await _settle(host, keys, seqs, lambda _: True, limit=None, again=False)


def _holds(where: Condition, event: Any) -> bool:
    return event is not None and where(event)


async def _settle(
    host: Host,
    keys: Keys,
    seqs: Iterable[int] | Literal["all"],
    is_chosen: Callable[[DeadRecord], bool],
    *,
    limit: int | None,
    again: bool,
) -> int:
    """Send out again, or discard, what is chosen of these: a page in one commit."""
    pages, done = _Pages(host.engine, keys, None if isinstance(seqs, str) else seqs), 0
    while (limit is None or done < limit) and (page := await pages.next()) is not None:
        chosen = [letter.row.seq for letter in page if is_chosen(letter)]
        most = None if limit is None else limit - done
        done += await _slice(host.engine, keys, chosen[:most], again=again)
    return done


async def _slice(engine: Engine, keys: Keys, seqs: list[int], *, again: bool) -> int:
    """Send these out again, or discard them, as far as they are still there."""
    while True:
        loaded = await engine.load([*map(keys.dead_of, seqs)])
        letters = {key: (DeadRecord.parse(record.value), record.version) for key, record in loaded.items()}
        letters = {key: found for key, found in letters.items() if not found[0].redriven}
        draft = Draft({key: version for key, (_, version) in letters.items()})
        lanes = Lanes(
            keys, await engine.load({keys.lane + letter.lane for letter, _ in letters.values() if letter.lane})
        )
        for key, (letter, _) in reversed(letters.items()):
            if again:
                draft.put(key, letter.out_again().dump())
                _send_out(draft, keys, letter, lanes, engine.wall())
            else:
                draft.delete(key)
                if letter.lane:
                    unhold(lanes, letter.lane, letter.row.seq)
        lanes.write(draft, engine.wall())
        try:
            if not draft.is_empty:
                await engine.commit(draft.change())
        except Outdated:
            continue
        return len(letters)


def _send_out(draft: Draft, keys: Keys, letter: DeadRecord, lanes: Lanes, now: float) -> None:
    item = Item(letter.row.seq, copied=True)
    if letter.lane:
        unhold(lanes, letter.lane, letter.row.seq, again=item)
    else:
        draft.put(keys.retry_of(item.seq), RetryRecord(item).dump(), now)
