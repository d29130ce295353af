"""Notices: what other processes commit, and what an idle process costs."""

from __future__ import annotations

import time
from pathlib import Path

import anyio
import pytest

from evenflow.log._sqlite import _notices
from evenflow.log._stored import Put
from tests.limits import limit

from .kit import Change, append, both_real, event, opened, process, run_process

PUBLISH = """
async def main():
    engine = SQLiteEngine(path)
    await engine.open()
    say("open")
    while sys.stdin.readline():
        await append(engine, "x")
        say(time.monotonic())

anyio.run(main)
"""


@pytest.mark.timed
@both_real
async def test_what_another_process_commits_is_noticed_within_50_ms(tmp_path: Path) -> None:
    """In the middle of several tries: this machine may be busy at any one."""
    async with opened(tmp_path / "log.db") as engine:
        with process(PUBLISH, tmp_path / "log.db") as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == "open\n"
            seen, took = 0, list[float]()
            mark = engine.mark()
            for _ in range(15):
                other.stdin.write("\n")
                other.stdin.flush()
                with anyio.fail_after(30):
                    while await engine.end("orders") == seen:
                        mark = await engine.wait(mark)
                noticed = time.monotonic()
                took.append(noticed - float(await anyio.to_thread.run_sync(other.stdout.readline)))
                seen = await engine.end("orders")
            assert sorted(took)[7] < limit(0.05)


@both_real
async def test_own_commits_are_not_taken_for_those_of_others(tmp_path: Path) -> None:
    """Whoever waits is woken once for each, while the thread looks."""
    async with opened(tmp_path / "log.db") as engine:
        # the first look cannot know what has changed
        await engine.wait(engine.mark())
        counted: list[int] = []
        while counted[-1:] != [5] and len(counted) < 5:  # a machine that stands still may make it look anew
            before = engine.mark()
            for _ in range(5):
                await append(engine, "x")
                with anyio.move_on_after(2 * _notices.EVERY):
                    await engine.wait(engine.mark())
            counted.append(engine.mark() - before)
        assert counted[-1] == 5, counted


@both_real
async def test_the_thread_sleeps_when_nobody_waits_and_wakes_for_who_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What was committed meanwhile is noticed."""
    monkeypatch.setattr(_notices, "EVERY", 0.001)
    monkeypatch.setattr(_notices, "_QUIET_LOOKS", 2)
    async with opened(tmp_path / "log.db") as engine, opened(tmp_path / "log.db") as other:
        with anyio.move_on_after(0.01):
            await engine.wait(engine.mark())
        assert engine._opening is not None
        poll = engine._opening.notices._poll
        assert poll is not None
        for _ in range(5):
            with anyio.fail_after(30):
                while poll._is_awake:
                    await anyio.sleep(0.001)
            mark = engine.mark()
            await append(other, "x")
            assert engine.mark() == mark
            with anyio.fail_after(30):
                await engine.wait(mark)


@both_real
async def test_a_commit_opens_nothing_for_a_thread_that_has_ended(tmp_path: Path) -> None:
    """Nobody would close it."""
    async with opened(tmp_path / "log.db") as engine:
        with anyio.move_on_after(0.05):
            await engine.wait(engine.mark())
        assert engine._opening is not None
        poll = engine._opening.notices._poll
        assert poll is not None
        poll.stop()
        await anyio.to_thread.run_sync(poll.join)
        await append(engine, "a")
        assert poll._connection is None


def test_an_idle_process_takes_less_than_a_hundredth_of_a_core(tmp_path: Path) -> None:
    """While somebody waits for the whole time."""
    said = run_process(
        """
        async def main():
            engine = SQLiteEngine(path)
            await engine.open()
            await append(engine, "x")
            await anyio.sleep(0.2)
            began = time.process_time()
            with anyio.move_on_after(3):
                while True:
                    await engine.wait(engine.mark())
            say((time.process_time() - began) / 3)
            await engine.close()

        anyio.run(main)
        """,
        tmp_path / "log.db",
    )
    assert float(said) < 0.01


@both_real
async def test_whoever_says_what_it_waits_for_is_woken_for_that_alone(tmp_path: Path) -> None:
    """For its subject, for a record, for a kind of records that are due; and for anything, where it does not say."""
    async with opened(tmp_path / "log.db") as engine:
        await engine.wait(engine.mark())  # the first look cannot know what has changed
        woken: list[str] = []

        async def wait(name: str, *about: str) -> None:
            await engine.wait(engine.mark(), about)
            woken.append(name)

        async with anyio.create_task_group() as tasks:
            for name, about in (("orders", ["orders"]), ("due", ["retry", "x"]), ("key", ["page/a"]), ("all", [])):
                tasks.start_soon(wait, name, *about)
            await anyio.wait_all_tasks_blocked()
            for change, wakes in (
                (Change(puts={"page/b": Put(b"")}), {"all"}),
                (Change(puts={"page/a": Put(b"")}), {"key"}),
                (Change(puts={"retry/a/b/1": Put(b"", 1.0)}), {"due"}),
                (Change(appends=[event("a")]), {"orders"}),
            ):
                woken.clear()
                await engine.commit(change)
                await anyio.wait_all_tasks_blocked()
                assert set(woken) == wakes


@both_real
async def test_a_change_before_the_wait_is_found_if_it_matters(tmp_path: Path) -> None:
    """What came between the mark and the wait is not slept through, and what does not matter wakes nobody."""
    async with opened(tmp_path / "log.db") as engine:
        await engine.wait(engine.mark())
        mark = engine.mark()
        await engine.commit(Change(puts={"page/b": Put(b"")}))
        with anyio.move_on_after(0.001) as slept:
            await engine.wait(mark, ["orders"])
        assert slept.cancelled_caught
        await append(engine, "x")
        await engine.commit(Change(puts={"page/b": Put(b"")}))
        with anyio.fail_after(30):
            assert await engine.wait(mark, ["orders"]) == engine.mark()
        for _ in range(_notices._REMEMBERED + 1):  # nobody knows any more what these were
            await engine.commit(Change(puts={"page/b": Put(b"")}))
        with anyio.fail_after(30):
            await engine.wait(mark, ["nothing"])


@both_real
async def test_a_commit_that_no_glance_shows_is_noticed_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that the disk took long to store is seen when its last write is long past."""
    monkeypatch.setattr(_notices, "EVERY", 0.001)
    async with opened(tmp_path / "log.db") as engine, opened(tmp_path / "log.db") as other:
        await engine.wait(engine.mark())
        monkeypatch.setattr(_notices.WalGlance, "may_be_news", lambda *_: False)
        for _ in range(3):
            mark = engine.mark()
            await append(other, "x")
            with anyio.fail_after(30):
                await engine.wait(mark)


@both_real
async def test_an_idle_process_glances_and_seldom_looks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Once in eight times; each time while there may be news."""
    async with opened(tmp_path / "log.db") as engine:
        assert engine._opening is not None
        poll = engine._opening.notices._poll
        assert poll is not None
        for news, looks in ((False, 10), (True, 80)):
            monkeypatch.setattr(_notices.WalGlance, "may_be_news", lambda *_, news=news: news)
            assert sum(poll._is_time_to_look() for _ in range(80)) == looks
