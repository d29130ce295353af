"""Assertions on drawings; where two differ, the error shows one above the other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from evenflow.testing._diagram import Diagram, Names, check_name, draw, parse
from evenflow.testing._marbles import Drawing, check_tick, drawing_of
from evenflow.testing._record import record

if TYPE_CHECKING:
    from evenflow.streams import Stream

LONGER = 20
"""How many ticks longer a stream is watched, in case it goes on after its expected end."""


async def assert_drawn(stream: Stream[Any], expected: str, /, *, tick: float = 1.0, **values: Any) -> None:
    """Run a stream, and fail if it does anything else than what is drawn.

    ::

        await assert_drawn(left.zip(right), "--x--|", x=("a", "b"))

    A drawing without an end is compared as far as it goes. Spaces in it mean nothing.
    If the two differ, the error shows them one above the other, marks the first difference,
    and says what each letter and ``#`` stand for. Closes the stream.

    Raises:
        AssertionError: the stream did something else.
        ValueError: ``expected`` is not a drawing, or something happened between two ticks.
    """
    check_tick(tick)
    for name in values:
        check_name(name)
    diagram = parse(expected)
    ticks = diagram.ticks + (LONGER if diagram.end is not None else 0)
    recording = await record(stream, until=ticks * tick)
    names = Names(values, taken={name for _, name in diagram.events})
    actual = drawing_of(recording, names, tick, ticks)
    if actual != draw(diagram):
        raise AssertionError("\n".join(["the stream is not as drawn", *difference(actual, draw(diagram), names.given)]))


def difference(actual: str, expected: str, given: list[tuple[str, Any]] | None = None) -> list[str]:
    """Two drawings one above the other, in the same columns, and what their letters stand for."""
    above, below = _aligned(_normal(expected), _normal(actual))
    first = next((i for i, (a, b) in enumerate(zip(above, below, strict=True)) if a != b), len(above))
    lines = [f"  expected  {above}".rstrip(), f"  drawn     {below}".rstrip(), f"            {' ' * first}^"]
    lines += [f"  {name} = {value!r}" for name, value in given or []]
    if isinstance(actual, Drawing):
        lines += [f"  {name} = {value!r}" for name, value in actual.legend]
        if actual.error is not None:
            lines.append(f"  # = {actual.error!r}")
    return lines


def _normal(text: str) -> Diagram:
    try:
        return parse(text)
    except ValueError:
        return Diagram(())


def _aligned(first: Diagram, second: Diagram) -> tuple[str, str]:
    """Both diagrams, drawn with the same width for each tick, so that one column is one time."""
    pairs = [_columns(first), _columns(second)]
    length = max(len(columns) for columns in pairs)
    padded = [columns + [""] * (length - len(columns)) for columns in pairs]
    widths = [max(len(a), len(b)) for a, b in zip(*padded, strict=True)]
    above, below = ("".join(mark.ljust(width) for mark, width in zip(c, widths, strict=True)) for c in padded)
    return above, below


def _columns(diagram: Diagram) -> list[str]:
    columns: list[str] = []
    for tick in range(diagram.ticks):
        at_tick = tuple((0, name) for when, name in diagram.events if when == tick)
        columns.append(draw(Diagram(at_tick, 0 if diagram.end == tick else None, diagram.failed, 1)))
    return columns
