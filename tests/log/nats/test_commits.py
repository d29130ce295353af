"""Commits: one message, or a batch; and what is done about an answer that does not come."""

from __future__ import annotations

import anyio
import pytest

from evenflow._errors import LogError, Uncertain
from evenflow.log._nats import NATSEngine
from evenflow.log._nats._line import Line
from evenflow.log._stored import ABSENT, Change, Outdated, Put
from tests.conformance.kit import append, event, texts
from tests.servers import fresh_nats_name

from .kit import needs_nats, on_asyncio, opened, own_server, soon

pytestmark = needs_nats


@on_asyncio
async def test_changes_that_wait_go_together_in_one_batch() -> None:
    """Where none of them touches what another one does; each has its own outcome."""
    async with opened() as engine:
        await engine.commit(Change(puts={"x/1": Put(b""), "x/2": Put(b"")}))
        failed: list[int] = []

        async def change(number: int) -> None:
            expect = {f"a/{number}": ABSENT, "b/7": ABSENT} if number == 7 else {f"a/{number}": ABSENT}
            try:
                await engine.commit(Change(expect, {f"a/{number}": Put(b""), f"b/{number}": Put(b"")}))
            except Outdated:
                failed.append(number)

        await engine.commit(Change(puts={"b/7": Put(b"")}))
        async with anyio.create_task_group() as tasks:
            for number in range(30):
                tasks.start_soon(change, number)
        assert failed == [7]
        assert len(await engine.load(prefix="a/")) == 29


@on_asyncio
async def test_a_record_that_was_deleted_by_another_process_can_be_made_anew() -> None:
    """Although the message of its deletion is still there."""
    name = fresh_nats_name()
    async with opened(log=name) as one, opened(log=name) as other:
        await other.commit(Change(puts={"a": Put(b"1")}))
        await other.commit(Change(deletes=["a"]))
        done = await one.commit(Change({"a": ABSENT}, {"a": Put(b"2")}))
        assert (await other.load(["a"]))["a"].version == done.versions["a"]


@on_asyncio
async def test_what_was_sent_and_is_sent_again_is_made_once() -> None:
    """A message, a record that expects something, and a batch: the connection is lost before each answer."""
    async with opened() as engine:
        opening = engine._opened()
        version = (await engine.commit(Change(puts={"a": Put(b"1"), "b": Put(b"1")}))).versions["a"]
        for change in (
            Change(appends=[event("one")]),
            Change({"a": version}, {"a": Put(b"2")}),
            Change(appends=[event("two"), event("three")]),
            Change({"c": ABSENT}, {"c": Put(b""), "d": Put(b"")}, appends=[event("four")]),
        ):
            done: list[object] = []

            async def commit(what: Change = change, into: list[object] = done) -> None:
                into.append(await engine.commit(what))

            async with anyio.create_task_group() as tasks:
                mute(opening.line)
                known = opening.history.high
                tasks.start_soon(commit)
                await soon(lambda: opening.commits.is_idle is False)
                await _until_stored(engine, known)
                assert not done
                opening.line.drop("a test cuts it")
            assert len(done) == 1
        assert await texts(engine) == ["one", "two", "three", "four"]
        assert (await engine.load(["a"]))["a"].value == b"2"


def mute(line: Line) -> None:
    """Throw away what the server answers, on the connection as it is now."""
    line._inbox = "nobody"


async def _until_stored(engine: NATSEngine, known: int) -> None:
    """Wait until the server has stored something new, as another process sees it."""
    log = engine._settings.log
    async with opened(log=log) as other:
        reads = other._opened().reads

        async def is_there() -> bool:
            return any(
                [
                    (await reads.after(pattern, known, 1)).messages
                    for pattern in (reads.names.events, *reads.names.records(""))
                ]
            )

        await soon(is_there)


@on_asyncio
async def test_what_the_server_refuses_is_an_error_and_not_stored() -> None:
    """A message that is too large for it; others go on."""
    async with opened() as engine:
        with pytest.raises(LogError, match="max_payload") as failed:
            await append(engine, "x" * (1 << 20))
        assert failed.value.stored is False
        await append(engine, "y")
        assert await texts(engine) == ["y"]


@on_asyncio
async def test_a_change_with_more_records_than_a_batch_has_is_up_to_the_server() -> None:
    """It is refused whole, or made whole where the server's limit is higher."""
    change = Change(puts={f"p/{number}": Put(b"") for number in range(1_200)})
    async with opened() as engine:
        with pytest.raises(LogError, match="too large"):
            await engine.commit(change)
        assert await engine.load(prefix="p/") == {}
    with own_server(jetstream="limits: {batch: {max_msgs: 2000}}") as server:
        async with opened(server.url) as engine:
            assert len((await engine.commit(change)).versions) == 1_200
            assert len(await engine.load(prefix="p/")) == 1_200


@on_asyncio
async def test_a_full_stream_is_an_error_for_whoever_publishes() -> None:
    """What is not stored is known not to be; what needs no room, such as reading, goes on."""
    with own_server(jetstream="max_file_store: 2MB") as server:
        async with opened(server.url) as engine:
            with pytest.raises(LogError) as failed:
                for _ in range(20):
                    await append(engine, "x" * 500_000)
            assert failed.value.stored is False
            assert 0 < len((await engine.read("orders", 0, 100)).rows) < 20


@on_asyncio
async def test_whoever_waits_too_long_is_told_that_it_is_not_known() -> None:
    """What was on its way to a server that stands still may be stored, and is."""
    with own_server() as server:
        async with opened(server.url, publish_timeout=0.5) as engine:
            server.freeze()
            with anyio.fail_after(30), pytest.raises(Uncertain):
                await append(engine, "a")
            server.thaw()
