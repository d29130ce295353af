"""The suite's tests of transactions notice an engine that does half of a change."""

from __future__ import annotations

from typing import Any

from evenflow.log.engine import Change, Done
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance import _transactions
from tests.testing.conformance.kit import failures


class Halves(MemoryEngine):
    """Stores events one by one, and then everything else."""

    async def commit(self, change: Change, /, *, made: Any = None) -> Done:
        seqs = [(await super(Halves, self).commit(Change(appends=[one]))).seqs[0] for one in change.appends]
        done = (await super().commit(change._replace(appends=())))._replace(seqs=seqs)
        if made is not None:
            made(done)
        return done


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_transactions) == set()


def test_half_a_transaction_is_noticed() -> None:
    """One event that cannot be stored undoes the others."""
    assert "test_an_id_that_is_taken_undoes_everything" in failures(_transactions, Halves)
