"""When the loop should turn: after a number of deliveries, or after a time, counted over all subjects of one loop.

Reading a clock for each event would cost a fifth of a delivery. So the clock is looked at every few events:

    a quick stretch                twice as many events until the next look, up to a limit
    a slow one                     as many as fit into a while (3 ms), but at least one

A look cannot tell whether the loop has turned since the look before, unless a callback was left for the next turn.
That costs more than a look, so it is done twice in a while at most; the time that is counted begins there. So a task
that also waits elsewhere is never made to wait here too.

The clock is the loop's own: in virtual time it stands still while anything can run, and nothing here ever happens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

DELIVERIES_A_TURN: Final = 9_216
"""After this many deliveries a publish or a receive lets the loop turn.

Each side may make as many in one turn. With a thousand new readers, whose buffers are not in any cache, both together
take four to five milliseconds."""

SECONDS_A_TURN: Final = 0.01
"""After this time a publish or a receive lets the loop turn, if it is known that the loop has not turned meanwhile."""

A_WHILE: Final = 0.003
"""Events between two looks should not take longer than this.

With a millisecond a delivery to a hundred is 8 % dearer.
"""

LOOK_WITHIN: Final = 256
"""At most this many deliveries lie between two looks, but for those that a reader takes without asking."""

GIVEN: Final = 0
TAKEN: Final = 1
LOOK_GIVEN: Final = 2
LOOK_TAKEN: Final = 3


class FairnessBudget:
    """The deliveries of one loop since it last turned, and since when it has not turned.

    Attributes:
        counts: events that publishers gave to mailboxes (``GIVEN``), and events that readers took out (``TAKEN``); and
            at which of these numbers a publisher (``LOOK_GIVEN``) and a reader (``LOOK_TAKEN``) looks at the clock. A
            list, so that a publish and a read count without a call, which would be a twentieth of what they cost.
        clock: the loop's clock, in seconds; tests may set another.
    """

    __slots__ = ("_in_next_turn", "_looked", "_noted", "_since", "_stride", "_taken_before", "clock", "counts")

    def __init__(self, clock: Callable[[], float], in_next_turn: Callable[[Callable[[], object]], object]) -> None:
        self.counts: list[int] = [0, 0, 0, 0]
        self.clock: Callable[[], float] = clock
        self._in_next_turn = in_next_turn
        self._looked = [0.0, 0.0]
        """When a publisher and a reader last looked."""
        self._stride = 0
        """How many deliveries a publisher might make between the last look and the next."""
        self._taken_before = 0
        self._noted = 0.0
        """When the time was last noted."""
        self._since: float | None = None
        """Since when the loop has not turned; None where nobody knows."""

    def publisher_should_turn(self) -> bool:
        """Whether a publisher should let the loop turn; looks at the clock if it is time for that."""
        counts = self.counts
        given = counts[GIVEN]
        if given < counts[LOOK_GIVEN]:
            return False
        events = self._stride + given - counts[LOOK_GIVEN]
        knew = self._since is not None
        passed = self._look(GIVEN)
        if self.is_used_up(GIVEN):
            counts[LOOK_GIVEN], self._stride = given, 0  # whoever asks again gets the same answer
            return True
        # where nobody knows, the loop has probably turned: then the time says nothing about the events
        fitting = 2 if passed >= A_WHILE / 2 and not knew else _fitting(passed, events)
        self._stride = max(1, min(2 * self._stride, fitting, LOOK_WITHIN))
        counts[LOOK_GIVEN] = given + self._stride
        return False

    def reader_looks(self) -> int:
        """A reader looks at the clock; returns how many events like the last ones fit into a while."""
        taken = self.counts[TAKEN]
        events = max(1, taken - self._taken_before)
        self._taken_before = taken
        self.counts[LOOK_TAKEN] = taken + LOOK_WITHIN
        return _fitting(self._look(TAKEN), events)

    def is_used_up(self, side: int) -> bool:
        """Whether the loop should turn, as of the last look of this side (``GIVEN`` or ``TAKEN``)."""
        late = self._since is not None and self._looked[side] - self._since >= SECONDS_A_TURN
        return late or self.counts[side] >= DELIVERIES_A_TURN

    def left(self) -> int:
        """How many more deliveries a publisher may make before the loop should turn."""
        return max(0, DELIVERIES_A_TURN - self.counts[GIVEN])

    def begin_turn(self) -> None:
        """The loop is about to turn: the deliveries are counted anew, and the looks come when they would have come."""
        given, taken, look_given, look_taken = self.counts
        self.counts[:] = (0, 0, look_given - given, look_taken - taken)
        self._taken_before -= taken

    def has_turned(self) -> None:
        """The loop has just turned because it should: the time begins anew."""
        now = self.clock()
        self._looked[:] = (now, now)
        self._note_time(now)

    def _look(self, side: int) -> float:
        """Look at the clock; returns how much time has passed since this side last looked."""
        now = self.clock()
        passed = now - self._looked[side]
        self._looked[side] = now
        if self._since is None and now - self._noted >= A_WHILE / 2:
            self._note_time(now)
        return passed

    def _note_time(self, now: float) -> None:
        self._since = self._noted = now
        self._in_next_turn(self._forget_time)

    def _forget_time(self) -> None:
        """The loop turns."""
        self._since = None


def _fitting(passed: float, events: int) -> int:
    """How many events fit into a while, if so many took this long."""
    return max(1, int(events * A_WHILE / passed)) if passed > 0 else DELIVERIES_A_TURN
