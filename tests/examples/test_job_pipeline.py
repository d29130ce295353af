"""The pipeline of jobs, in virtual time and as a process that gets SIGTERM."""

from __future__ import annotations

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from types import ModuleType

import pytest

from evenflow.testing import run_virtual
from tests.examples.running import EXAMPLES, imported

PROGRAM = EXAMPLES / "job_pipeline.py"
SAVED = "jobs.saved"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The example as a module."""
    return imported(PROGRAM)


async def lines_of(*lines: str) -> AsyncIterator[str]:
    """An input that ends."""
    for line in lines:
        yield line


async def endless(*lines: str) -> AsyncIterator[str]:
    """An input that says nothing more after its lines."""
    for line in lines:
        yield line
    await asyncio.Event().wait()


def stopped_at(program: ModuleType, file: Path, seconds: float, lines: AsyncIterator[str]) -> float:
    """Run a pipeline that is told to stop after some seconds; returns the time at which it ended."""

    async def main() -> float:
        loop, stop = asyncio.get_running_loop(), asyncio.Event()
        timer = loop.call_later(seconds, stop.set)
        await program.Pipeline(file).run(lines, stop, patience=2)
        timer.cancel()
        return loop.time()

    return run_virtual(main)


def numbers_in(file: Path) -> list[int]:
    return [json.loads(line)["number"] for line in file.read_text(encoding="utf-8").splitlines()]


def test_jobs_of_one_customer_run_in_order_and_those_of_others_beside_them(
    program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Two customers with three seconds of work each need three seconds, and the short job waits for the long one."""
    took = stopped_at(program, tmp_path / SAVED, 3600, lines_of("ann 2", "ann 1", "bob 3"))
    said = capsys.readouterr().out.split("\n")
    assert took == 3
    assert said.index("job 1 of ann is done") < said.index("job 2 of ann is done")
    assert numbers_in(tmp_path / SAVED) == []


def test_what_a_stop_cuts_off_is_done_by_the_next_start(
    program: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Jobs get two seconds more; what does not end by then is saved in order, done once more, and numbered on."""
    file = tmp_path / SAVED
    took = stopped_at(program, file, 1, endless("ann 2.5", "ann 60", "ann 1", "bob 2"))
    assert took == 3
    assert numbers_in(file) == [2, 3]
    assert capsys.readouterr().out.split("\n")[:-1] == ["job 4 of bob is done", "job 1 of ann is done"]
    stopped_at(program, file, 3600, lines_of("bob 1"))
    assert numbers_in(file) == []
    assert capsys.readouterr().out.split("\n")[:-1] == [
        "job 4 of bob is done",
        "job 2 of ann is done",
        "job 3 of ann is done",
    ]


def test_jobs_that_never_found_room_are_saved_too(program: ModuleType, tmp_path: Path) -> None:
    """A start with more saved jobs than the buffer holds loses none of them when it is stopped."""
    file = tmp_path / SAVED
    jobs = [program.Job(number=number, customer="ann", seconds=60) for number in range(1, 3001)]
    file.write_text("".join(f"{job.model_dump_json()}\n" for job in jobs), encoding="utf-8")
    stopped_at(program, file, 1, endless())
    assert numbers_in(file) == list(range(1, 3001))


def test_a_stop_after_the_end_of_the_input_counts_too(program: ModuleType, tmp_path: Path) -> None:
    """The last jobs do not have more time than others."""
    took = stopped_at(program, tmp_path / SAVED, 1, lines_of("ann 60"))
    assert took == 3
    assert numbers_in(tmp_path / SAVED) == [1]


def test_a_line_that_is_no_job_is_an_error_and_loses_no_job(program: ModuleType, tmp_path: Path) -> None:
    """What was accepted before it is done."""
    with pytest.raises(ValueError, match="not enough values"):
        stopped_at(program, tmp_path / SAVED, 3600, lines_of("ann 1", "nonsense"))
    assert numbers_in(tmp_path / SAVED) == []


def test_sigterm_saves_the_job_in_hand(tmp_path: Path) -> None:
    """In a process with a real signal and a real pipe."""
    with subprocess.Popen(
        [sys.executable, "-W", "error", str(PROGRAM), str(tmp_path / SAVED)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write("ann 0\nbob 3600\n")
        process.stdin.flush()
        assert process.stdout.readline() == "job 1 of ann is done\n"
        process.send_signal(signal.SIGTERM)
        assert process.stdout.readline() == "ended: 1 done, 1 cut off\n"
        process.wait(timeout=100)
        assert process.stderr is not None
        assert "Traceback" not in process.stderr.read()
    assert process.returncode == 0
    assert numbers_in(tmp_path / SAVED) == [2]
