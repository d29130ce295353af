"""The engine's interface, and what it does by default."""

from __future__ import annotations

import inspect

from evenflow.log._engine import Engine
from evenflow.log._routes import Route, Wanted
from evenflow.log._sqlite import SQLiteEngine
from evenflow.log._stored import Append, Change, Put
from evenflow.testing._memory_engine import MemoryEngine
from tests.contract.kit import both


def test_each_engine_has_the_very_signatures_of_the_interface() -> None:
    """What is written for one engine works on the other: names and defaults of arguments are the same."""
    for name, method in inspect.getmembers(Engine, inspect.isfunction):
        if name.startswith("_"):
            continue
        wanted = [(p.name, p.default) for p in inspect.signature(method).parameters.values()]
        for engine in (MemoryEngine, SQLiteEngine):
            found = [(p.name, p.default) for p in inspect.signature(getattr(engine, name)).parameters.values()]
            assert found == wanted, (engine, name)


@both
async def test_an_engine_that_cannot_filter_reads_and_waits_as_it_does() -> None:
    """What ``read_wanted`` and ``wait_for_wanted`` do by default: by types, and up to the same number."""
    engine = MemoryEngine()
    await engine.open()
    appends = [Append("orders", kind, 1, b"{}", route=Route(("region",), 1, ("eu",))) for kind in ("A", "B", "A")]
    await engine.commit(Change(appends=appends))
    nobody = Wanted(frozenset({"A"}), {"region": frozenset({"us"})}, lambda _: 1)
    assert [row.seq for row in (await engine.read_wanted("orders", 0, 10, nobody)).rows] == [1, 3]
    assert await engine.read_wanted_when_back("orders", 0, 10, nobody) == await engine.read(
        "orders", 0, 10, types={"A"}
    )
    assert [row.seq for row in (await engine.read_wanted("orders", 0, 10, nobody, until=2)).rows] == [1]
    mark = engine.mark()
    await engine.commit(Change(appends=appends[1:2]))
    assert await engine.wait_for_wanted(mark, "orders", nobody) > mark
    await engine.close()


def test_a_change_says_what_it_is_about() -> None:
    """Its subjects, the kinds of what becomes due, and the keys of all other records."""
    change = Change(
        appends=[Append("orders", "A", 1, b""), Append("bills", "A", 1, b"")],
        puts={"retry/a/b/1": Put(b"", 5.0), "retry/a/b/2": Put(b"", 6.0), "page/a/b/c": Put(b"")},
        deletes=["lane/a/b/k"],
    )
    assert change.topics() == {"orders", "bills", "retry", "page/a/b/c", "lane/a/b/k"}
    assert Change().topics() == set()
