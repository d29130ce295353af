"""Each operator that both have: ours, theirs, and its arguments.

If reactivex has no such operator, or ours differs on purpose, theirs is put together from parts of reactivex;
``differences`` lists what differs.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import anyio
import reactivex as rx
from hypothesis import strategies as st
from reactivex import Observable, abc, operators as ops
from reactivex.disposable import CompositeDisposable, SerialDisposable
from reactivex.scheduler import ImmediateScheduler

from tests.streams.oracle.functions import functions
from tests.streams.oracle.timelines import TICK, Boom, Clock, kind_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from reactivex.notification import Notification

    from evenflow.streams import Stream


@dataclass
class Call:
    """A call of an operator: its arguments, its other sources, and the streams that it makes."""

    args: tuple[Any, ...]
    others: list[Any]
    inner: Callable[[object], Any]
    """Makes the stream for a value."""
    clock: Clock
    """For theirs only."""
    finished: Callable[[], None]
    """Notes the time of its call."""


Arguments = st.SearchStrategy[tuple[Any, ...]]


@dataclass(frozen=True)
class Operator:
    """How an operator is called on both sides, and what can stand before and behind it.

    ``patient``: what it yields does not depend on when it is asked.
    ``waits``: it does not always ask its source for the next event. So what stands before it must be patient and must
    not fail; otherwise ours, which pulls, is rightly later than reactivex, which pushes.
    ``instant``: it may yield something at its start.
    ``sink``: ours is a coroutine, theirs yields one event.
    """

    name: str
    ours: Callable[[Stream[Any], Call], Any]
    theirs: Callable[[Observable[Any], Call], Observable[Any]]
    arguments: Callable[[bool], Arguments] = field(default=lambda calm: st.just(()))
    others: tuple[int, int] = (0, 0)
    inners: int = 0
    patient: bool = False
    waits: bool = False
    instant: bool = False
    sink: bool = False
    clocked: bool = False
    """Its result depends on when it is read, so cancelled reads change it."""


def of(*kinds: str) -> Callable[[bool], Arguments]:
    """Draw one function of these kinds."""
    return lambda calm: st.tuples(functions(*kinds, calm=calm))


def perhaps(*kinds: str) -> Callable[[bool], Arguments]:
    """Draw one function of these kinds, or None."""
    return lambda calm: st.tuples(st.none() | functions(*kinds, calm=calm))


def number(least: int, most: int) -> Callable[[bool], Arguments]:
    """Draw a number."""
    return lambda calm: st.tuples(st.integers(least, most))


def seconds(calm: bool = False) -> Arguments:
    """Draw a duration that is no whole number of ticks; see ``on_the_tick``."""
    del calm
    return st.tuples(durations())


def durations() -> st.SearchStrategy[int]:
    """Draw durations of some ticks and some seconds."""
    return st.builds(lambda ticks, beside: ticks * TICK + beside, st.integers(0, 4), st.integers(401, 600))


def call(function: Any) -> Any:
    """Return a function that may be missing as our operators get it."""
    return None if function is None else function.ours


def slowly(wait: int) -> Callable[[object], Any]:
    """Return an async function that waits first."""

    async def function(value: object) -> object:
        await anyio.sleep(wait)
        return value

    return function


@dataclass(frozen=True)
class Failed:
    """An error that is passed on as an event."""

    error: Exception


def unpack(batch: list[Any]) -> Observable[Any]:
    """Yield a batch as a tuple; an error that was passed on as its last event comes after it."""
    if not batch or not isinstance(batch[-1], Failed):
        return rx.of(tuple(batch))
    error = rx.throw(batch.pop().error)
    return rx.concat(rx.of(tuple(batch)), error) if batch else error


def batches(size: int, within: int | None) -> Callable[[Observable[Any], Clock], Observable[Any]]:
    """Make batches of parts of reactivex. An error comes after what was collected, as the end does."""

    def build(source: Observable[Any], clock: Clock) -> Observable[Any]:
        marked = source.pipe(ops.catch(lambda error, _: rx.of(Failed(error))))
        if within is None:
            return marked.pipe(ops.buffer_with_count(size), ops.flat_map(unpack))

        def closing(group: Observable[Any]) -> Observable[Any]:
            return rx.timer(within, scheduler=clock).pipe(ops.take_until(group.pipe(ops.skip(size - 1))))

        return marked.pipe(
            ops.group_by_until(lambda _: 0, None, closing),
            ops.flat_map(lambda group: group.pipe(ops.to_list())),
            ops.flat_map(unpack),
        )

    return build


def windows(source: Observable[Any], within: int, clock: Clock) -> Observable[Any]:
    """Make windows of parts of reactivex: a buffer that is cut when the clock shows a multiple, without the empty ones."""

    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        del scheduler
        ends = rx.timer(within - clock.clock % within, within, scheduler=clock)
        marked = source.pipe(ops.catch(lambda error, _: rx.of(Failed(error))))
        return marked.pipe(ops.buffer(ends), ops.filter(bool), ops.flat_map(unpack)).subscribe(observer)

    return Observable(subscribe)


def throttled(source: Observable[Any], seconds: int, clock: Clock) -> Observable[Any]:
    """Return what RxJS has as `throttleTime` with ``leading`` and ``trailing``, and RxPY has not, of a timer for each pause.

    After each event a pause begins. At its end the last event that came meanwhile is yielded; the end waits for that.
    """

    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        del scheduler
        pause = SerialDisposable()
        waiting: list[Any] = []
        in_pause = over = False

        def give(value: object) -> None:
            nonlocal in_pause
            in_pause = True
            observer.on_next(value)
            if not over:
                pause.disposable = rx.timer(seconds, scheduler=clock).subscribe(end_pause)

        def end_pause(_: object) -> None:
            nonlocal in_pause
            in_pause = False
            if waiting:
                give(waiting.pop())
            if over:
                observer.on_completed()

        def on_next(value: object) -> None:
            if in_pause:
                waiting[:] = [value]
            else:
                give(value)

        def on_completed() -> None:
            nonlocal over
            over = True
            if not waiting:
                observer.on_completed()

        return CompositeDisposable(source.subscribe(on_next, observer.on_error, on_completed), pause)

    return Observable(subscribe)


def retried(
    source: Observable[Any], attempts: int, wait: int, clock: Clock, *, longer: bool = False
) -> Observable[Any]:
    """Make a retry of parts of reactivex, with a wait before each further attempt, always the same or each longer."""
    if not wait:
        return source.pipe(ops.retry(attempts))
    waits = [wait * number if longer else wait for number in range(1, attempts)]
    later = [rx.timer(seconds, scheduler=clock).pipe(ops.flat_map(lambda _: source)) for seconds in waits]
    return rx.catch_with_iterable([source, *later])


def in_turns(source: Observable[Any], clock: Clock) -> Observable[Any]:
    """Return a stream as ``flat_map`` reads it: of several things at the same time it yields the next when one was taken.

    Meanwhile the other streams give theirs. What it gives at its start comes at once: no other is read before.
    """

    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        del scheduler
        waiting: deque[Notification[Any]] = deque()
        started = False
        last: float | None = None

        def give(thing: Notification[Any]) -> None:
            nonlocal last
            if waiting or last == clock.clock:
                waiting.append(thing)
                if len(waiting) == 1:
                    clock.schedule(go_on)
                return
            if started:
                last = clock.clock
            thing.accept(observer)

        def go_on(*_: Any) -> None:
            waiting[0].accept(observer)
            waiting.popleft()
            if waiting:
                clock.schedule(go_on)

        subscription = source.pipe(ops.materialize()).subscribe(give)
        started = True
        return subscription

    return Observable(subscribe)


def exhausting(source: Observable[Any], call: Call) -> Observable[Any]:
    """Return ``exclusive`` of reactivex, whose function is called only for events that are not skipped."""
    return source.pipe(ops.map(lambda value: rx.defer(lambda _: call.inner(value))), ops.exclusive())


def starting_with(source: Observable[Any], values: tuple[Any, ...]) -> Observable[Any]:
    """Return a ``start_with`` that starts at once. That of reactivex is scheduled, so the later of two sources may start first."""

    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        del scheduler
        for value in values:
            observer.on_next(value)
        return source.subscribe(observer)

    return Observable(subscribe)


def at_once(source: Observable[Any]) -> Observable[Any]:
    """Make a source start at once. ``merge`` and ``concat`` are scheduled, so the later of two sources may start first."""
    return Observable(lambda observer, scheduler=None: source.subscribe(observer, scheduler=ImmediateScheduler()))


def tie_at_start(source: Observable[Any], clock: Clock) -> Observable[Any]:
    """Note a tie if it yields something at its start."""

    def subscribe(observer: abc.ObserverBase[Any], scheduler: abc.SchedulerBase | None = None) -> abc.DisposableBase:
        start = clock.clock

        def note(_: Any) -> None:
            if clock.clock == start:
                clock.ties.add(start)

        return source.pipe(ops.do_action(note)).subscribe(observer, scheduler=scheduler)

    return Observable(subscribe)


def skipping_until(source: Observable[Any], other: Observable[Any], clock: Clock) -> Observable[Any]:
    """Return ``skip_until`` as ReactiveX defines it: the source's end is the end, whether ``other`` has yielded or not.

    Where ``other`` gives something as it starts it is a tie with what the source gives then: implementations differ.
    """
    opened = starting_with(tie_at_start(other, clock).pipe(ops.take(1), ops.map(lambda _: True)), (False,))
    return source.pipe(
        ops.materialize(),
        ops.with_latest_from(opened),
        ops.filter(lambda pair: pair[1] or pair[0].kind != "N"),
        ops.map(lambda pair: pair[0]),
        ops.dematerialize(),
    )


def grouped(stream: Stream[Any], call: Call) -> Any:
    """Return ours: all groups read side by side, each event with its key."""
    pairs = stream.group_by(call.args[0].ours)
    return pairs.flat_map(lambda pair: pair[1].map(lambda event: (pair[0], event)))


TABLE: tuple[Operator, ...] = (
    # -- one event at a time
    Operator(
        "map",
        lambda s, c: s.map(c.args[0].ours),
        lambda o, c: o.pipe(ops.map(c.args[0])),
        of("add", "wrap", "key"),
        patient=True,
    ),
    Operator(
        "map",
        lambda s, c: s.map(slowly(c.args[0])),
        lambda o, c: o.pipe(
            ops.concat_map(lambda value: rx.timer(c.args[0], scheduler=c.clock).pipe(ops.map(lambda _: value)))
        ),
        seconds,
        waits=True,
        clocked=True,
    ),
    Operator(
        "map",
        lambda s, c: s.map(slowly(c.args[1]), concurrency=c.args[0]),
        lambda o, c: o.pipe(
            ops.map(lambda value: rx.timer(c.args[1], scheduler=c.clock).pipe(ops.map(lambda _: value))),
            ops.merge(max_concurrent=c.args[0]),
        ),
        lambda calm: st.tuples(st.integers(2, 4), durations()),
        waits=True,
        clocked=True,
    ),
    Operator(
        "filter",
        lambda s, c: s.filter(c.args[0].ours),
        lambda o, c: o.pipe(ops.filter(c.args[0])),
        of("is", "over"),
        patient=True,
    ),
    Operator(
        "of_type",
        lambda s, c: s.of_type(c.args[0]),
        lambda o, c: o.pipe(ops.filter(lambda value: isinstance(value, c.args[0]))),
        lambda calm: st.tuples(st.sampled_from([int, tuple])),
        patient=True,
    ),
    Operator(
        "scan",
        lambda s, c: s.scan(c.args[0].ours, c.args[1]),
        lambda o, c: o.pipe(ops.scan(lambda so_far, value: c.args[0](so_far, value), c.args[1])),
        lambda calm: st.tuples(functions("add", "key", calm=calm), st.integers(0, 3)),
        patient=True,
    ),
    Operator(
        "enumerate",
        lambda s, c: s.enumerate(),
        lambda o, c: rx.defer(lambda _: o.pipe(ops.map_indexed(lambda value, index: (index, value)))),
        patient=True,
    ),
    Operator("pairwise", lambda s, c: s.pairwise(), lambda o, c: o.pipe(ops.pairwise()), patient=True),
    Operator(
        "tap",
        lambda s, c: s.tap(c.args[0].ours),
        lambda o, c: o.pipe(ops.do_action(c.args[0])),
        of("add"),
        patient=True,
    ),
    Operator(
        "start_with",
        lambda s, c: s.start_with(*c.args),
        lambda o, c: starting_with(o, c.args),
        lambda calm: st.lists(st.integers(0, 6), max_size=3).map(tuple),
        patient=True,
        instant=True,
    ),
    Operator(
        "distinct",
        lambda s, c: s.distinct(call(c.args[0])),
        lambda o, c: o.pipe(ops.distinct(c.args[0])),
        perhaps("key"),
        patient=True,
    ),
    Operator(
        "distinct_until_changed",
        lambda s, c: s.distinct_until_changed(call(c.args[0])),
        lambda o, c: o.pipe(ops.distinct_until_changed(c.args[0])),
        perhaps("key", "is"),
        patient=True,
    ),
    Operator(
        "default_if_empty",
        lambda s, c: s.default_if_empty(c.args[0]),
        lambda o, c: o.pipe(ops.default_if_empty(c.args[0])),
        number(0, 6),
        patient=True,
        instant=True,
    ),
    # -- how many
    Operator(
        "take", lambda s, c: s.take(c.args[0]), lambda o, c: o.pipe(ops.take(c.args[0])), number(0, 4), patient=True
    ),
    Operator(
        "take_last",
        lambda s, c: s.take_last(c.args[0]),
        lambda o, c: o.pipe(ops.take_last(c.args[0])),
        number(0, 4),
        patient=True,
    ),
    Operator(
        "take_while",
        lambda s, c: s.take_while(c.args[0].ours),
        lambda o, c: o.pipe(ops.take_while(c.args[0])),
        of("is", "over"),
        patient=True,
    ),
    Operator(
        "take_until",
        lambda s, c: s.take_until(c.others[0]),
        lambda o, c: o.pipe(ops.take_until(c.others[0])),
        others=(1, 1),
    ),
    Operator(
        "skip", lambda s, c: s.skip(c.args[0]), lambda o, c: o.pipe(ops.skip(c.args[0])), number(0, 4), patient=True
    ),
    Operator(
        "skip_while",
        lambda s, c: s.skip_while(c.args[0].ours),
        lambda o, c: o.pipe(ops.skip_while(c.args[0])),
        of("is", "over"),
        patient=True,
    ),
    Operator(
        "skip_until",
        lambda s, c: s.skip_until(c.others[0]),
        lambda o, c: skipping_until(o, c.others[0], c.clock),
        others=(1, 1),
    ),
    # -- in time
    Operator(
        "debounce",
        lambda s, c: s.debounce(c.args[0]),
        lambda o, c: o.pipe(ops.debounce(c.args[0], scheduler=c.clock)),
        seconds,
    ),
    Operator(
        "throttle",
        lambda s, c: s.throttle(c.args[0]),
        lambda o, c: o.pipe(ops.throttle_first(c.args[0], scheduler=c.clock)),
        seconds,
    ),
    Operator(
        "throttle",
        lambda s, c: s.throttle(c.args[0], trailing=True),
        lambda o, c: throttled(o, c.args[0], c.clock),
        seconds,
    ),
    Operator(
        "sample",
        lambda s, c: s.sample(c.args[0]),
        lambda o, c: o.pipe(ops.sample(c.args[0], scheduler=c.clock)),
        seconds,
    ),
    Operator(
        "delay",
        lambda s, c: s.delay(c.args[0]),
        lambda o, c: o.pipe(ops.delay(c.args[0], scheduler=c.clock)),
        seconds,
    ),
    Operator(
        "timeout",
        lambda s, c: s.timeout(c.args[0]),
        lambda o, c: o.pipe(ops.timeout(c.args[0], scheduler=c.clock)),
        seconds,
        clocked=True,
    ),
    Operator(
        "batches",
        lambda s, c: s.batches(*c.args),
        lambda o, c: batches(c.args[0], None)(o, c.clock),
        number(1, 4),
        patient=True,
    ),
    Operator(
        "batches",
        lambda s, c: s.batches(size=c.args[0], within=c.args[1]),
        lambda o, c: batches(c.args[0] or 1_000, c.args[1])(o, c.clock),
        lambda calm: st.tuples(st.none() | st.integers(1, 4), durations()),
    ),
    Operator(
        "batches",
        lambda s, c: s.batches(within=c.args[0], aligned=True),
        lambda o, c: windows(o, c.args[0], c.clock),
        seconds,
    ),
    # -- several sources
    Operator(
        "merge",
        lambda s, c: s.merge(*c.others),
        lambda o, c: at_once(o.pipe(ops.merge(*c.others))),
        others=(0, 3),
        instant=True,
    ),
    Operator(
        "concat", lambda s, c: s.concat(*c.others), lambda o, c: at_once(o.pipe(ops.concat(*c.others))), others=(0, 2)
    ),
    Operator("zip", lambda s, c: s.zip(*c.others), lambda o, c: o.pipe(ops.zip(*c.others)), others=(1, 2), waits=True),
    Operator(
        "zip_latest",
        lambda s, c: s.zip_latest(*c.others),
        lambda o, c: o.pipe(ops.zip_latest(*c.others)),
        others=(1, 2),
    ),
    Operator(
        "combine_latest",
        lambda s, c: s.combine_latest(*c.others),
        lambda o, c: o.pipe(ops.combine_latest(*c.others)),
        others=(1, 2),
    ),
    Operator(
        "with_latest_from",
        lambda s, c: s.with_latest_from(*c.others),
        lambda o, c: o.pipe(ops.with_latest_from(*c.others)),
        others=(1, 2),
    ),
    Operator("race", lambda s, c: s.race(*c.others), lambda o, c: o.pipe(*map(ops.amb, c.others)), others=(1, 2)),
    # -- streams of streams
    Operator(
        "flat_map",
        lambda s, c: s.flat_map(c.inner),
        lambda o, c: o.pipe(ops.flat_map(lambda value: in_turns(c.inner(value), c.clock))),
        inners=2,
    ),
    Operator(
        "flat_map",
        lambda s, c: s.flat_map(c.inner, concurrency=c.args[0]),
        lambda o, c: o.pipe(
            ops.map(lambda value: rx.defer(lambda _: in_turns(c.inner(value), c.clock))),
            ops.merge(max_concurrent=c.args[0]),
        ),
        number(1, 3),
        inners=2,
        waits=True,
    ),
    Operator(
        "concat_map",
        lambda s, c: s.concat_map(c.inner),
        lambda o, c: o.pipe(ops.concat_map(lambda value: rx.defer(lambda _: c.inner(value)))),
        inners=2,
        waits=True,
    ),
    Operator("switch_map", lambda s, c: s.switch_map(c.inner), lambda o, c: o.pipe(ops.switch_map(c.inner)), inners=2),
    Operator("exhaust_map", lambda s, c: s.exhaust_map(c.inner), exhausting, inners=2),
    Operator(
        "group_by",
        grouped,
        lambda o, c: o.pipe(
            ops.group_by(c.args[0]), ops.flat_map(lambda group: group.pipe(ops.map(lambda value: (group.key, value))))
        ),
        of("key"),
    ),
    # -- failure
    Operator(
        "catch",
        lambda s, c: s.catch(lambda error: c.inner(len(kind_of(error)))),
        lambda o, c: o.pipe(ops.catch(lambda error, _: c.inner(len(kind_of(error))))),
        inners=2,
    ),
    Operator(
        "retry",
        lambda s, c: s.retry(*c.args),
        lambda o, c: retried(o, *c.args, c.clock),
        lambda calm: st.tuples(st.integers(1, 3), st.just(0) | durations()),
    ),
    Operator(
        "retry",
        lambda s, c: s.retry(c.args[0], wait=lambda attempt: attempt * c.args[1], on=(OSError, Boom)),
        lambda o, c: retried(o, *c.args, c.clock, longer=True),
        lambda calm: st.tuples(st.integers(2, 4), durations()),
    ),
    Operator(
        "repeat",
        lambda s, c: s.repeat(c.args[0]),
        # `repeat(0)` of RxPY ends behind what later sources give at once, although it comes before them
        lambda o, c: o.pipe(ops.repeat(c.args[0])) if c.args[0] else rx.empty(),
        number(0, 3),
    ),
    Operator(
        "finally_do",
        lambda s, c: s.finally_do(c.finished),
        lambda o, c: o.pipe(ops.finally_action(c.finished)),
        patient=True,
    ),
    # -- out
    Operator("to_list", lambda s, c: s.to_list(), lambda o, c: o.pipe(ops.to_list()), sink=True),
    Operator(
        "reduce",
        lambda s, c: s.reduce(c.args[0].ours, c.args[1]),
        lambda o, c: o.pipe(ops.reduce(lambda so_far, value: c.args[0](so_far, value), c.args[1])),
        lambda calm: st.tuples(functions("add", "key", calm=calm), st.integers(0, 3)),
        sink=True,
    ),
    Operator("count", lambda s, c: s.count(), lambda o, c: o.pipe(ops.count()), sink=True),
    Operator(
        "any",
        lambda s, c: s.any(c.args[0].ours),
        lambda o, c: o.pipe(ops.some(c.args[0])),
        of("is", "over"),
        sink=True,
    ),
    Operator(
        "all", lambda s, c: s.all(c.args[0].ours), lambda o, c: o.pipe(ops.all(c.args[0])), of("is", "over"), sink=True
    ),
    Operator("first", lambda s, c: s.first(), lambda o, c: o.pipe(ops.first()), sink=True),
    Operator("last", lambda s, c: s.last(), lambda o, c: o.pipe(ops.last()), sink=True),
)
