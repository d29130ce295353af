"""What the demo says: who reads and why it is slow, what a full buffer leads to, and where every event went."""

from __future__ import annotations

import textwrap
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from ._ledger import Ledger, Row
    from ._output import Output
    from ._publishers import Books

WIDTH = 80
"""Characters on a line; a terminal may have fewer."""
NAME = 9
"""Characters for the name of a reader."""

ABOUT: Final = {
    "screen": "shows the latest values, and nobody can look that often: a newer value replaces an older one that was"
    " not shown yet.",
    "archive": "must have every event safely on the disk: while its buffer is full, the publishers wait.",
    "analyst": "thinks for milliseconds about each event: while its buffer is full, the oldest event is dropped, and it"
    " is told how many it missed.",
    "alarm": "is called only for cores and memory above 90 %.",
    "census": "is called only for processes that start or end.",
}
"""What each reader is, why it is slow, and what happens then."""

MADE = (
    ("machine.subscribe(Reading, conflate=Noticed.source)", "screen"),
    ("machine.subscribe(Noticed)", "archive"),
    ('machine.subscribe(Noticed, overflow="drop_oldest", gaps=True)', "analyst"),
    ("machine.observe(ring, where=(CoreLoad.percent >= 90) | ...)", "alarm"),
    ("machine.observe(count)", "census"),
)
"""The line of Python that makes each reader."""

NEXT = (
    ("evenflow demo --help", "run it for longer, or keep the archive"),
    ("evenflow demo --log demo.db", "kill it, start it again, and it goes on"),
    ("python -m pydoc evenflow.Subject", "everything that a subject can do"),
    ("docs/tutorial/1-first-event.md", "in the source: your own first program"),
)


def intro(rate: float) -> Iterator[str]:
    """What happens here, for somebody who has never heard of it."""
    yield from paragraph(
        "evenflow hands the events of a program to any number of readers, each at its own pace. This demo publishes"
        f" what this machine is doing, up to {rate:g} times a second, to five readers:"
    )
    yield ""
    for name, about in ABOUT.items():
        yield from entry(name, about)
    yield ""


def remembered(sentences: Sequence[str]) -> Iterator[str]:
    """What is known of earlier runs."""
    if sentences:
        yield from paragraph(" ".join(sentences))
        yield ""


def paragraph(text: str) -> list[str]:
    """A text in lines, indented by two."""
    return textwrap.wrap(text, WIDTH, initial_indent="  ", subsequent_indent="  ")


def entry(name: str, text: str) -> list[str]:
    """A name, and a text in lines beside it."""
    return textwrap.wrap(f"{name:{NAME}}{text}", WIDTH, initial_indent="  ", subsequent_indent=" " * (NAME + 2))


def so_far(row: Row, publishers: Sequence[Books], last: Mapping[str, str]) -> str:
    """What the speed of one reader has led to so far, in a few words."""
    match row.name:
        case "screen":
            return f"shows only the newest: {row.of.replaced:,} older values were replaced unseen"
        case "archive":
            return f"waits for the disk: publishers {waited(publishers)} for it"
        case "analyst":
            return f"thinks for long: {row.of.dropped:,} old events were dropped, and it was told"
        case "alarm":
            return f"called only above 90 %: {last.get('alarm', 'nothing yet')}"
        case _:
            return f"called only for processes: {last.get(row.name, 'nothing yet')}"


def waited(publishers: Sequence[Books]) -> str:
    """How often and how long the publishers had to wait."""
    waits = sum(books.waits for books in publishers)
    seconds = sum(books.waited for books in publishers)
    return f"waited {times(waits)} ({seconds:.1f} s)" if waits else "never had to wait"


def times(number: int) -> str:
    """How often, in words."""
    return "once" if number == 1 else "twice" if number == 2 else f"{number:,} times"  # noqa: PLR2004 -- a word


def now_head() -> str:
    """The names of the columns while the demo runs."""
    return f"  {'reader':{NAME}}{'buffer':13}{'wanted':>9}{'delivered':>11}{'replaced':>10}{'dropped':>9}"


def now_line(row: Row, fill: Callable[[float, int], str]) -> str:
    """The numbers of one reader while the demo runs, and how full its buffer is."""
    of = row.of
    buffer = f"{fill(min(of.waiting / of.capacity, 1), 6)} {of.waiting}/{of.capacity}"
    numbers = f"{of.wanted:>9,}{of.delivered:>11,}{of.replaced:>10,}{of.dropped:>9,}"
    return f"  {row.name[: NAME - 1]:{NAME}}{buffer:13}{numbers}"


def ledger_lines(rows: Sequence[Row]) -> Iterator[str]:
    """Where the events of each reader went, as a sum; what was not read is shown only if there is any."""
    unread = any(row.of.discarded or row.of.waiting for row in rows)
    yield (
        f"  {'reader':{NAME}}{'when full':16}{'wanted':>8} = {'delivered':>9} + {'replaced':>8} + {'dropped':>7}"
        f"{' + unread' if unread else ''}"
    )
    for row in rows:
        of = row.of
        rest = f" + {of.discarded + of.waiting:>6,}" if unread else ""
        yield (
            f"  {row.name[: NAME - 1]:{NAME}}{row.rule:16}{of.wanted:>8,} = {of.delivered:>9,} + {of.replaced:>8,}"
            f" + {of.dropped:>7,}{rest}"
        )


def conclusion(ledger: Ledger, pace: float) -> Iterator[str]:
    """What the ledger means, one reader after the other; ``pace`` is how many seconds the analyst took for an event."""
    of = {row.name: row.of for row in ledger.rows}
    yield from paragraph(
        "Each line adds up: whatever a reader wanted was delivered to it, was replaced by something newer, or was"
        " dropped and counted. Nothing disappears in silence."
    )
    yield ""
    yield from entry("screen", f"showed the newest values; {of['screen'].replaced:,} older ones were replaced unseen.")
    yield from entry(
        "archive",
        f"was given {ledger.taken:,} events, and {ledger.holds.format(ledger.lines)}. The"
        f" publishers {waited(ledger.publishers)}.",
    )
    yield from entry(
        "analyst",
        f"took {1_000 * pace:.1f} ms for an event, too long for all of them: {ledger.dropped:,} of the oldest were"
        f" dropped, and the gaps that it was told of add up to {ledger.missed:,}.",
    )
    if ledger.historian:
        yield from entry("historian", f" {ledger.historian}")
    yield ""


def verdict(ledger: Ledger) -> str:
    """That both ends agree."""
    return (
        "Every event is accounted for:"
        f" the publishers counted {ledger.returned:,} for their readers, and the readers {ledger.wanted:,}."
    )


def print_ledger(console: Output, ledger: Ledger, pace: float) -> None:
    """Print where every event went, and what that means."""
    console.lines("", *ledger_lines(ledger.rows), "", *conclusion(ledger, pace))


def print_next(console: Output) -> None:
    """Print how each reader is made, and where to go next."""
    made = (f"    {code:63}{name}" for code, name in MADE)
    after = (f"    {what:35}{why}" for what, why in NEXT)
    console.lines("", "  How each reader is made:", *made, "", "  Next:", *after)
