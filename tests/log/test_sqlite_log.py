"""SQLiteLog: its name, its options, its copies."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from evenflow.log import LogError, SQLiteLog, Unsupported
from evenflow.testing import in_memory
from tests.contract.kit import both, both_real

from .events import Ordered


@pytest.mark.parametrize(
    "path, name",
    [("shop.db", "shop"), ("/a/b/my shop.v2.db", "my-shop-v2"), (":memory:", "memory"), ("x" * 90 + ".db", "x" * 64)],
)
def test_its_name_is_made_of_the_files(path: str, name: str) -> None:
    """Never a path, and always a name that may stand in an address."""
    assert SQLiteLog(path).name == name
    assert SQLiteLog(path, name="given").name == "given"


def test_nonsense_is_refused_where_it_is_written() -> None:
    """An empty path is that of a variable that is not set, and an empty name is none."""
    with pytest.raises(ValueError, match=r"path .* must not be empty"):
        SQLiteLog("")
    with pytest.raises(ValueError, match="name of a log"):
        SQLiteLog("shop.db", name="")


def test_what_it_can_do_follows_its_options() -> None:
    """Durability and processes are in the capabilities."""
    assert SQLiteLog("a.db").capabilities.durable_on_power_cut
    assert not SQLiteLog("a.db", durability="process").capabilities.durable_on_power_cut
    memory = SQLiteLog(":memory:").capabilities
    assert not memory.durable_on_power_cut
    assert not memory.several_processes
    wrong: Any = "nothing"
    with pytest.raises(ValueError, match="nothing"):
        SQLiteLog("a.db", durability=wrong)
    with pytest.raises(ValueError, match="busy_timeout"):
        SQLiteLog("a.db", busy_timeout=-1)


@both_real
async def test_a_copy_is_a_log_of_its_own(tmp_path: Path) -> None:
    """Offsets from before the copy are good in both; later ones are refused in the other."""
    log = SQLiteLog(tmp_path / "a.db")
    orders = log.subject("orders", Ordered)
    async with log:
        before = await orders.publish(Ordered(n=1))
        await log.backup(tmp_path / "b.db")
        after = await orders.publish(Ordered(n=2))
        await log.vacuum()
        with pytest.raises(LogError, match="exists"):
            await log.backup(tmp_path / "b.db")
    copy = SQLiteLog(tmp_path / "b.db")
    copied = copy.subject("orders", Ordered)
    async with copy:
        assert [record.event.n for record in await copied.read().to_list()] == [1]
        await copied.publish(Ordered(n=3))
        assert [record.event.n for record in await copied.read(since=before).to_list()] == [3]
        with pytest.raises(ValueError, match="lineage"):
            await copied.read(since=after).to_list()


@both_real
async def test_in_memory_it_is_a_whole_log(tmp_path: Path) -> None:
    """``":memory:"`` publishes, reads, and is empty when it is opened again."""
    log = SQLiteLog(":memory:")
    orders = log.subject("orders", Ordered)
    async with log, orders.subscribe() as feed:
        await orders.publish(Ordered(n=1))
        assert (await feed.receive()).n == 1
    async with log:
        assert await orders.read().to_list() == []
    assert os.listdir(tmp_path) == []  # noqa: PTH208 -- nothing waits here


@both
async def test_in_memory_there_is_no_file_to_copy() -> None:
    """In the place of a module's own log: ``vacuum`` and ``backup`` are ``Unsupported``."""
    log = SQLiteLog("never.db")
    async with in_memory(log):
        with pytest.raises(Unsupported, match="no file"):
            await log.vacuum()
        with pytest.raises(Unsupported, match="no file"):
            await log.backup("never-2.db")
