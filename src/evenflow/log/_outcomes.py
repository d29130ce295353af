"""What becomes of deliveries, as a settlement: the outcome of each, and the state that it has from now on."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING, Any

from ._backoff import exponential
from ._delivery import SETTLING, Delivery, State
from ._group_rules import BITS, Fate, Outcome
from ._settlement import Settlement

if TYPE_CHECKING:
    from collections.abc import Sequence

    from ._group_spec import GroupSpec, Host

_log = logging.getLogger("evenflow.groups")


def settlement_of(
    host: Host,
    spec: GroupSpec,
    deliveries: Sequence[Delivery[Any]],
    fate: Fate,
    *,
    after: float | None = None,
    error: str = "",
    lapse: bool = False,
) -> Settlement:
    """These deliveries are being settled from now on; ``Settlements.finish`` must follow.

    With ``lapse`` they are no more the caller's. ``after`` is the time until the next attempt, in seconds, and None for
    what the group's ``retry_after`` says.
    """
    settlement = Settlement()
    if fate is Fate.DONE:
        _acknowledge(settlement, deliveries)
        return settlement
    state = State.LAPSED if lapse else SETTLING
    for delivery in deliveries:
        outcome = _outcome(host, spec, delivery, fate, after, error)
        settlement.outcomes.setdefault(delivery._page, []).append(outcome)
        delivery._state = state
    return settlement


def _acknowledge(settlement: Settlement, deliveries: Sequence[Delivery[Any]]) -> None:
    acked, page, bits = settlement.acked, deliveries[0]._page, 0
    for delivery in deliveries:
        if delivery._page is not page:
            acked[page] = acked.get(page, 0) | bits
            page, bits = delivery._page, 0
        bits |= BITS[delivery._index]
        delivery._state = SETTLING
    acked[page] = acked.get(page, 0) | bits


def _outcome(
    host: Host, spec: GroupSpec, delivery: Delivery[Any], fate: Fate, after: float | None, error: str
) -> Outcome:
    due = host.engine.wall() + _delay(host, spec, delivery, after) if fate is Fate.AGAIN else 0.0
    return Outcome(delivery._index, fate, due, error, delivery._row)


def _delay(host: Host, spec: GroupSpec, delivery: Delivery[Any], after: float | None) -> float:
    if after is not None:
        return after
    try:
        return spec.delay(delivery.attempt)
    except Exception:  # noqa: BLE001 -- it is the user's function: what failed goes out again nevertheless
        _log.exception(
            "retry_after of group %s of %s raised",
            spec.group,
            host.subject,
            extra=spec.log_fields(host.subject),
        )
        return exponential(delivery.attempt)
