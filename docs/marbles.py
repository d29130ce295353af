"""Draw the picture of every operator, by running it in virtual time: `make docs-marbles`.

No case has two things in one tick between which nothing promises an order: its picture would change by chance.
A case is a line or two of code over sources that are marble drawings; the code in the box is the code that ran.
`--check` draws nothing, and fails where a picture is not what the run gives.
"""

from __future__ import annotations

import operator
import sys
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio
from marble_svg import Picture, Row

from evenflow import Subject, share
from evenflow.streams import Stream, interval, timer
from evenflow.testing import MarbleError, marbles, record, run_virtual
from evenflow.testing._diagram import parse

FOLDER = Path(__file__).parent / "reference" / "marbles"


@dataclass(frozen=True)
class Case:
    """The picture of one operator.

    Attributes:
        code: what is run, and written in the box; the sources are names in it.
        sources: name and drawing of each source, those of an inner stream among them.
        ticks: for how long it is watched; None: to its end.
        shown: what is written in the box instead, where the code needs more than a reader does.
        calls: the function in it whose calls get a line of their own.
    """

    code: str
    sources: dict[str, str]
    ticks: int | None = None
    shown: str = ""
    calls: str = ""


def _one(drawing: str) -> dict[str, str]:
    return {"source": drawing}


CASES: dict[str, Case] = {
    # one event at a time
    "map": Case("source.map(str.upper)", _one("-a--b-c-|")),
    "filter": Case("source.filter(lambda n: n % 2 == 0)", _one("-1-2-3-4-|")),
    "of_type": Case("source.of_type(str)", {"source": "-a-1-b-2-|"}),
    "scan": Case("source.scan(operator.add, 0)", _one("-1-2-3--4-|"), shown="source.scan(add, 0)"),
    "enumerate": Case("source.enumerate()", _one("-a--b-c--|")),
    "pairwise": Case("source.pairwise()", _one("-a--b--c--d-|")),
    "tap": Case("source.tap(look)", _one("-a--b-c-|"), calls="look"),
    "start_with": Case('source.start_with("x", "y")', _one("--a--b-|")),
    "distinct": Case("source.distinct()", _one("-a-b-a-c-b-|")),
    "distinct_until_changed": Case("source.distinct_until_changed()", _one("-a-a-b-b-a-|")),
    "default_if_empty": Case('source.default_if_empty("x")', _one("-----|")),
    # how many
    "take": Case("source.take(2)", _one("-a--b--c--d-|")),
    "take_last": Case("source.take_last(2)", _one("-a-b-c-d--|")),
    "take_while": Case("source.take_while(lambda n: n < 3)", _one("-1--2--3--2-|")),
    "take_until": Case("source.take_until(stop)", {"source": "-a--b--c--d-|", "stop": "------x----|"}),
    "skip": Case("source.skip(2)", _one("-a--b--c--d-|")),
    "skip_while": Case("source.skip_while(lambda n: n < 3)", _one("-1--2--3--2-|")),
    "skip_until": Case("source.skip_until(go)", {"source": "-a--b--c--d-|", "go": "-----x------|"}),
    # in time
    "debounce": Case("source.debounce(3)", _one("-ab-----c-d-e----|")),
    "throttle": Case("source.throttle(3)", _one("-ab--c-d---ef-|")),
    "sample": Case("source.sample(3)", _one("-ab----c---d-|")),
    "delay": Case("source.delay(2)", _one("-a--bc--|")),
    "timeout": Case("source.timeout(3)", _one("-a-b-----c|")),
    "batches": Case("source.batches(size=3, within=4)", _one("-a-b-----cde---f|")),
    "interval": Case("interval(2)", {}, ticks=11),
    "timer": Case("timer(4)", {}),
    # several sources
    "merge": Case("left.merge(right)", {"left": "-a---b---c-|", "right": "---x---y-|"}),
    "concat": Case("left.concat(right)", {"left": "-a--b-|", "right": "-x--y-|"}),
    "zip": Case("left.zip(right)", {"left": "-a--b-----c-|", "right": "---x--y--z---|"}),
    "zip_latest": Case("left.zip_latest(right)", {"left": "-a-b---c----d-|", "right": "----x-y-z-w----|"}),
    "combine_latest": Case("left.combine_latest(right)", {"left": "-a----b---c-|", "right": "---x----y---|"}),
    "with_latest_from": Case("left.with_latest_from(right)", {"left": "-a---b--c-d-|", "right": "---x---y----|"}),
    "race": Case("left.race(right)", {"left": "---a--b-c-|", "right": "-x---y----z|"}),
    # streams of streams
    "flat_map": Case("source.flat_map(inner)", {"source": "-a--b-----|", 'inner("a")': "a-a-a-a|"}),
    "concat_map": Case("source.concat_map(inner)", {"source": "-a--b-----|", 'inner("a")': "a-a-a|"}),
    "switch_map": Case("source.switch_map(inner)", {"source": "-a--b--c------|", 'inner("a")': "a-a-a-a|"}),
    "exhaust_map": Case("source.exhaust_map(inner)", {"source": "-a--b---c------|", 'inner("a")': "a-a-a|"}),
    "group_by": Case("source.group_by(lambda n: n % 2)", _one("-1-2--3-5--4-|")),
    # failure
    "catch": Case("source.catch(lambda error: other)", {"source": "-a--b-#", "other": "-x-y-|"}),
    "retry": Case("source.retry(2)", _one("-a-b-#")),
    "repeat": Case("source.repeat(2)", _one("-a-b-|")),
    "finally_do": Case("source.finally_do(close)", _one("-a--b--|"), calls="close"),
    # out
    "to_list": Case("await source.to_list()", _one("-a--b-c--|")),
    "reduce": Case("await source.reduce(operator.add, 0)", _one("-1-2-3--|"), shown="await source.reduce(add, 0)"),
    "count": Case("await source.count()", _one("-a--b-c--|")),
    "any": Case("await source.any(lambda n: n > 2)", _one("-1-2--3--4-|")),
    "all": Case("await source.all(lambda n: n < 3)", _one("-1-2--3--4-|")),
    "first": Case("await source.first()", _one("---a--b-|")),
    "last": Case("await source.last()", _one("-a--b-c--|")),
    "for_each": Case("await source.for_each(handle, concurrency=2)", _one("-abc-----d--|")),
    "publish_to": Case("await source.publish_to(subject)", _one("-a--b-c--|")),
    "share": Case("async with share(source) as shared:\n    shared.subscribe()", _one("-a--b--c--d-|")),
}


def source_of(drawing: str) -> Stream[Any]:
    """Make a source of a drawing; digits are numbers."""
    names = {name for _, name in parse(drawing).events}
    values: dict[str, Any] = {name: int(name) if name.isdigit() else name for name in names}
    return marbles(drawing, **values)


def row_of_source(name: str, drawing: str) -> Row:
    """The line of time of a source."""
    diagram = parse(drawing)
    return Row(name, diagram.events, diagram.end, diagram.failed)


def label(value: object) -> str:
    """What is written on a marble."""
    if isinstance(value, tuple | list):
        return (
            "".join(label(part) for part in value) if isinstance(value, tuple) else f"[{', '.join(map(label, value))}]"
        )
    return str(value)


async def row_of(result: Any, name: str = "", ticks: int | None = None) -> Row:
    """Run a stream or a sink, and return its line of time."""
    start = anyio.current_time()
    if isinstance(result, Stream):
        recording = await record(result, until=ticks)
        _only_expected(recording.error)
        events = tuple((time, label(value)) for time, value in recording.events)
        return Row(name, events, recording.ended, recording.error is not None)
    value = await result
    now = anyio.current_time() - start
    return Row(name, ((now, label(value)),), now)


def _only_expected(error: Exception | None) -> None:
    """A picture shows the error of a drawing, or a timeout; any other is a mistake in the case."""
    if error is not None and not isinstance(error, MarbleError | TimeoutError):
        raise error


async def run(case: Case) -> list[Row]:
    """Run the code of a case over fresh sources, and return what came out."""
    sources = {name: source_of(drawing) for name, drawing in case.sources.items() if name.isidentifier()}
    inner = next((drawing for name, drawing in case.sources.items() if name.startswith("inner")), "")
    calls: list[tuple[float, str]] = []
    names = {
        "operator": operator,
        "interval": interval,
        "timer": timer,
        case.calls: lambda *given: calls.append((anyio.current_time(), label(given) if given else "called")),
        "inner": lambda event: marbles(inner.replace("a", str(event))),
        **sources,
    }
    result = eval(case.code.removeprefix("await "), names)  # noqa: S307  the code in the box is the code that ran
    row = await row_of(result, "" if isinstance(result, Stream) else "returns", case.ticks)
    return [row, Row(case.calls, tuple(calls), row.end)] if case.calls else [row]


async def run_group_by(case: Case) -> list[Row]:
    """Groups are streams of their own: a line for each, from the moment it is given."""
    rows: list[Row] = []

    async def watch(key: object, group: Stream[Any], started: float) -> None:
        recording = await record(group)
        events = tuple((started + time, label(value)) for time, value in recording.events)
        assert recording.ended is not None
        rows.append(Row(f"key {key}", events, started + recording.ended, start=started))

    chain = eval(case.code, {"source": source_of(case.sources["source"])})  # noqa: S307
    async with anyio.create_task_group() as tasks, chain as groups:
        async for key, group in groups:
            tasks.start_soon(watch, key, group, anyio.current_time())
    return sorted(rows, key=lambda row: row.start)


async def run_for_each(case: Case) -> list[Row]:
    """The handler takes three seconds: a line that says when it began with what, and one for when it had done."""
    began: list[tuple[float, str]] = []
    done: list[tuple[float, str]] = []

    async def handle(event: object) -> None:
        began.append((anyio.current_time(), label(event)))
        await anyio.sleep(3)
        done.append((anyio.current_time(), label(event)))

    names = {"source": source_of(case.sources["source"]), "handle": handle}
    await eval(case.code.removeprefix("await "), names)  # noqa: S307
    end = anyio.current_time()
    return [Row("handle begins", tuple(began), end), Row("and returns", tuple(done), end)]


async def run_publish_to(case: Case) -> list[Row]:
    """What a subscriber of the subject gets, and when."""
    subject: Subject[str] = Subject(str)
    names = {"source": source_of(case.sources["source"]), "subject": subject}
    rows: list[Row] = []
    async with subject.subscribe() as subscriber, anyio.create_task_group() as tasks:

        async def watch() -> None:
            rows.append(await row_of(subscriber, "a subscriber of subject", ticks=12))

        tasks.start_soon(watch)
        await anyio.wait_all_tasks_blocked()
        await eval(case.code.removeprefix("await "), names)  # noqa: S307
    return rows


async def run_share(case: Case) -> list[Row]:
    """Two subscribers, the second of which comes later."""
    rows: list[Row] = []

    async def watch(shared: Any, name: str, after: float) -> None:
        await anyio.sleep(after)
        recording = await record(shared.subscribe())
        events = tuple((after + time, label(value)) for time, value in recording.events)
        assert recording.ended is not None
        rows.append(Row(name, events, after + recording.ended, start=after))

    async with share(source_of(case.sources["source"])) as shared, anyio.create_task_group() as tasks:
        tasks.start_soon(watch, shared, "one subscriber", 0)
        tasks.start_soon(watch, shared, "another", 5)
    return sorted(rows, key=lambda row: row.start)


SPECIAL = {
    "group_by": run_group_by,
    "for_each": run_for_each,
    "publish_to": run_publish_to,
    "share": run_share,
}


def picture(name: str) -> str:
    """Run the case of an operator, and return its picture."""
    case = CASES[name]
    below = run_virtual(partial(SPECIAL.get(name, run), case))
    above = [row_of_source(source, drawing) for source, drawing in case.sources.items()]
    return Picture(above, case.shown or case.code, below).svg()


def main(arguments: list[str]) -> int:
    """Draw all pictures, or those that are named; with `--check`, say which are not what the run gives."""
    check = "--check" in arguments
    stale = []
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in [argument for argument in arguments if argument != "--check"] or CASES:
        file, drawn = FOLDER / f"{name}.svg", picture(name)
        if not check:
            file.write_text(drawn, encoding="utf-8")
        elif not file.exists() or file.read_text(encoding="utf-8") != drawn:
            stale.append(name)
    if stale:
        print(f"these pictures are not what the run gives: {', '.join(stale)}; draw them with `make docs-marbles`")
    return bool(stale)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
