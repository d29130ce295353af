"""KnownLanes: the lanes of a group as one reader last saw or left them, so that it loads and parses each only once.

Rule 1: a lane that was loaded is parsed once for each of its versions.
Rule 2: as long as nobody else reads the group, a lane that is known is not loaded again. Every change expects the
        version that is known, so one that somebody has changed meanwhile is found out by the commit, and forgotten.
Rule 3: where the outcome of a commit is not known, nothing is known any more.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from ._group_records import LaneRecord, last_part
from ._group_rules import Lanes

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from ._engine import Engine
    from ._group_records import Keys
    from ._group_rules import Draft
    from ._stored import Done, Record

MOST: Final = 4_096
"""Lanes that are remembered. Those that were not used for longest are forgotten first."""


class KnownLanes:
    """What one reader knows of the lanes of its group."""

    def __init__(self, engine: Engine, keys: Keys) -> None:
        self._engine = engine
        self._keys = keys
        self._known: dict[str, tuple[LaneRecord, int]] = {}
        """By name; the version of one that does not exist is ``ABSENT``."""

    def parsed(self, records: Mapping[str, Record]) -> dict[str, LaneRecord]:
        """Lanes that were loaded, by name."""
        known = self._known
        for key, record in records.items():
            name = last_part(key)
            before = known.pop(name, None)  # to the end of those that are remembered
            known[name] = (
                before
                if before is not None and before[1] == record.version
                else (LaneRecord.parse(record.value), record.version)
            )
        return {name: known[name][0] for name in map(last_part, records)}

    async def lanes(self, names: Iterable[str], *, alone: bool, loaded: Mapping[str, Record] | None = None) -> Lanes:
        """These lanes, and those that were loaded; ``alone`` says that nobody else reads the group.

        Raises:
            LogError: the engine failed.
        """
        found = {last_part(key): record for key, record in (loaded or {}).items()}
        wanted = set(names) - found.keys()
        missing = [name for name in wanted if not alone or name not in self._known]
        if missing:
            prefix = self._keys.lane
            records = await self._engine.load([prefix + name for name in missing])
            found.update((last_part(key), record) for key, record in records.items())
            for name in missing:
                if name not in found:
                    self._known.pop(name, None)
        self.parsed(found)
        known = (wanted | found.keys()) & self._known.keys()
        lanes = Lanes(self._keys, {}, {name: self._known[name] for name in known})
        self._forget_old()
        return lanes

    def keep(self, draft: Draft, done: Done) -> None:
        """This change was made: its lanes are as it has left them."""
        for key, lane in draft.lanes.items():
            name = last_part(key)
            self._known.pop(name, None)
            self._known[name] = lane, done.versions.get(key, 0)
        self._forget_old()

    def forget(self, keys: Iterable[str]) -> None:
        """The lanes among these keys have changed."""
        for key in keys:
            self._known.pop(last_part(key), None)

    def forget_all(self) -> None:
        """Nothing is known any more."""
        self._known.clear()

    def _forget_old(self) -> None:
        while len(self._known) > MOST:
            del self._known[next(iter(self._known))]
