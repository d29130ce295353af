"""Dead letters: what a group has given up on, kept with its event until somebody sends it out again or discards it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar

from evenflow._errors import DecodeError

from ._engine import Outdated
from ._group_records import DeadRecord, Item, Keys, RetryRecord
from ._group_rules import Draft, Lanes, unhold

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from evenflow._conditions import Condition

    from ._engine import Engine
    from ._group_spec import Host
    from ._offsets import Offset

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
    """The dead letters of a group, in the order of their offsets, as they are when the first is read."""

    def __init__(self, host: Host, group: str, offset: Callable[[int], Offset]) -> None:
        self._host = host
        self._keys = Keys(host.subject, group)
        self._offset = offset
        self._left: list[DeadRecord] | None = None

    async def __anext__(self) -> DeadLetter[Any]:
        if self._left is None:
            found = [letter for letter, _ in (await dead_letters(self._host.engine, self._keys)).values()]
            self._left = found[::-1]
        if not self._left:
            raise StopAsyncIteration
        letter = self._left.pop()
        return DeadLetter(
            _event_of(self._host, letter),
            letter.row.type,
            letter.row.data,
            self._offset(letter.row.seq),
            letter.attempts,
            letter.error,
            datetime.fromtimestamp(letter.at, UTC),
        )


def _event_of(host: Host, letter: DeadRecord) -> Any:
    try:
        return host.decode(letter.row)
    except DecodeError:
        return None


async def dead_letters(engine: Engine, keys: Keys) -> dict[int, tuple[DeadRecord, int]]:
    """A group's dead letters, by number, with their versions; not those that are out again."""
    found = {
        key: (DeadRecord.parse(record.value), record.version)
        for key, record in (await engine.load(prefix=keys.dead)).items()
    }
    return {letter.row.seq: (letter, version) for letter, version in found.values() if not letter.redriven}


async def redrive(
    host: Host, group: str, seqs: Iterable[int] | Literal["all"], *, where: Condition | None, limit: int | None
) -> int:
    """Send dead letters out again, with attempt 1; returns how many.

    In an ordered group one comes before the others of its key that were not begun.
    """
    keys = Keys(host.subject, group)
    found = await dead_letters(host.engine, keys)
    chosen = _chosen(found, seqs)
    if where is not None:
        chosen = [seq for seq in chosen if _holds(where, _event_of(host, found[seq][0]))]
    return await _in_slices(host.engine, keys, chosen[:limit], again=True)


async def discard(host: Host, group: str, seqs: Iterable[int] | Literal["all"]) -> int:
    """Delete dead letters; a key that they held goes on. Returns how many."""
    keys = Keys(host.subject, group)
    return await _in_slices(host.engine, keys, _chosen(await dead_letters(host.engine, keys), seqs), again=False)


def _chosen(found: Mapping[int, object], seqs: Iterable[int] | Literal["all"]) -> list[int]:
    return sorted(found if isinstance(seqs, str) else found.keys() & set(seqs))


def _holds(where: Condition, event: Any) -> bool:
    return event is not None and where(event)


async def _in_slices(engine: Engine, keys: Keys, seqs: list[int], *, again: bool) -> int:
    done = 0
    for begin in range(0, len(seqs), IN_ONE_COMMIT):
        done += await _slice(engine, keys, seqs[begin : begin + IN_ONE_COMMIT], again=again)
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
