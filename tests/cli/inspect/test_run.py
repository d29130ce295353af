"""What a name stands for, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from evenflow import Event, Subject
from evenflow.cli.inspect._run import shown
from evenflow.cli.logs._names import Refused
from evenflow.log import SQLiteLog

pytestmark = pytest.mark.anyio


class Order(Event):
    number: int


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


async def test_a_log_is_opened_to_look_and_nothing_runs_in_it(tmp_path: Path) -> None:
    """A log that is not open is opened for the page alone: no consumer runs, and what is due is not sent."""
    handled: list[Order] = []
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    jobs = log.subject("jobs", Order)
    async with log.opened(consumers=False):
        await jobs.publish(Order(number=1))
        await jobs.schedule(Order(number=2), after=0)
        first = await jobs.end()
    jobs.consume("mail", handled.append, Order)
    async with shown(log, "x:log") as sources:
        assert sources == [log]
        assert (await log.statistics()).subjects[0].groups == ()
        assert (await jobs.end()).seq >= first.seq
    assert handled == []
    with pytest.raises(RuntimeError, match="is not open"):
        await log.statistics()


async def test_a_log_that_is_open_is_left_open(tmp_path: Path) -> None:
    """A function may have opened it: then it is shown as it is, and closed by whoever opened it."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    async with log:
        async with shown([log], "x:logs"):
            await log.statistics()
        await log.statistics()


async def test_a_subject_in_memory_is_said_to_be_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    """Whoever names a subject of another process is told that nobody publishes to this one; a function is not."""
    subject = Subject(Order, name="orders")
    async with shown(subject, "x:orders"):
        assert "orders is in memory" in capsys.readouterr().err
    async with shown(lambda: subject, "x:function"):
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("wrong", [3, "orders", [], [3], None, lambda: None, Order])
async def test_what_is_nothing_of_the_kind_is_refused(wrong: Any) -> None:
    """Only subjects and logs can be shown."""
    with pytest.raises(Refused, match="nothing that can be shown"):
        async with shown(wrong, "x:wrong"):
            pass
