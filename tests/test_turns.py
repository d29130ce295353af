"""When the loop should turn: what is counted, and when the count begins anew."""

from __future__ import annotations

from threading import Thread
from weakref import ref

import anyio
import pytest

from evenflow._turns import Turns, turns_here


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_a_turn_lets_others_run_and_starts_the_count_anew(backend: str) -> None:
    """It is a checkpoint."""
    ran: list[str] = []

    async def other() -> None:
        ran.append("other")

    async def main() -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(other)
            turns = Turns()
            turns.given = turns.taken = 10
            await turns.turn()
            assert (turns.given, turns.taken) == (0, 0)
            await turns.turn()
            assert ran == ["other"]

    anyio.run(main, backend=backend)


class Advanced:
    """Has counted in advance."""

    def __init__(self) -> None:
        self.taken_back: list[Turns] = []

    def take_back(self, turns: Turns, /) -> None:
        """The count begins anew."""
        self.taken_back.append(turns)


def test_what_was_counted_in_advance_is_taken_back_once() -> None:
    """By each that has counted since the last turn; it may have gone meanwhile."""
    turns, stays, goes = Turns(), Advanced(), Advanced()
    turns.advances += [ref(stays), ref(goes)]
    del goes
    for _ in range(2):
        turns.begin()
        assert stays.taken_back == [turns]


def test_each_thread_has_an_account_of_its_own() -> None:
    """What is delivered in one loop makes no other loop turn."""
    there: list[Turns] = []
    thread = Thread(target=lambda: there.extend((turns_here(), turns_here())))
    thread.start()
    thread.join()
    assert turns_here() is turns_here()
    assert there[0] is there[1] is not turns_here()
