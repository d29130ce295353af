"""When the loop should turn: what is counted, and when the count begins anew."""

from __future__ import annotations

import anyio
import pytest

from evenflow._turns import TURNS, Turns


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_turn_lets_others_run_and_starts_the_count_anew(backend: str) -> None:
    """It is a checkpoint."""
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            TURNS.given = TURNS.taken = 10
            await TURNS.turn()
            assert (TURNS.given, TURNS.taken) == (0, 0)
            await TURNS.turn()
            assert ran == ["other"]

    anyio.run(main, backend=backend)


def test_each_turn_has_a_number_of_its_own() -> None:
    """What was counted in advance can tell that it was for another turn."""
    turns = Turns()
    turns.given = turns.taken = 10
    before = turns.number
    turns.begin()
    assert turns.number != before
    assert (turns.given, turns.taken) == (0, 0)
