"""What runs while a log in a file is open: it ends with it, whatever happens, and is left alone in a forked child."""

from __future__ import annotations

import threading
from pathlib import Path

import anyio
import anyio.to_thread
import pytest

from evenflow._errors import LogError
from evenflow.log._sqlite import _notices, _reads, _writer

from .kit import SQLiteEngine, append, both_real, opened, texts


@both_real
async def test_an_opening_that_is_cancelled_leaves_nothing_open(tmp_path: Path) -> None:
    """It can be opened afterwards."""
    engine = SQLiteEngine(tmp_path / "log.db")
    with anyio.CancelScope() as scope:
        scope.cancel()
        await engine.open()
    assert scope.cancelled_caught
    with pytest.raises(LogError, match="not open"):
        await append(engine, "lost")
    await engine.open()
    await append(engine, "a")
    await engine.close()


@both_real
async def test_no_thread_is_left_behind(tmp_path: Path) -> None:
    """When it is closed, and when it could not be opened."""
    before = threading.active_count()
    async with opened(tmp_path / "log.db") as engine:
        await append(engine, "a")
        await texts(engine)
        with anyio.move_on_after(0.05):
            await engine.wait(engine.mark())
        assert threading.active_count() > before
    with pytest.raises(LogError):
        await SQLiteEngine(tmp_path / "none" / "log.db").open()
    with anyio.fail_after(30):
        while threading.active_count() > before:
            await anyio.sleep(0.001)  # the thread that has closed the others ends by itself


@both_real
async def test_what_a_loop_has_left_open_is_let_go_of_at_the_next_opening(tmp_path: Path) -> None:
    """The earlier opening is a member no more."""
    engine = SQLiteEngine(tmp_path / "log.db")

    def in_another_loop() -> str:
        anyio.run(engine.open)
        return engine.member

    left = await anyio.to_thread.run_sync(in_another_loop)
    await engine.open()
    with anyio.fail_after(30):
        while (await engine.pulses([left]))[left].alive:
            await anyio.sleep(0.01)  # a thread closes it
    await engine.close()


@both_real
async def test_a_forked_child_keeps_every_connection(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None is ever closed there: those of the writer, the readers, and the thread that looks."""
    kept: list[object] = []
    for part in (_notices, _reads, _writer):
        monkeypatch.setattr(part, "keep_for_ever", kept.append)
    async with opened(tmp_path / "log.db") as engine:
        await texts(engine)
        with anyio.move_on_after(0.1):
            await engine.wait(engine.mark())
        assert engine._opening is not None
        engine._forked()
        assert engine._opening.writer._kept is not None
        assert engine._opening.readers is not None
        connections = [
            engine._opening.writer._kept.connection,
            *engine._opening.readers._connections.values(),
            engine._opening.notices._poll._connection,  # type: ignore[union-attr]  # it is a file
        ]
        assert kept == connections
