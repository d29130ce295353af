"""What a kind of log cannot do it refuses, when it is asked."""

from __future__ import annotations

import pytest

from evenflow import Unsupported
from evenflow.log import Retain

from .kit import Maker, Ordered, on_every_log


@on_every_log
async def test_what_a_log_has_not_is_unsupported(make: Maker) -> None:
    """``require`` names all that is missing, and so does whatever would need it."""
    log = make()
    orders = log.subject("orders", Ordered)
    missing = [need for need in ("transactions", "schedule", "last_by") if need in log.capabilities.missing()]
    if missing:
        with pytest.raises(Unsupported) as caught:
            log.require("transactions", "schedule", "last_by", "ordered_by")
        assert list(caught.value.missing) == missing
    else:
        log.require("transactions", "schedule", "last_by", "ordered_by")
    async with log:
        if "transactions" in missing:
            with pytest.raises(Unsupported):
                log.transaction()
        if "schedule" in missing:
            with pytest.raises(Unsupported):
                await orders.schedule(Ordered(n=1), after=1)
            with pytest.raises(Unsupported):
                await orders.unschedule("a")
        if "last_by" in missing:
            with pytest.raises(Unsupported):
                log.subject("other", Ordered, retain=Retain(last_by=Ordered.n))
