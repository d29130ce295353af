"""By which fields the events of a subject were ever routed."""

from __future__ import annotations

import asyncio

from evenflow.log._nats import NATSEngine, _queries
from evenflow.log._nats._layouts import Layout
from evenflow.log._routes import Route, Wanted
from evenflow.log._stored import Append, Change
from tests.servers import fresh_nats_name

from .kit import needs_nats, on_asyncio, opened

pytestmark = needs_nats

BY_REGION, BY_KIND = Layout("Placed", ("region",), 1), Layout("Placed", ("kind",), 1)


def routed(text: str, field: str = "region") -> Change:
    """An event with a route."""
    return Change(appends=[Append("orders", "Placed", 1, text.encode(), route=Route((field,), 1, (text,)))])


def wanted(text: str, field: str = "region") -> Wanted:
    """A reader of one text of a field."""
    return Wanted(None, {field: frozenset({text})}, {"Placed": 1}.get)


async def add(engine: NATSEngine, field: str) -> None:
    """Have a layout stored."""
    await engine._ask(_queries.add_layouts, "orders", {Layout("Placed", (field,), 1)})


@on_asyncio
async def test_a_layout_is_stored_before_the_first_event_that_has_it() -> None:
    """Another process finds it, and adds its own beside it."""
    name = fresh_nats_name()
    async with opened(log=name) as one, opened(log=name) as other:
        await one.commit(routed("eu"))
        await other.commit(routed("a", "kind"))
        await one.read_wanted("orders", 0, 10, wanted("eu"))
        for engine in (one, other):
            assert engine._opened().reads.layouts.of("orders") == frozenset({BY_REGION, BY_KIND})
        assert one._opened().reads.layouts.missing(routed("us").appends) == {}


@on_asyncio
async def test_two_processes_that_add_layouts_at_the_same_moment_lose_none() -> None:
    """The second looks again."""
    name = fresh_nats_name()
    async with opened(log=name) as one, opened(log=name) as other:
        for n in range(5):
            await asyncio.gather(add(one, f"a{n}"), add(other, f"b{n}"))
        await add(one, "last")
        found = one._opened().reads.layouts.of("orders")
        assert found is not None
        names = {layout.fields[0] for layout in found}
        assert names == {"last", *(f"{letter}{n}" for letter in "ab" for n in range(5))}


@on_asyncio
async def test_a_reader_passes_over_nothing_that_has_a_layout_which_is_newer_than_its_own_look() -> None:
    """It looks behind each page, and reads that again if there is a new one."""
    name = fresh_nats_name()
    async with opened(log=name) as writer, opened(log=name) as reader:
        await writer.commit(routed("eu"))
        page = await reader.read_wanted("orders", 0, 10, wanted("eu"))
        assert [row.data for row in page.rows] == [b"eu"]
        await writer.commit(routed("a", "kind"))
        await writer.commit(routed("eu"))
        page = await reader.read_wanted("orders", page.through, 10, wanted("eu"))
        assert [row.data for row in page.rows] == [b"a", b"eu"]


@on_asyncio
async def test_a_reader_that_was_there_before_the_first_layout_learns_of_it() -> None:
    """From then on events are left out for it."""
    name = fresh_nats_name()
    async with opened(log=name) as writer, opened(log=name) as reader:
        page = await reader.read_wanted("orders", 0, 10, wanted("eu"))
        for text in ("us", "eu", "us"):
            await writer.commit(routed(text))
        page = await reader.read_wanted("orders", page.through, 10, wanted("eu"))
        assert [row.data for row in page.rows] == [b"us", b"eu", b"us"]
        for text in ("us", "eu", "us"):
            await writer.commit(routed(text))
        page = await reader.read_wanted("orders", page.through, 10, wanted("eu"))
        assert [row.data for row in page.rows] == [b"eu"]
