"""What one reader knows of its group's lanes: loaded once, parsed once, and never trusted beyond a version."""

from __future__ import annotations

from evenflow.log import _known_lanes
from evenflow.log._group_records import Item, Keys, LaneRecord
from evenflow.log._group_rules import Draft, Lanes
from evenflow.log._known_lanes import KnownLanes
from evenflow.log._stored import Change, Done, Put
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing._memory_store import MemoryStore
from tests.contract.kit import both

KEYS = Keys("orders", "g")


async def opened() -> tuple[MemoryEngine, KnownLanes]:
    """An engine, and what a reader of it knows: nothing."""
    log = MemoryEngine(MemoryStore())
    await log.open()
    return log, KnownLanes(log, KEYS)


async def store(log: MemoryEngine, name: str, *seqs: int) -> int:
    """Store a lane; returns its version."""
    put = Put(LaneRecord(tuple(map(Item, seqs))).dump())
    return (await log.commit(Change(puts={KEYS.lane + name: put}))).versions[KEYS.lane + name]


def seqs(lanes: Lanes, name: str) -> list[int]:
    """The events of a lane."""
    return [item.seq for item in lanes.get(name).items]


@both
async def test_a_reader_that_is_alone_loads_a_lane_once() -> None:
    """What somebody has stored since is found out by the version that its change expects."""
    log, known = await opened()
    seen = await store(log, "a", 1)
    assert seqs(await known.lanes(["a", "b"], alone=True), "a") == [1]
    await store(log, "a", 2)
    lanes = await known.lanes(["a"], alone=True)
    assert seqs(lanes, "a") == [1]
    lanes.set("a", LaneRecord())
    lanes.write(draft := Draft(), 0.0)
    assert draft.expect == {KEYS.lane + "a": seen}


@both
async def test_a_reader_with_others_loads_each_time() -> None:
    """It sees what another has stored, and that another has deleted a lane."""
    log, known = await opened()
    await store(log, "a", 1)
    await known.lanes(["a"], alone=False)
    await store(log, "a", 2)
    assert seqs(await known.lanes(["a"], alone=False), "a") == [2]
    await log.commit(Change(deletes=[KEYS.lane + "a"]))
    assert "a" not in await known.lanes(["a"], alone=False)


@both
async def test_what_has_changed_is_loaded_again() -> None:
    """After a commit that was outdated, and after one whose outcome nobody knows."""
    log, known = await opened()
    await store(log, "a", 1)
    await known.lanes(["a"], alone=True)
    await store(log, "a", 2)
    known.forget([KEYS.lane + "a", KEYS.group])
    assert seqs(await known.lanes(["a"], alone=True), "a") == [2]
    await store(log, "a", 3)
    known.forget_all()
    assert seqs(await known.lanes(["a"], alone=True), "a") == [3]


@both
async def test_a_change_that_was_made_is_known_without_loading() -> None:
    """Also of a lane that it has deleted: whoever writes that next expects that there is none."""
    log, known = await opened()
    before = Lanes(KEYS, {})
    before.set("a", LaneRecord((Item(1),)))
    before.set("b", LaneRecord())
    before.write(draft := Draft(), 0.0)
    known.keep(draft, Done([], {KEYS.lane + "a": 7}))
    lanes = await known.lanes(["a", "b"], alone=True)
    assert (seqs(lanes, "a"), seqs(lanes, "b")) == ([1], [])
    lanes.set("a", LaneRecord())
    lanes.set("b", LaneRecord((Item(2),)))
    lanes.write(after := Draft(), 0.0)
    assert after.expect == {KEYS.lane + "a": 7, KEYS.lane + "b": 0}
    await log.close()


@both
async def test_what_was_loaded_elsewhere_is_newer() -> None:
    """The lanes that are due are loaded each time, and parsed where their version is another."""
    log, known = await opened()
    await store(log, "a", 1)
    first = known.parsed(await log.load(prefix=KEYS.lane))
    assert known.parsed(await log.load(prefix=KEYS.lane))["a"] is first["a"]
    await store(log, "a", 2)
    loaded = await log.load(prefix=KEYS.lane)
    assert seqs(await known.lanes([], alone=True, loaded=loaded), "a") == [2]


@both
async def test_only_so_many_lanes_are_remembered() -> None:
    """Memory does not follow the number of keys."""
    log, known = await opened()
    names = [f"{n}" for n in range(_known_lanes.MOST + 10)]
    await log.commit(Change(puts={KEYS.lane + name: Put(LaneRecord((Item(1),)).dump()) for name in names}))
    lanes = await known.lanes(names, alone=True)
    assert len([name for name in names if name in lanes]) == len(names)
    assert len(known._known) == _known_lanes.MOST
