"""Marble diagrams: what happens when, one character for each tick. They are read and drawn here, nothing else.

-      a tick in which nothing happens
a      an event
(ab)   several events in one tick
|      the end; (a|) is an event and the end in one tick
#      an error, which ends the stream too
space  nothing, not even a tick; it lines diagrams up
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

MARKS = "-|#() "
"""The characters that are not events."""


@dataclass(frozen=True)
class Diagram:
    """What happens in each tick: events, as characters or as values, and the end."""

    events: tuple[tuple[int, Any], ...]
    """Pairs of tick and event, in order."""
    end: int | None = None
    """The tick of the end; None if it goes on."""
    failed: bool = False
    """Whether the end is an error."""
    ticks: int = 0
    """How many ticks are shown, the last one included."""

    def valued(self, values: Mapping[str, Any]) -> Diagram:
        """The diagram with values instead of characters; without values, a character stands for itself.

        Raises:
            ValueError: there are values, but not for every character; or a name is not one character.
        """
        for name in values:
            check_name(name)
        if not values:
            return self
        if unnamed := sorted({name for _, name in self.events} - values.keys()):
            raise ValueError(
                f"there is no value for {', '.join(unnamed)}: give all of them, as in {unnamed[0]}=1, or none"
            )
        return Diagram(tuple((tick, values[name]) for tick, name in self.events), self.end, self.failed, self.ticks)


def check_name(name: str) -> None:
    """Refuse a name that a diagram cannot show."""
    if len(name) != 1 or name in MARKS:
        raise ValueError(f"a value is named by the one character that stands for it, not {name!r}")


TICK = re.compile(r"\((?P<bracket>[^()]*)\)|(?P<one>[^() ])|(?P<half>[()])")


def parse(text: str) -> Diagram:
    """Read a diagram.

    Raises:
        ValueError: it is not a diagram; the message points at the character.
    """
    events: list[tuple[int, str]] = []
    end: int | None = None
    failed = False
    ticks = 0
    for part in TICK.finditer(text):
        if part["half"]:
            raise _mistake(text, part.start(), "this bracket has no other half, or holds another")
        for place, mark in _marks(part):
            if end is not None:
                raise _mistake(text, place, "nothing happens after the end")
            if mark in "|#":
                end, failed = ticks, mark == "#"
            elif mark != "-":
                events.append((ticks, mark))
            elif part["bracket"]:
                raise _mistake(text, place, "a bracket is one tick: no time passes in it")
        ticks += 1
    return Diagram(tuple(events), end, failed, ticks)


def _marks(part: re.Match[str]) -> Iterator[tuple[int, str]]:
    """The characters of one tick, with their positions."""
    inside = part["bracket"]
    start, marks = (part.start(), part["one"]) if inside is None else (part.start("bracket"), inside)
    return ((start + n, mark) for n, mark in enumerate(marks) if mark != " ")


def _mistake(text: str, place: int, what: str) -> ValueError:
    return ValueError(f"not a marble diagram, {what}:\n  {text}\n  {' ' * place}^")


def draw(diagram: Diagram) -> str:
    """Draw a diagram whose events are characters; ``parse`` reads it back."""
    marks: dict[int, str] = {}
    for tick, name in diagram.events:
        marks[tick] = marks.get(tick, "") + name
    if diagram.end is not None:
        marks[diagram.end] = marks.get(diagram.end, "") + ("#" if diagram.failed else "|")
    return "".join(
        _one_tick(marks.get(tick, "-")) for tick in range(max([diagram.ticks, *(tick + 1 for tick in marks)]))
    )


def _one_tick(marks: str) -> str:
    return marks if len(marks) == 1 else f"({marks})"


def _are_equal(one: Any, other: Any) -> bool:
    """Whether two values are equal. Those that cannot be compared, such as arrays, are not."""
    try:
        return bool(one == other)
    except Exception:  # noqa: BLE001 -- an event may have any `__eq__`
        return False


class Names:
    """Which character stands for which value.

    A value that was given a name is drawn as its name. Another value is drawn as it prints, if that is one character
    which is not a name. Any other value gets the next free letter, capitals first.
    """

    def __init__(self, given: Mapping[str, Any], taken: Iterable[str] = ()) -> None:
        for name in given:
            check_name(name)
        self.given = list(given.items())
        self._named = given.keys()
        self.lent: list[tuple[str, Any]] = []
        """The letters that values without a name got, with those values."""
        self._free = self._letters({*given, *taken})

    def __call__(self, value: Any) -> str:
        """Return the character for a value."""
        for name, named in [*self.given, *self.lent]:
            if named is value or (type(named) is type(value) and _are_equal(named, value)):
                return name
        text = str(value)
        if len(text) == 1 and text not in MARKS and text not in self._named:
            return text
        self.lent.append((next(self._free), value))
        return self.lent[-1][0]

    @staticmethod
    def _letters(taken: set[str]) -> Iterator[str]:
        for code in [*range(ord("A"), ord("Z") + 1), *range(0x391, 0x3AA), *range(0x4E00, 0x9FFF)]:
            if (letter := chr(code)) not in taken and letter.isalpha():
                yield letter
