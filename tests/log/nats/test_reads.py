"""What is asked of the stream and changes nothing."""

from __future__ import annotations

import anyio
import pytest

from evenflow._errors import LogError
from evenflow.log._nats._faults import Busy, Lost
from evenflow.log._stored import Away, Change, Put
from tests.conformance.kit import append
from tests.limits import HANGING

from .kit import needs_nats, on_asyncio, opened

pytestmark = needs_nats


@on_asyncio
async def test_messages_are_read_in_pages_of_any_size() -> None:
    """``pending`` says whether there are more."""
    async with opened() as engine:
        seqs = await append(engine, *map(str, range(20)))
        reads = engine._opened().reads
        found = await reads.after(reads.names.events, 0, 7)
        assert ([message.seq for message in found.messages], found.pending) == (seqs[:7], 13)
        found = await reads.after(reads.names.events, seqs[17], 7)
        assert ([message.seq for message in found.messages], found.pending) == (seqs[18:], 0)
        assert (await reads.after(reads.names.events, seqs[-1], 7)).messages == []


@on_asyncio
async def test_a_page_has_no_more_bytes_than_fit() -> None:
    """A reader far behind costs no more memory for large events."""
    async with opened() as engine:
        for _ in range(3):
            await append(engine, *["x" * 900_000] * 3)
        reads = engine._opened().reads
        found = await reads.after(reads.names.events, 0, 9)
        assert 0 < len(found.messages) < 9
        assert found.pending


@on_asyncio
async def test_what_is_not_answered_is_asked_again_and_then_too_late() -> None:
    """Nothing that can be asked again is lost by a connection."""
    async with opened(publish_timeout=1.0) as engine:
        reads, tries = engine._opened().reads, list[int]()

        async def ask() -> int:
            tries.append(1)
            if len(tries) == 1:
                raise Lost("gone")
            if len(tries) == 2:
                raise Busy("no leader")
            return 5

        assert await reads.patiently(ask) == 5

        async def never() -> int:
            raise Busy("no leader")

        with pytest.raises(Away):
            await reads.patiently(never)

        async def strange() -> int:
            raise KeyError("type")

        with pytest.raises(LogError, match="something else"):
            await reads.patiently(strange)


@on_asyncio
async def test_two_questions_are_asked_at_once_and_again_if_one_has_no_answer() -> None:
    """What fails is what failed, and not a group of it; and nothing of either goes on after that."""
    async with opened() as engine:
        reads, tries = engine._opened().reads, list[int]()
        first, second = anyio.Event(), anyio.Event()

        async def one() -> int:
            first.set()
            await second.wait()
            return 5

        async def other() -> str:
            second.set()
            await first.wait()
            tries.append(1)
            if len(tries) == 1:
                raise Lost("gone")
            return "answer"

        with anyio.fail_after(HANGING):
            assert await reads.both(one, other) == (5, "answer")
        assert len(tries) == 2

        async def fail() -> int:
            raise ValueError("not of ours")

        with pytest.raises(LogError, match="not of ours"):
            await reads.both(one, fail)
        with pytest.raises(LogError, match="not of ours"):
            await reads.both(fail, one)


@on_asyncio
async def test_a_server_that_has_less_than_this_process_knows_is_noticed() -> None:
    """With one server that is a loss, as after a power cut: it is told, and nothing is skipped in silence."""
    async with opened() as engine:
        await engine.commit(Change(puts={"a": Put(b"")}))
        engine._opened().history.note(10_000)
        with pytest.raises(LogError, match="lost what was stored"):
            await engine.load(["a"])


@on_asyncio
async def test_the_leader_answers_as_a_follower_does() -> None:
    """The same messages, where the stream has followers that may be behind."""
    async with opened() as engine:
        seqs = await append(engine, *"abc")
        reads = engine._opened().reads
        reads.has_followers = True
        newest = await reads.newest(reads.names.events)
        assert newest is not None
        assert (newest.seq, newest.data) == (seqs[2], b"c")
        found = await reads.after(reads.names.events, 0, 10)
        assert [message.seq for message in found.messages] == seqs
        assert found.pending == 0
        assert await reads.newest("evenflow.nothing") is None
        row = (await engine.read("orders", seqs[1], 1)).rows[0]
        assert (row.type, row.version, row.data) == ("Placed", 1, b"c")
