"""What does it cost to deliver one event to one subscription, compared with what a user could take instead?

The work is in `benchmarks/peers`: one publisher that never sleeps, and subscribers that count. The time runs from the
first publish to the last event that is counted, and is divided by the number of deliveries. Peers that call a function
inside `publish` are shown as well, although they do less: they have no buffer, and all subscribers go at one pace.
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
"""Peers that are ten to three hundred times slower than the rest: they are measured once, with 100 subscriptions."""


def run(bench: Bench) -> None:
    """The traits of the peers, every size, the cost as the number of subscriptions grows, and the targets."""
    bench.record("peers", "What each peer does, and does not do", *peers.table())
    rows = [_everyone(bench), _row(bench, 100, 1_024)]
    rows += [_row(bench, 1, 16)] if bench.quick else _matrix(bench)  # in this row the other libraries come closest
    _growth(bench)
    _targets(bench, rows)
    if not bench.quick:
        _draw(bench, rows)


def _matrix(bench: Bench) -> list[_Row]:
    """Every number of subscriptions with every size of the buffer, the default size first."""
    rows: list[_Row] = []
    for buffer in sorted(BUFFERS, key=lambda size: size != DEFAULT):
        for count in SUBSCRIPTIONS:
            if count == 100 and buffer in (DEFAULT, 1_024):
                continue
            if bench.is_late():
                print(f"left out because the time is up: {count:,} subscriptions, buffer {buffer:,}")
            else:
                rows.append(_row(bench, count, buffer))
    return rows


class _Row:
    """The results for one number of subscriptions and one size of the buffer."""

    def __init__(self, subscriptions: int, buffer: int, results: Results) -> None:
        self.subscriptions = subscriptions
        self.buffer = buffer
        self.results = results


def _events(bench: Bench, subscriptions: int, buffer: int) -> int:
    """The number of events: enough to fill every buffer several times, and not too many for one round."""
    deliveries = bench.pick(quick=20_000, full=200_000)
    most = bench.pick(quick=200_000, full=2_000_000)
    return min(max(4 * buffer, 160, deliveries // subscriptions), most // subscriptions)


_OURS = tuple(peer for peer in peers.known() if peer.name.startswith("evenflow"))


def _short() -> list[peers.Peer]:
    """The peers of the targets, and the fast ones at their own pace."""
    ours = (OURS, MANY, CALLBACK)
    return [
        p for p in peers.known() if p.name in ours or (p.own_pace == "yes" and p not in _OURS and p.name not in _SLOW)
    ]


def _few() -> list[peers.Peer]:
    """The peers of a quick row: those of the targets, and the one that comes closest."""
    return [peers.named(name) for name in (OURS, MANY, HAND, FLOOR, CALLBACK, CLOSEST)]


def _everyone(bench: Bench) -> _Row:
    """Every peer once, at 100 subscriptions and a buffer of 64."""
    everyone = _short() if bench.quick else peers.known()
    # A subscription has costs that it pays once, above all at its end. Enough events make them small beside the rest,
    # in a quick run, too.
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
    """The peers that are worth a row at every size."""
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
    """evenflow from 10 to 10,000 subscriptions, in turns; and as many queues, which use the same caches."""
    counts = bench.pick(quick=(10, 10_000), full=(10, 100, 1_000, 10_000))
    # The number of events is the same for each number of subscriptions, so that the costs that a subscription pays once
    # (its stream, its end) have the same weight.
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
    """The targets that are ratios between cases of these tables."""
    limits = {64: 0.40, 1_024: 0.35}
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
    """Our worst ratio to a library that delivers at the subscriber's own pace, over all rows, and its row."""
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
        return None, "no peer could be measured"
    _, where, ratio = max(found, key=lambda each: each[0])
    return ratio, where


def _draw(bench: Bench, rows: list[_Row]) -> None:
    """Draw a line for each peer that is measured at every size."""
    for buffer in BUFFERS:
        series: dict[str, dict[float, float]] = {}
        for row in sorted((row for row in rows if row.buffer == buffer), key=lambda row: row.subscriptions):
            for name, rounds in row.results.rounds.items():
                if rounds and name not in _SLOW:
                    series.setdefault(name, {})[row.subscriptions] = row.results.median(name)
        if max(map(len, series.values()), default=0) < 2:
            continue  # a line needs two points
        bench.lines(
            f"fanout-{buffer}",
            f"One delivery, buffer {buffer:,}",
            "subscriptions",
            series,
            up="nanoseconds of processor time",
        )
