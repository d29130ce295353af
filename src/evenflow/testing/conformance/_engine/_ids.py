"""Ids that publishers give: two events of one subject with one id are one."""

from __future__ import annotations

import pytest

from evenflow.log._stored import Change, IdTaken, Put, Reserve
from evenflow.testing.conformance._engine._kit import (
    EngineMaker,
    append,
    event,
    on_every_engine,
    on_every_shared_engine,
    opened,
    texts,
)


@on_every_engine
async def test_an_id_is_stored_once(make: EngineMaker) -> None:
    """The second event with an id stores nothing and has the number of the first; in another subject it is another id."""
    async with opened(make) as engine:
        (first,) = await append(engine, "a", id="one")
        assert await append(engine, "a", id="one") == [first]
        (other,) = await append(engine, "a", id="one", subject="other")
        assert other > first
        assert await texts(engine) == ["a"]


@on_every_engine
async def test_an_id_twice_in_one_change_is_one_event(make: EngineMaker) -> None:
    """Events around it keep their order and their numbers."""
    async with opened(make) as engine:
        change = Change(appends=[event("a", id="one"), event("b"), event("a", id="one"), event("c", id="two")])
        first, second, again, third = (await engine.commit(change)).seqs
        assert again == first
        assert first < second < third
        assert await texts(engine) == ["a", "b", "c"]
        again_all = (await engine.commit(change)).seqs
        assert (again_all[0], again_all[2], again_all[3]) == (first, first, third)
        assert await texts(engine) == ["a", "b", "c", "b"]


@on_every_engine
async def test_other_data_under_an_id_is_refused_and_nothing_is_done(make: EngineMaker) -> None:
    """Not the events before it in the change either, nor its records."""
    async with opened(make) as engine:
        await append(engine, "a", id="one")
        with pytest.raises(IdTaken) as caught:
            await engine.commit(Change(appends=[event("b"), event("other", id="one")], puts={"k": Put(b"")}))
        assert (caught.value.subject, caught.value.id, caught.value.scheduled) == ("orders", "one", False)
        with pytest.raises(IdTaken):
            await engine.commit(Change(appends=[event("x", id="new"), event("y", id="new")]))
        assert await texts(engine) == ["a"]
        assert await engine.load(["k"]) == {}
        assert len(await append(engine, "x", id="new")) == 1


@on_every_engine
async def test_a_removed_event_keeps_its_id(make: EngineMaker) -> None:
    """Retention does not free it: the number of the event that is gone comes back."""
    async with opened(make) as engine:
        (first,) = await append(engine, "a", id="one")
        assert await engine.trim("orders", first, 10) == 1
        assert await append(engine, "a", id="one") == [first]
        assert await texts(engine) == []


@on_every_engine
async def test_a_reserved_id_is_taken_until_its_event_goes_out(make: EngineMaker) -> None:
    """Others are refused, and told that it is scheduled; the event that takes its place is stored, once."""
    async with opened(make) as engine:
        await engine.commit(Change(reserves=[Reserve("orders", "one", b"a")]))
        for change in (Change(appends=[event("a", id="one")]), Change(reserves=[Reserve("orders", "one", b"a")])):
            with pytest.raises(IdTaken) as caught:
                await engine.commit(change)
            assert (caught.value.scheduled, caught.value.same) == (True, False)
        (seq,) = await append(engine, "a", id="one", scheduled=True)
        assert await append(engine, "a", id="one") == [seq]
        assert await append(engine, "a", id="one", scheduled=True) == [seq]
        with pytest.raises(IdTaken) as caught:
            await engine.commit(Change(reserves=[Reserve("orders", "one", b"a")]))
        assert (caught.value.scheduled, caught.value.same) == (False, True)
        with pytest.raises(IdTaken) as caught:
            await engine.commit(Change(reserves=[Reserve("orders", "one", b"b")]))
        assert (caught.value.scheduled, caught.value.same) == (False, False)
        assert await texts(engine) == ["a"]


@on_every_engine
async def test_a_reserved_id_can_be_freed_and_one_that_went_out_cannot(make: EngineMaker) -> None:
    """To free what nobody has reserved does nothing."""
    async with opened(make) as engine:
        await engine.commit(Change(reserves=[Reserve("orders", "one", b"a")]))
        await engine.commit(Change(frees=[("orders", "one"), ("orders", "unknown")]))
        (seq,) = await append(engine, "b", id="one")
        await engine.commit(Change(frees=[("orders", "one")]))
        assert await append(engine, "b", id="one") == [seq]
        with pytest.raises(IdTaken):
            await append(engine, "c", id="one")


@on_every_shared_engine
async def test_an_id_is_known_to_every_opening(make: EngineMaker) -> None:
    """And after closing."""
    async with opened(make) as one, opened(make) as other:
        (seq,) = await append(one, "a", id="one")
        assert await append(other, "a", id="one") == [seq]
    async with opened(make) as engine:
        assert await append(engine, "a", id="one") == [seq]
