"""Where our operators differ from ReactiveX or from reactivex (RxPY 6.1), on purpose, with the reason.

``python -m tests.streams.oracle.differences`` writes DIFFERENCES.md beside this file;
``docs/reference/streams.md`` has the same lines without the last column, and a test sees to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Difference:
    """What differs, and why; ``compared``: what the differential suite sets against it."""

    names: tuple[str, ...]
    rx: str
    ours: str
    reason: str
    compared: str


PULLED = "a stream is pulled: what is not asked for waits where it is, and holds up whoever gives it"
BUG = "ReactiveX, and every other implementation, means it as ours does"

DIFFERENCES: tuple[Difference, ...] = (
    # -- a pulled source waits
    Difference(
        ("zip",),
        "queues, without a bound, what a faster source is ahead; an error of that source comes at once",
        "the faster source waits; its error comes after what it gave before",
        PULLED,
        "`zip`, with faster sources that do not fail and whose own times do not matter",
    ),
    Difference(
        ("concat_map",),
        "reads the source ahead, without a bound; its error comes at once",
        "asks for the next event when the stream before has ended; the source's error comes then",
        PULLED,
        "`concat_map`, with sources that do not fail and whose own times do not matter",
    ),
    Difference(
        ("flat_map",),
        "runs as many streams at once as there are events; with `merge(max_concurrent=...)`, reads the source ahead",
        "at most `concurrency`, then the source waits; without a limit more than 10,000 are an error",
        PULLED,
        "`flat_map` below the bound; `map` and `merge(max_concurrent=...)` at it",
    ),
    Difference(
        ("delay",),
        "holds any number of events",
        "holds 1,024; then the source waits",
        PULLED,
        "`delay`, below the bound",
    ),
    Difference(
        ("throttle", "timeout", "batches"),
        "takes the time when the source gives an event",
        "takes the time when an event is read, which is later where the reader is slow",
        PULLED,
        "`throttle_first`, `timeout`, with a reader that always reads",
    ),
    # -- another meaning
    Difference(
        ("batches",),
        "`buffer_with_time` cuts time into windows from the start on, empty ones too; "
        "an error lets go of what was collected",
        "a batch's time runs from its first event, or with `aligned` ends on the clock's multiples; "
        "none is empty; an error comes after what was collected",
        "nobody waits for longer than `within`, and nothing that came is lost",
        "`buffer_with_count`, `group_by_until` with a timer, and `buffer` with a periodic timer, with the error put off",
    ),
    Difference(
        ("scan", "reduce"),
        "without a seed the first event is the seed",
        "`initial` is always given",
        "the type of the result is said, and an empty source is no error",
        "`scan` and `reduce` with a seed",
    ),
    Difference(
        ("map",),
        "no operator runs several functions at once and keeps their order",
        "with `concurrency`, the results come in the order of the events",
        "requests take their time side by side, and nothing has to be sorted afterwards",
        "`map` and `merge(max_concurrent=...)`, with functions that all take the same time",
    ),
    Difference(
        ("throttle",),
        "RxPY has `throttle_first` only",
        "with `trailing`, as `throttleTime` in RxJS with `leading` and `trailing`",
        "the newest value is never left out",
        "`throttle_first`; with `trailing`, a timer for each pause",
    ),
    Difference(
        ("sample",),
        "ReactiveX leaves open when the end comes; RxJS ends at once, RxPY at the next sample, after what is left",
        "as RxPY",
        "what came last is given",
        "`sample`",
    ),
    Difference(
        ("timer", "delay", "debounce", "timeout", "sample", "throttle", "interval"),
        "a negative time is now; `sample`, `throttle` and `interval` of 0 seconds run without a pause",
        "a `ValueError` where it is written; `timer(0)` and `delay(0)` are at once",
        "mostly a mistake in a calculation, which would keep the loop busy or hide",
        "nothing: covered by its own tests",
    ),
    Difference(
        ("exhaust_map",),
        "RxPY has `exclusive`, for which the function has made a stream of every event",
        "the function is asked only for an event that is looked at",
        "as `exhaustMap` in RxJS",
        "`map` with `defer`, and `exclusive`",
    ),
    Difference(
        ("group_by",),
        "a group that nobody reads is a subject whose events go nowhere; any number of groups",
        "a group that is kept and not read holds up the others; at most `max_groups` open at once",
        PULLED,
        "`group_by`, with all groups read by `flat_map`",
    ),
    Difference(
        ("retry",),
        "RxPY does not wait before another attempt, and retries every error",
        "waits for `wait` seconds, and retries errors of `on`",
        "a service that has failed is not asked again at once; `retry({delay})` in RxJS",
        "`retry`; with a wait, `catch_with_iterable` and `timer`",
    ),
    Difference(
        ("timeout",),
        "an `Exception('Timeout')`",
        "a `TimeoutError`",
        "it can be caught by its name",
        "`timeout`; both count as the same kind of end",
    ),
    Difference(
        ("first", "last"),
        "a `SequenceContainsNoElementsError` where there is no event",
        "`anyio.EndOfStream`",
        "the name that a reader knows already",
        "`first`, `last`; both count as the same kind of end",
    ),
    Difference(
        ("to_list", "reduce", "count", "any", "all", "first", "last"),
        "an observable of one event",
        "a coroutine that returns it",
        "`await` is how one event is read",
        "the event, and its time",
    ),
    # -- only ours
    Difference(
        ("for_each", "publish_to"),
        "`subscribe`",
        "coroutines, which wait for the handler or for the subject",
        "backpressure",
        "nothing: covered by its own tests",
    ),
    # -- at one moment
    Difference(
        ("timeout", "exhaust_map", "concat", "retry", "repeat"),
        "what was scheduled first is first: a source's event before the end of a wait or of an inner stream",
        "the same in virtual time; in real time either may be first, where both fall in one moment",
        "who reads cannot know what is about to come; `debounce`, `sample`, `batches` and `switch_map` do wait for it",
        "drawings on common ticks; sources that do not keep time on ticks of their own",
    ),
    Difference(
        ("merge", "flat_map", "zip_latest", "combine_latest"),
        "at one moment, all events of the first source, then all of the second",
        "the same for sources that keep time, in virtual time; otherwise in turns, an event of each, and then an error",
        "backpressure: a source goes on when its event was taken",
        "drawings on common ticks; sources that do not keep time with one event of each at one moment, "
        "and `flat_map` of streams that give one thing in a turn",
    ),
    Difference(
        ("with_latest_from", "skip_until"),
        "a cold source is heard in the order of subscribing, which is the others first in some implementations",
        "the source first, as it was given first",
        "one rule for all operators",
        "hot sources, which reactivex hears in the order in which they were made",
    ),
    # -- RxPY differs from ReactiveX
    Difference(
        ("skip_until",),
        "RxPY never ends where the other source has given nothing",
        "the end of the source is the end",
        BUG,
        "`with_latest_from` of the materialized source",
    ),
    Difference(
        ("race",),
        "`amb` of RxPY prefers the last of those that give something at once",
        "the first",
        BUG,
        "`amb` of two, and of that and the next",
    ),
    Difference(
        ("enumerate",),
        "`map_indexed` of RxPY goes on counting when it is subscribed to again",
        "counts from 0 at each start",
        BUG,
        "`map_indexed` in `defer`",
    ),
    Difference(
        ("take", "repeat"),
        "`take(0)` and `repeat(0)` do not subscribe to the source",
        "`take(0)` starts the source and closes it with the chain",
        "nothing is asked of it in either case",
        "`take`, `repeat`; which sources start is not compared there",
    ),
)


def reference() -> tuple[str, ...]:
    """The lines of the table in ``docs/reference/streams.md``."""
    return tuple(
        f"| {', '.join(f'`{name}`' for name in one.names)} | {one.rx} | {one.ours} | {one.reason} |"
        for one in DIFFERENCES
    )


def document() -> tuple[Path, str]:
    """The page, and what is to be in it."""
    head = "| operator | Rx | ours | reason | compared with |\n|---|---|---|---|---|\n"
    rows = "".join(
        f"| {', '.join(f'`{name}`' for name in one.names)} | {one.rx} | {one.ours} | {one.reason} | {one.compared} |\n"
        for one in DIFFERENCES
    )
    return Path(__file__).with_name("DIFFERENCES.md"), head + rows


if __name__ == "__main__":
    place, text = document()
    place.write_text(text)
