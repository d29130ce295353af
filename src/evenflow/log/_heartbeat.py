"""Heartbeat: says that this process lives, and knows which pages its readers have in hand.

A thread of its own beats as long as the process runs and lets go of the GIL, whatever the event loop does: a handler
that blocks the loop keeps its events. In virtual time a task beats.
A process that was stopped notices that it was silent, and must look whether its pages are still its own.
"""

from __future__ import annotations

import logging
import threading
from contextvars import Context
from math import inf
from typing import TYPE_CHECKING, Final

from anyio import sleep, sleep_forever

if TYPE_CHECKING:
    from evenflow._crew import Crew

    from ._engine import Engine

_log = logging.getLogger("evenflow.groups")

LONGEST: Final = 1.0
"""Seconds between two beats, at most."""

_IN_ONE_WAIT: Final = 4
"""How many beats a process has before its shortest ``ack_wait`` is over."""


class Heartbeat:
    """The heartbeat of one opened engine; it begins with the first reader of a group.

    Attributes:
        pages: the ids of the pages that readers of this process have in hand.
    """

    def __init__(self, engine: Engine, crew: Crew, *, in_thread: bool = True) -> None:
        self._engine = engine
        self._crew = crew
        self._in_thread = in_thread
        self._interval = LONGEST
        self._shortest = inf
        self._heard = 0.0
        self._silences = 0
        self._begun = False
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None
        self._pages_made = 0
        self.pages: set[str] = set()

    def new_page(self) -> str:
        """An id for a page, unlike that of any other, which this process has in hand from now on."""
        self._pages_made += 1
        page = f"{self._engine.member}.{self._pages_made}"
        self.pages.add(page)
        return page

    def keep(self, ack_wait: float) -> None:
        """Beat often enough for a reader that has this ``ack_wait``."""
        self._interval = min(self._interval, ack_wait / _IN_ONE_WAIT)
        self._shortest = min(self._shortest, ack_wait)
        if self._begun:
            return
        self._begun = True
        self._heard = self._engine.clock()
        self._engine.beat()
        if self._in_thread:
            self._thread = threading.Thread(target=self._beat_in_thread, name="evenflow heartbeat", daemon=True)
            self._thread.start()
        self._crew.start(self._run, name="heartbeat", context=Context())

    def silences(self) -> int:
        """How often this process was silent for longer than its shortest ``ack_wait``."""
        self._notice()
        return self._silences

    def _notice(self) -> None:
        before, self._heard = self._heard, self._engine.clock()
        if self._begun and self._heard - before > self._shortest:
            self._silences += 1

    def _beat(self) -> None:
        self._notice()
        self._engine.beat()

    async def _run(self) -> None:
        try:
            while not self._in_thread:
                await sleep(self._interval)
                self._beat()
            await sleep_forever()
        finally:
            self.stop()

    def _beat_in_thread(self) -> None:
        while not self._stop.wait(self._interval):
            try:
                self._beat()
            except Exception:  # noqa: BLE001 -- a beat that fails must not be the last one
                _log.exception("the log could not be told that this process lives")

    def stop(self) -> None:
        """Beat no more. It ends with the crew by itself."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None
