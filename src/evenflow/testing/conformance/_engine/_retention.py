"""What is removed, and what is known of it afterwards."""

from __future__ import annotations

import pytest

from evenflow._errors import Unsupported
from evenflow.log._stored import Change
from evenflow.testing.conformance._engine._kit import (
    EngineMaker,
    append,
    event,
    on_every_engine,
    on_every_engine_that_has,
    on_every_engine_that_lacks,
    opened,
    texts,
)


@on_every_engine
async def test_the_oldest_go_first_in_slices(make: EngineMaker) -> None:
    """At most as many as asked for, up to the number that was given, and of this subject only."""
    async with opened(make) as engine:
        seqs = await append(engine, *"abcdef")
        await append(engine, "x", subject="other")
        assert await engine.trim("orders", seqs[3], 2) == 2
        assert await texts(engine) == list("cdef")
        assert await engine.trim("orders", seqs[3], 10) == 2
        assert await engine.trim("orders", seqs[3], 10) == 0
        assert await texts(engine) == ["e", "f"]
        assert await texts(engine, subject="other") == ["x"]


@on_every_engine
async def test_the_floor_is_told_with_each_page(make: EngineMaker) -> None:
    """Up to there something may be gone; the end stays, even if all is gone, and numbers are not given again."""
    async with opened(make) as engine:
        seqs = await append(engine, *"abc")
        assert await engine.floor("orders") == 0
        await engine.trim("orders", seqs[1], 10)
        assert await engine.floor("orders") == seqs[1]
        assert (await engine.read("orders", 0, 10)).floor == seqs[1]
        await engine.trim("orders", seqs[2], 10)
        assert await engine.end("orders") == await engine.floor("orders") == seqs[2]
        assert await engine.floor("other") == 0
        (later,) = await append(engine, "d")
        assert later > seqs[2]


@on_every_engine_that_has("last_by")
async def test_the_newest_of_each_key_is_kept(make: EngineMaker) -> None:
    """As long as no newer event of the subject has the key; events without a key go as always."""
    async with opened(make) as engine:
        events = [event("a1", key="a"), event("b1", key="b"), event("a2", key="a"), event("plain")]
        seqs = (await engine.commit(Change(appends=[*events, event("b9", key="b", subject="other")]))).seqs
        assert await engine.trim("orders", seqs[3], 10, keep_newest_of_keys=True) == 2
        assert await texts(engine) == ["b1", "a2"]
        assert await engine.trim("orders", seqs[3], 10, keep_newest_of_keys=True) == 0
        await append(engine, "b2", key="b")
        assert await engine.trim("orders", seqs[3], 10, keep_newest_of_keys=True) == 1
        assert await texts(engine) == ["a2", "b2"]


@on_every_engine_that_lacks("last_by")
async def test_without_the_newest_of_each_key_such_a_trim_is_refused(make: EngineMaker) -> None:
    """Nothing is removed."""
    async with opened(make) as engine:
        (seq,) = (await engine.commit(Change(appends=[event("a", key="a")]))).seqs
        with pytest.raises(Unsupported):
            await engine.trim("orders", seq, 10, keep_newest_of_keys=True)
        assert await texts(engine) == ["a"]


@on_every_engine
async def test_a_place_in_what_is_gone_is_before_what_is_left(make: EngineMaker) -> None:
    """Nothing that is left is skipped."""
    async with opened(make) as engine:
        seqs = await append(engine, *"abc")
        await engine.trim("orders", seqs[1], 10)
        after = await engine.place("orders", 0)
        assert await texts(engine, after) == ["c"]
