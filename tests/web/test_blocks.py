"""Chunks: what is sent together, and what stands in front of it."""

from __future__ import annotations

from evenflow import Subject
from evenflow.web._blocks import MOST_BYTES, Blocks

from .kit import Event, Parser, both, feed_of, orders


class Large(Event):
    """An event of a hundred kilobytes."""

    text: str


@both
async def test_all_that_waits_is_one_chunk_up_to_a_size() -> None:
    """A burst is a few sends; no chunk holds more than 256 KiB, unless one event does."""
    subject: Subject[Large] = Subject(Large)
    async with feed_of(subject) as feed:
        blocks = Blocks(feed, 3.0)
        assert await blocks.next() == b": events\n"
        for size in (100_000,) * 5 + (10, 10, 500_000, 10):
            await subject.publish(Large(text="x" * size))
        subject.close()
        chunks = []
        while (chunk := await blocks.next()) is not None:
            chunks.append(chunk)
    parser = Parser()
    parser.feed(b"".join(chunks))
    assert [len(sent.data) // 100_000 for sent in parser.events] == [1] * 5 + [0, 0, 5, 0, 0]
    assert all(len(chunk) < MOST_BYTES for chunk in chunks if b"x" * 200_000 not in chunk)
    assert len(chunks) == 6


@both
async def test_the_time_to_come_back_stands_in_front_of_the_first_block() -> None:
    """Whatever that is; alone, some clients would take it for an event."""
    subject = orders(replay=1)
    async with feed_of(subject, "nonsense") as feed:
        blocks = Blocks(feed, 3.0)
        await blocks.next()
        first = await blocks.next()
        assert first is not None
        assert first.startswith(b"retry: ")
        assert b"event: evenflow.gap\n" in first
    async with feed_of(subject) as feed:
        blocks = Blocks(feed, 3.0)
        assert [await blocks.next(), (await blocks.next() or b"").split(b": ")[0]] == [b": events\n", b"retry"]
