"""A clock for trio that jumps to what is due next, and keeps the order of what is due at one moment.

trio asks the clock for the time in two roles: its tasks want to know how late it is, and its loop which deadlines have
passed. While sources have their turns (see `streams._moments`), the tasks are told the new time already, and the
loop still the old one, so that no deadline passes before the last of these sources.
"""

from __future__ import annotations

from math import inf

import trio

from evenflow.streams._moments import TIMETABLE, Timetable, moment_of


class JumpingClock(trio.abc.Clock, trio.abc.Instrument):
    """The clock, and the instrument that tells it when trio has nothing to do. Pass it to ``trio.run`` as both."""

    def __init__(self) -> None:
        self.timetable = Timetable()
        self.now = 0.0
        """The time for tasks."""
        self.passed = 0.0
        """The time for the loop: the deadlines up to here have passed."""
        self.next_deadline = inf
        self.token: trio.lowlevel.TrioToken | None = None

    # as a clock

    def start_clock(self) -> None:
        """Do nothing: time begins at 0."""

    def current_time(self) -> float:
        """Return the time for whoever asks. Only the loop asks while no task runs."""
        try:
            trio.lowlevel.current_task()
        except RuntimeError:
            return self.passed
        return self.now

    def deadline_to_sleep_time(self, deadline: float) -> float:
        """Return how long the loop may sleep: not at all, or until it is woken."""
        self.next_deadline = deadline
        return 0 if deadline <= self.passed else inf

    # as an instrument

    def task_spawned(self, task: trio.lowlevel.Task) -> None:
        """Give the loop its timetable, with the first task."""
        del task
        if self.token is None:
            self.token = trio.lowlevel.current_trio_token()
            TIMETABLE.set(self.timetable)

    def before_io_wait(self, timeout: float) -> None:
        """Go on in virtual time if nothing is ready at all."""
        if not timeout or self.token is None:
            return
        source = self.timetable.first()
        if source is not None and source[0] < inf and source[0] <= moment_of(self.next_deadline):
            self.now = max(self.now, source[1])
            self.timetable.let_one_go_on()
        elif self.next_deadline < inf:
            self.now = self.passed = max(self.now, self.next_deadline)
        else:
            return
        # The loop is about to sleep, and must not.
        self.token.run_sync_soon(lambda: None)
