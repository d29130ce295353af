"""A worker: the parcels of one customer are sent one after the other, those of others at the same time.

    evenflow worker shipping:log

Run it in this folder, as often as you like: the workers share the parcels. SIGTERM or Ctrl-C ends one of them: what it
has begun is finished, what it has fetched goes to the others at once, and its exit code is 0.

A web process imports this module too, and publishes: ``async with log.opened(consumers=False)``.
``SHIPPING_LOG`` names the file.
"""

from __future__ import annotations

import asyncio
import os

from evenflow import Event
from evenflow.log import Delivery, SQLiteLog

SECONDS = 0.02
"""How long it takes to send a parcel."""
HEAVY = 30
"""Kilograms."""


class ParcelPacked(Event, name="shop.parcel.packed"):
    """A parcel can be sent."""

    parcel_id: int
    customer_id: int
    weight: float


log = SQLiteLog(os.environ.get("SHIPPING_LOG", "shipping.db"), name="shipping")
parcels = log.subject("parcels", ParcelPacked)


# a worker fetches at most 8 ahead, so that two of them have about as much to do
@parcels.consumer("shipping", concurrency=4, ordered_by=ParcelPacked.customer_id, buffer=8)
async def ship(delivery: Delivery[ParcelPacked]) -> None:
    """Send a parcel. The attempt is 1 unless a worker was killed, or the sending failed."""
    parcel = delivery.event
    await asyncio.sleep(SECONDS)
    print(f"shipped {parcel.parcel_id} to {parcel.customer_id}, attempt {delivery.attempt}", flush=True)


@parcels.consumer("heavy", where=ParcelPacked.weight > HEAVY)
def warn(parcel: ParcelPacked) -> None:
    """Say what needs two people."""
    print(f"heavy {parcel.parcel_id}", flush=True)
