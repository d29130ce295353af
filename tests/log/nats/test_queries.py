"""What can be asked of a log: where a stream needs more than one question."""

from __future__ import annotations

from tests.conformance.kit import append, texts

from .kit import needs_nats, on_asyncio, opened

pytestmark = needs_nats


@on_asyncio
async def test_the_event_that_is_older_than_others_is_found_among_strangers() -> None:
    """Other subjects and records lie in between, and some are removed."""
    async with opened() as engine:
        seqs: list[int] = []
        for number in range(12):
            seqs += await append(engine, str(number))
            await append(engine, "x", subject="other")
        await engine.trim("orders", seqs[1], 10)
        assert [await engine.older_than("orders", events) for events in (0, 1, 5, 9, 10, 99)] == [
            seqs[11], seqs[10], seqs[6], seqs[2], 0, 0,
        ]  # fmt: skip


@on_asyncio
async def test_a_slice_of_the_oldest_is_removed() -> None:
    """No more than was asked for, however many there are; the floor is told."""
    async with opened() as engine:
        seqs = await append(engine, *map(str, range(30)))
        assert await engine.trim("orders", seqs[25], 7) == 7
        assert await engine.floor("orders") == seqs[6]
        assert len(await texts(engine)) == 23
        assert await engine.trim("orders", seqs[25], 100) == 19
        assert await engine.trim("orders", seqs[25], 100) == 0
        assert await engine.trim("nothing", 10**9, 100) == 0


@on_asyncio
async def test_a_subject_that_has_lost_all_is_still_one() -> None:
    """Its name and its end are known."""
    async with opened() as engine:
        (seq,) = await append(engine, "a")
        await append(engine, "b", subject="other")
        await engine.trim("orders", seq, 1)
        assert await engine.subjects() == ["orders", "other"]
        assert await engine.end("orders") == seq


@on_asyncio
async def test_one_type_is_filtered_by_the_server() -> None:
    """Of the others not a byte comes; several types are told apart here."""
    async with opened() as engine:
        await append(engine, *["x" * 1_000] * 50, type="Other")
        await append(engine, "a")
        await append(engine, "b", type="Third")
        client = engine._opened().line.client
        before = client.stats["in_bytes"]
        assert await texts(engine, types={"Placed"}) == ["a"]
        assert client.stats["in_bytes"] - before < 5_000
        assert await texts(engine, types={"Placed", "Third"}) == ["a", "b"]
