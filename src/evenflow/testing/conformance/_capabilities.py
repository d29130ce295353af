"""What a log can do it does, and what it cannot do it refuses when it is asked: the table of capabilities is made here.

The other files have the tests of what takes more than one: transactions, schedules, groups, several processes.
"""

from __future__ import annotations

from typing import Any, get_args

import pytest

from evenflow._errors import Unsupported
from evenflow.log._capabilities import Capability
from evenflow.log._retain import Retain
from evenflow.testing.conformance._kit import (
    Maker,
    Ordered,
    Shipped,
    numbers,
    on_every_log,
    on_every_log_that_has,
    on_every_log_that_lacks,
    until,
)


@on_every_log
async def test_what_is_missing_is_named_all_at_once(make: Maker) -> None:
    """``require`` takes what the log can do, and refuses with everything that it cannot, in the order asked for."""
    log = make()
    every: tuple[Capability, ...] = get_args(Capability)
    missing = list(log.capabilities.missing())
    log.require(*filter(log.capabilities.have, every))
    if missing:
        with pytest.raises(Unsupported) as caught:
            log.require(*every)
        assert list(caught.value.missing) == missing
        assert all(need in str(caught.value) for need in missing)


@on_every_log_that_lacks("transactions")
async def test_without_transactions_one_is_refused_before_its_block(make: Maker) -> None:
    """Nothing of the block has run by then."""
    log = make()
    async with log:
        with pytest.raises(Unsupported, match="transactions"):
            log.transaction()


@on_every_log_that_lacks("schedule")
async def test_without_schedules_scheduling_is_refused(make: Maker) -> None:
    """And so is withdrawing: nothing can have been scheduled."""
    log = make()
    orders = log.subject("orders", Ordered)
    async with log:
        with pytest.raises(Unsupported, match="schedule"):
            await orders.schedule(Ordered(n=1), after=1)
        with pytest.raises(Unsupported, match="schedule"):
            await orders.unschedule("a")


@on_every_log_that_lacks("last_by")
async def test_without_the_newest_of_each_key_such_a_subject_is_refused(make: Maker) -> None:
    """When it is made, which is before anything is stored."""
    with pytest.raises(Unsupported, match="last_by"):
        make().subject("orders", Ordered, retain=Retain(last_by=Ordered.n))


@on_every_log_that_lacks("own_rows")
async def test_without_tables_of_yours_a_transaction_takes_no_statements(make: Maker) -> None:
    """There is no ``execute``, or it is refused."""
    log = make()
    if not log.capabilities.transactions:
        return  # refused as a whole, which another test shows
    async with log, log.transaction() as tx:
        execute: Any = getattr(tx, "execute", None)
        if execute is not None:
            with pytest.raises(Unsupported):
                execute("UPDATE t SET a = 1")


@on_every_log_that_lacks("trio")
async def test_on_a_loop_that_it_does_not_know_it_is_refused(make: Maker) -> None:
    """When it is opened, with the name of the loop: nothing hangs, and nothing is half open."""
    log = make()
    with pytest.raises(Unsupported, match="trio"):
        await log.start()
    await log.aclose()


@on_every_log_that_has("total_order")
async def test_all_subjects_share_one_order(make: Maker) -> None:
    """Numbers grow over events of several subjects, in the order of publishing."""
    log = make()
    orders, parcels = log.subject("orders", Ordered), log.subject("parcels", Shipped)
    async with log:
        found: list[int] = []
        for n in range(5):
            found += [(await orders.publish(Ordered(n=n))).seq, (await parcels.publish(Shipped(n=n))).seq]
        assert found == sorted(set(found))


@on_every_log_that_has("keeps_ids")
async def test_an_id_is_known_longer_than_its_event(make: Maker) -> None:
    """Retention has removed the event, and the log was opened again: its id still stores nothing a second time."""
    log = make()
    orders = log.subject("orders", Ordered, retain=Retain(events=1))

    async def are_left() -> list[int]:
        return numbers([record.event for record in await orders.read().to_list()])

    async def only_the_second_is_left() -> bool:
        return await are_left() == [2]

    async with log:
        first = await orders.publish(Ordered(n=1), id="a")
        await orders.publish(Ordered(n=2))
        await until(only_the_second_is_left)
    async with log:
        assert await orders.publish(Ordered(n=1), id="a") == first
        assert await are_left() == [2]
