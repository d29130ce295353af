"""What does it cost to hand one event to one subscription, beside what a user could take instead?

The work is in `benchmarks/peers`: one publisher that never sleeps, subscribers that count. The time runs from the first
publish to the last event counted, and is divided by the number of deliveries. Figures of peers that call a function in
the publisher's stack are shown beside ours although they do less: no buffer, no pace of one's own.
"""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks import peers
from benchmarks._harness import Bench, Results, Spread

QUESTION = "What does a delivery cost?"

HAND = "asyncio.Queue by hand"
FLOOR = "anyio streams, nowait first"
CALLBACK = "reactivex, callbacks"
OURS = "evenflow"
MANY = "evenflow, publish_many"
CLOSEST = "reactivex, into queues"

SUBSCRIPTIONS = (1, 10, 100, 1_000, 10_000)
BUFFERS = (16, 64, 1_024)
DEFAULT = 64

_SLOW = {"bubus", "pyee", "anyio streams, as documented"}
"""Ten to three hundred times slower than the rest: measured once, with 100 subscriptions."""


def run(bench: Bench) -> None:
    """The table of peers, their traits, every size, and the cost as subscriptions grow."""
    bench.record("peers", "What each does, and does not", *peers.table())
    rows = [_everyone(bench), _row(bench, 100, 1_024)]
    rows += [_row(bench, 1, 16)] if bench.quick else _matrix(bench)  # the row in which others come closest
    _growth(bench)
    _targets(bench, rows)
    if not bench.quick:
        _draw(bench, rows)


def _matrix(bench: Bench) -> list[_Row]:
    """Every number of subscriptions with every size of buffer, the default size first."""
    rows: list[_Row] = []
    for buffer in sorted(BUFFERS, key=lambda size: size != DEFAULT):
        for count in SUBSCRIPTIONS:
            if count == 100 and buffer in (DEFAULT, 1_024):
                continue
            if bench.is_late():
                print(f"left out, out of time: {count:,} subscriptions, buffer {buffer:,}")
            else:
                rows.append(_row(bench, count, buffer))
    return rows


class _Row:
    """One number of subscriptions and one size of buffer, measured."""

    def __init__(self, subscriptions: int, buffer: int, results: Results) -> None:
        self.subscriptions = subscriptions
        self.buffer = buffer
        self.results = results


def _events(bench: Bench, subscriptions: int, buffer: int) -> int:
    """Enough to fill every buffer several times, within what a round may take."""
    deliveries = bench.pick(quick=20_000, full=200_000)
    most = bench.pick(quick=200_000, full=2_000_000)
    return min(max(4 * buffer, 160, deliveries // subscriptions), most // subscriptions)


_OURS = tuple(peer for peer in peers.known() if peer.name.startswith("evenflow"))


def _short() -> list[peers.Peer]:
    """Those that the targets speak of."""
    ours = (OURS, MANY, CALLBACK)
    return [
        p for p in peers.known() if p.name in ours or (p.own_pace == "yes" and p not in _OURS and p.name not in _SLOW)
    ]


def _few() -> list[peers.Peer]:
    """Those of a row that has to be quick: the targets' own, and the peer that comes closest."""
    return [peers.named(name) for name in (OURS, MANY, HAND, FLOOR, CALLBACK, CLOSEST)]


def _everyone(bench: Bench) -> _Row:
    """Every peer once, at 100 subscriptions and a buffer of 64."""
    everyone = _short() if bench.quick else peers.known()
    # in a quick run, too, so many that what is paid once a subscription, its end above all, hardly weighs
    events = bench.pick(quick=1_024, full=_events(bench, 100, 64))
    results = bench.compare(
        "100x64",
        f"100 subscriptions, buffer 64, {events:,} events: processor time for each delivery",
        {peer.name: peer.case(100, events, 64) for peer in everyone},
        reference=HAND,
        per="delivery",
        rounds=bench.pick(quick=5, full=7),
    )
    bench.bars(
        "fanout-peers",
        "One delivery, 100 subscriptions, buffer 64",
        {peer.name: results.median(peer.name) for peer in everyone if results.rounds[peer.name]},
        across="nanoseconds of processor time, logarithmic",
    )
    return _Row(100, 64, results)


def _row(bench: Bench, subscriptions: int, buffer: int) -> _Row:
    """Those that are worth a row at every size."""
    shown = _few() if bench.quick else _short()
    if not bench.quick and subscriptions < 10_000:
        shown = [peer for peer in peers.known() if peer.name not in _SLOW]
    events = _events(bench, subscriptions, buffer)
    results = bench.compare(
        f"{subscriptions}x{buffer}",
        f"Subscriptions {subscriptions:,}, buffer {buffer:,}, {events:,} events: processor time for each delivery",
        {peer.name: peer.case(subscriptions, events, buffer) for peer in shown},
        reference=HAND,
        per="delivery",
        rounds=bench.pick(quick=4, full=3 if subscriptions >= 10_000 else 4),
    )
    return _Row(subscriptions, buffer, results)


def _growth(bench: Bench) -> None:
    """Ours from 10 to 10,000 subscriptions, in turns; and as many queues, which feel the same caches."""
    counts = bench.pick(quick=(10, 10_000), full=(10, 100, 1_000, 10_000))
    # as many events for each number of them: what is paid once a subscription (its stream, its end) weighs the same
    events = bench.pick(quick=128, full=1_280)
    named = ((OURS, "growth"), (HAND, "growth-by-hand"))
    for name, key in named[:1] if bench.quick or bench.is_late() else named:
        cases = {f"{count:,} subscriptions": peers.named(name).case(count, events, 64) for count in counts}
        results = bench.compare(
            key,
            f"{name}, buffer 64, as subscriptions grow, {events:,} events: processor time for each delivery",
            cases,
            reference=f"{counts[0]:,} subscriptions",
            per="delivery",
            rounds=bench.pick(quick=2, full=4),
        )
        if name == OURS:
            for case in list(cases)[1:]:
                bench.expect(f"a delivery among {case} against 10", results.ratio(case), at_most=1.3)


def _targets(bench: Bench, rows: list[_Row]) -> None:
    """The targets that are ratios between rows of these tables."""
    limits = {64: 0.45, 1_024: 0.35}
    for row in rows:
        if row.subscriptions != 100 or row.buffer not in limits:
            continue
        at = f"100 subscriptions, buffer {row.buffer:,}"
        ours = row.results
        bench.expect(f"{at}: `publish`, `async for` against {HAND}", ours.ratio(OURS), at_most=limits[row.buffer])
        bench.expect(f"{at}: the same against {FLOOR}", ours.ratio(OURS, FLOOR), at_most=1.3)
        bench.expect(f"{at}: `publish_many`, `batches()` against {CALLBACK}", ours.ratio(MANY, CALLBACK), at_most=0.999)
    worst, where = _worst(rows)
    bench.expect(f"the closest peer at its own pace, in any row ({where})", worst, at_most=0.999)


def _worst(rows: Iterable[_Row]) -> tuple[Spread | None, str]:
    """Our worst ratio to a library that delivers at the subscriber's own pace, over all rows, and where it was."""
    rivals = [peer.name for peer in peers.known() if peer.own_pace == "yes" and peer.package and not peer.floor]
    found: list[tuple[float, str, Spread]] = []
    for row in rows:
        for rival in rivals:
            ratio = row.results.ratio(OURS, rival)
            if ratio is not None:
                found.append(
                    (ratio.median, f"{rival}, {row.subscriptions:,} subscriptions, buffer {row.buffer:,}", ratio)
                )
    if not found:
        return None, "nobody could be measured"
    _, where, ratio = max(found, key=lambda each: each[0])
    return ratio, where


def _draw(bench: Bench, rows: list[_Row]) -> None:
    """A line for each of those that are measured at every size."""
    for buffer in BUFFERS:
        series: dict[str, dict[float, float]] = {}
        for row in sorted((row for row in rows if row.buffer == buffer), key=lambda row: row.subscriptions):
            for name, rounds in row.results.rounds.items():
                if rounds and name not in _SLOW:
                    series.setdefault(name, {})[row.subscriptions] = row.results.median(name)
        if max(map(len, series.values()), default=0) < 2:
            continue  # left out: no line without two points
        bench.lines(
            f"fanout-{buffer}",
            f"One delivery, buffer {buffer:,}",
            "subscriptions",
            series,
            up="nanoseconds of processor time",
        )
