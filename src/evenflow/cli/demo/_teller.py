"""How the demo says what happens: in words for a person, or with ``--json`` as one object a line for a machine."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from time import monotonic
from typing import TYPE_CHECKING, Any

from ._report import intro, paragraph, print_ledger, print_next, remembered, verdict
from ._screen import screen_for

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from ._events import Reading
    from ._ledger import Ledger, Row
    from ._output import Output
    from ._publishers import Books
    from ._screen import Scene, Screen


class Teller(ABC):
    """Says what happens, from the beginning to the end."""

    def __init__(self, console: Output) -> None:
        self._console = console

    @abstractmethod
    def inspected(self, address: str) -> None:
        """The inspector is served there."""

    @abstractmethod
    def begins(self, rate: float, before: Sequence[str]) -> None:
        """It begins; ``before`` is what is known of earlier runs."""

    @abstractmethod
    def screen(self, scene: Scene) -> Screen:
        """What shows the readings while it runs."""

    @abstractmethod
    def ends(self, ledger: Ledger, pace: float, wrong: Sequence[str]) -> None:
        """It has ended: where every event went, and what was wrong; ``pace`` is the analyst's, in seconds."""


class InWords(Teller):
    """For a person: lines, or a picture on a terminal."""

    def inspected(self, address: str) -> None:
        self._console.lines("", f"Look at it in the browser: {address}")

    def begins(self, rate: float, before: Sequence[str]) -> None:
        self._console.lines("", *intro(rate), *remembered(before))

    def screen(self, scene: Scene) -> Screen:
        return screen_for(self._console, scene)

    def ends(self, ledger: Ledger, pace: float, wrong: Sequence[str]) -> None:
        print_ledger(self._console, ledger, pace)
        for sentence in wrong:
            self._console.say(sentence, "bold red")
        if not wrong:
            for line in paragraph(verdict(ledger)):
                self._console.say(line.strip(), "bold green")
            print_next(self._console)


class AsJSON(Teller):
    """For a machine: ``state`` says which object it is."""

    def inspected(self, address: str) -> None:
        self._tell("inspected", address=address)

    def begins(self, rate: float, before: Sequence[str]) -> None:
        self._tell("running", rate=rate, before=list(before))

    def screen(self, scene: Scene) -> Screen:
        return JSONScreen(self, scene)

    def shows(self, seconds: float, latest: Mapping[str, Reading], scene: Scene) -> None:
        """The latest readings, and the numbers of each reader and publisher so far."""
        readings = {source: reading.model_dump(mode="json") for source, reading in latest.items()}
        self._tell("at", seconds=round(seconds, 3), readings=readings, **_numbers(scene.rows(), scene.publishers))

    def ends(self, ledger: Ledger, pace: float, wrong: Sequence[str]) -> None:
        self._tell(
            "ended",
            wrong=list(wrong),
            **_numbers(ledger.rows, ledger.publishers),
            archive={"given": ledger.taken, "kept": ledger.lines},
            analyst={"dropped": ledger.dropped, "told_of": ledger.missed, "seconds_an_event": round(pace, 6)},
        )

    def _tell(self, state: str, **said: Any) -> None:
        self._console.out(json.dumps({"state": state, **said}), highlight=False)


class JSONScreen:
    """One object a second."""

    pause = 1.0

    def __init__(self, teller: AsJSON, scene: Scene) -> None:
        self._teller = teller
        self._scene = scene
        self._started = monotonic()

    def entered(self) -> AbstractContextManager[object]:
        """It needs nothing from the terminal."""
        return nullcontext()

    def show(self, latest: Mapping[str, Reading]) -> None:
        """Print the object."""
        self._teller.shows(monotonic() - self._started, latest, self._scene)


def _numbers(rows: Sequence[Row], publishers: Sequence[Books]) -> dict[str, Any]:
    return {
        "readers": {row.name: {**asdict(row.of), "name": row.name, "when_full": row.rule} for row in rows},
        "publishers": {books.name: asdict(books) for books in publishers},
    }
