"""The suite's tests of members notice an engine that forgets what a member has begun."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from evenflow.log.engine import Pulse
from evenflow.testing._memory_engine import MemoryEngine
from evenflow.testing.conformance._engine import _members
from tests.testing.conformance.kit import failures


class ForgetsTheDead(MemoryEngine):
    """Knows of a member that is gone nothing any more."""

    async def pulses(self, members: Collection[str], /) -> Mapping[str, Pulse]:
        found = await super().pulses(members)
        return {name: pulse if pulse.alive else pulse._replace(begun=frozenset()) for name, pulse in found.items()}


def test_an_engine_of_somebody_else_passes() -> None:
    """What is right is not complained of."""
    assert failures(_members) == set()


def test_what_a_dead_member_had_begun_is_asked_for() -> None:
    """Without it a handler that kills its process would be tried for ever."""
    assert failures(_members, ForgetsTheDead) == {"test_openings_know_of_one_another"}
