"""What a member has handed to its handlers, and is not settled: of it the other members hear, should its process die.

What is handed over together is one *run*, and is mostly settled together: to note that takes two steps, however many
events it has. A run of which only a part is settled falls into runs of one event each.

Nothing here is locked: whoever calls from several threads has a lock of its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Sequence


class Run(NamedTuple):
    """Events of one group that were handed over together."""

    group: str
    seqs: tuple[int, ...]


class Changed(NamedTuple):
    """Which runs there are no more, and which there are instead."""

    over: list[Run]
    left: list[Run]


class Begun:
    """The runs of one member."""

    def __init__(self) -> None:
        self._runs: dict[int, Run] = {}
        """By the mark of its first event; those of the others are the numbers behind it."""
        self._next = 1

    def begin(self, group: str, seqs: Sequence[int]) -> tuple[Run, range]:
        """Events are handed over: the run that they are, and a mark for each, unlike all others."""
        first = self._next
        self._next += len(seqs)
        run = Run(group, tuple(seqs))
        if seqs:
            self._runs[first] = run
        return run, range(first, self._next)

    def settle(self, marks: Sequence[int]) -> Changed:
        """Take marks back; one that is taken back already stays so."""
        over: list[Run] = []
        single: list[int] = []
        place, end = 0, len(marks)
        while place < end:
            first = marks[place]
            run = self._runs.get(first)
            size = 1 if run is None else len(run.seqs)
            if run is None or (size > 1 and [*marks[place : place + size]] != [*range(first, first + size)]):
                single.append(first)
                place += 1
                continue
            del self._runs[first]
            over.append(run)
            place += size
        return self._settle_parts(single, over) if single else Changed(over, [])

    def _settle_parts(self, marks: Sequence[int], over: list[Run]) -> Changed:
        gone, left = set(marks), list[Run]()
        for first, run in [*self._runs.items()]:
            own = range(first, first + len(run.seqs))
            if gone.isdisjoint(own):
                continue
            over.append(run)
            del self._runs[first]
            for mark, seq in zip(own, run.seqs, strict=True):
                if mark not in gone:
                    self._runs[mark] = Run(run.group, (seq,))
                    left.append(self._runs[mark])
        return Changed(over, left)

    def runs(self) -> list[Run]:
        """All of them."""
        return [*self._runs.values()]

    def events(self) -> frozenset[tuple[str, int]]:
        """Each event of them, once, with its group."""
        return frozenset((run.group, seq) for run in self._runs.values() for seq in run.seqs)
