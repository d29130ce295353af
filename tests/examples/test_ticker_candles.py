"""The ticker with candles, in virtual time and as a program."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType
from typing import Any

import anyio
import pytest

from evenflow import Subject
from evenflow.testing import run_virtual, subject_recorder
from tests.examples.running import EXAMPLES, imported

PROGRAM = EXAMPLES / "ticker_candles.py"


@pytest.fixture(scope="module")
def program() -> ModuleType:
    """The example as a module."""
    return imported(PROGRAM)


def rounds(program: ModuleType, *prices: float) -> list[list[float]]:
    """Every symbol has the same price in a round, plus its own number."""
    return [[price + number for number in range(len(program.SYMBOLS))] for price in prices]


def test_a_candle_ends_with_its_window_and_misses_no_price(program: ModuleType) -> None:
    """Prices come every 0.4 s from 0.1 s on: three in the first second, and two in the next, for all symbols."""

    async def main() -> list[Any]:
        ticks, candles = Subject(program.Tick), Subject(program.Candle)
        with subject_recorder(candles) as drawn:
            source = ticks.subscribe(program.Tick, buffer=1_000)
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(program.draw_candles, source, candles)
                await anyio.sleep(0.1)
                tasks.start_soon(program.feed, ticks, rounds(program, 5, 9, 1, 2, 4), 0.4)
                await drawn.wait_for(500)
                assert anyio.current_time() == 1
            return list(drawn.events)

    candles = run_virtual(main)
    assert len(candles) == 1_000
    assert candles[0] == program.Candle(symbol="S000", open=5, high=9, low=1, close=1, ticks=3)
    assert candles[999] == program.Candle(symbol="S499", open=501, high=503, low=501, close=503, ticks=2)


def test_a_slow_screen_draws_the_newest_prices_and_holds_up_nobody(
    program: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    """It draws every half second: five rounds pass meanwhile, of which it gets the last; the feed ends in time."""

    async def main() -> float:
        await program.main(seconds=1.95)
        return anyio.current_time()

    assert run_virtual(main) == pytest.approx(2.5)
    assert "10000 ticks: 2500 drawn, 7500 replaced by a newer price" in capsys.readouterr().out


def test_the_program_accounts_for_every_tick() -> None:
    """As a process, in real time: what was not drawn was replaced, and every tick is in a candle."""
    done = subprocess.run(
        [sys.executable, "-W", "error", str(PROGRAM), "0.5"], capture_output=True, text=True, check=True, timeout=60
    )
    lines = done.stdout.splitlines()
    published, _, drawn, _, replaced, *_ = lines[-2].split()
    assert int(published) == int(drawn) + int(replaced) == 2_500
    assert lines[-1].endswith("of 2500 ticks")
    assert sum(int(line.split()[-2]) for line in lines[:-2]) == 5
    assert done.stderr == ""
