"""What an engine keeps, and what it cannot do: said beforehand, so that an application can ask for what it needs."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Literal, TypeAlias, get_args

Capability: TypeAlias = Literal[
    "total_order",
    "durable_on_power_cut",
    "keeps_ids",
    "transactions",
    "own_rows",
    "schedule",
    "last_by",
    "ordered_by",
    "routed_by",
    "several_processes",
    "several_machines",
    "counts_first_attempt",
    "notices_dead_members",
    "notices_lost_events",
    "trio",
]
"""What may be required of an engine."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What an engine can do.

    Attributes:
        total_order: all subjects share one order.
        durable_on_power_cut: what ``publish`` has returned survives a power cut.
        keeps_ids: given ids are known for ``keep_ids``, and not only for a window of the server's.
        transactions: several things are done in one commit.
        own_rows: a transaction takes statements on the application's own tables.
        schedule: events can be scheduled.
        last_by: retention can keep the newest of each key.
        ordered_by: events of one key are handled in order over all members.
        routed_by: a condition on a field of ``routed_by`` is asked by the server, too, and keeps off the network.
        several_processes: several processes may use it at once.
        several_machines: they may be on several machines.
        counts_first_attempt: an attempt counts even where its process was killed.
        notices_dead_members: the death of a member is noticed within a second.
        notices_lost_events: a copied file, or a server that lost confirmed events, is noticed.
        trio: it runs on trio too.
    """

    total_order: bool = True
    durable_on_power_cut: bool = True
    keeps_ids: bool = True
    transactions: bool = True
    own_rows: bool = False
    schedule: bool = True
    last_by: bool = True
    ordered_by: bool = True
    routed_by: bool = False
    several_processes: bool = False
    several_machines: bool = False
    counts_first_attempt: bool = True
    notices_dead_members: bool = True
    notices_lost_events: bool = False
    trio: bool = True

    def have(self, need: Capability, /) -> bool:
        """Whether the engine can do this.

        Raises:
            ValueError: no engine has a capability of this name.
        """
        if need not in get_args(Capability):
            raise ValueError(f"no capability is called {need!r}; they are {', '.join(get_args(Capability))}")
        return bool(getattr(self, need))

    def missing(self) -> tuple[str, ...]:
        """The names of what the engine cannot do."""
        return tuple(field.name for field in fields(self) if not getattr(self, field.name))
