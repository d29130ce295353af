"""The whole demo in this process: what it returns, and what a signal does. `test_demo.py` runs it as a user would."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Any

import anyio
import pytest

from evenflow.cli.demo import _run
from evenflow.cli.demo._output import NobodyReads
from evenflow.cli.demo._readers import Archive


def test_a_run_whose_sums_hold_returns_0_and_removes_its_archive(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Without `--out`, the archive is a temporary file."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    assert _run.run(seconds=0.5, rate=50, out=None) == 0
    assert "Every event is accounted for:" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []


def test_a_run_whose_reader_has_gone_returns_141(monkeypatch: pytest.MonkeyPatch) -> None:
    """There is nobody to tell, so nothing is printed and nothing is raised."""

    async def gone(_: object) -> int:
        raise ExceptionGroup("readers", [NobodyReads()])

    monkeypatch.setattr(_run.Demo, "run", gone)
    assert _run.run(seconds=0.1, rate=50, out=None) == 141


@pytest.mark.parametrize(
    "tamper, says",
    [
        (
            lambda demo: setattr(demo._analyst, "missed", 7),
            "the analyst was told of 7 missed events, and 0 were dropped",
        ),
        (lambda demo: setattr(demo._archive, "failed", OSError("no room")), "The archive stopped: no room."),
        (lambda demo: None, "no buffer was ever full"),
    ],
)
def test_whatever_is_wrong_is_said_and_returns_1(
    tamper: Any, says: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """A sum that does not hold, an archive that failed, and a run that has shown nothing are not called a success."""

    async def conclude() -> int:
        out = tmp_path / "archive.jsonl"
        out.touch()
        demo = _run.Demo(_run.InWords(_run.Output()), 1.0, 50.0, Archive(out))
        readers = demo._subscribe(sources=1)
        tamper(demo)
        async with demo._machine:
            pass
        code = demo._conclude(readers)
        for subscription in (readers.table, readers.archive, readers.analyst):
            subscription.close()
        return code

    assert asyncio.run(conclude()) == 1
    assert says in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_first_signal_cancels_and_the_second_has_its_usual_effect(number: signal.Signals) -> None:
    """A user who presses Ctrl-C twice is not held back."""
    before = signal.getsignal(number)

    async def main() -> bool:
        with anyio.CancelScope() as scope, _run.stopped_by_a_signal(scope):
            assert signal.getsignal(number) != before
            os.kill(os.getpid(), number)
            await anyio.sleep_forever()
        return scope.cancelled_caught

    async def wrapped() -> bool:
        with anyio.fail_after(30):
            return await main()

    # asyncio.run has a handler for SIGINT of its own, so the loop is run without it.
    loop = asyncio.new_event_loop()
    try:
        assert loop.run_until_complete(wrapped())
    finally:
        loop.close()
    assert signal.getsignal(number) == before
