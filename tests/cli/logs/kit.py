"""A module with a log, as a user has it, and the commands run on it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.forked import run

__all__ = ["evenflow", "run", "running", "shop"]

SHOP = """
from evenflow import Event
from evenflow.log import SQLiteLog
from pydantic import BaseModel

class OrderPlaced(Event):
    order_id: int

class Customer(BaseModel):
    country: str

class OrderPaid(Event):
    order_id: int
    region: str
    customer: Customer

class OrderShipped(Event):
    order_id: int

log = SQLiteLog("shop.db")
orders = log.subject("orders", OrderPlaced, OrderShipped)

@orders.consumer("billing", max_attempts=2, retry_after=0.01)
async def bill(order: OrderPlaced) -> None:
    if order.order_id == 2:
        raise ValueError("no money")
    print("billed", order.order_id, flush=True)

idle = SQLiteLog("idle.db")
"""


def shop(folder: Path, orders: str = '{"order_id": 1}\n{"order_id": 2}\n') -> Path:
    """A folder with the module, its log made, and these orders published."""
    (folder / "shop.py").write_text(SHOP)
    made = (
        "import anyio, shop\nasync def main():\n    async with shop.log.opened(consumers=False): pass\nanyio.run(main)"
    )
    assert run(folder, None, "-c", made).returncode == 0
    if orders:
        done = evenflow(folder, "publish", "shop.db", "orders", "--type", "shop:OrderPlaced", given=orders)
        assert done.returncode == 0, done.stderr
    return folder


def evenflow(folder: Path, *arguments: str, given: str = "") -> subprocess.CompletedProcess[str]:
    """Run a command of evenflow in a folder."""
    return run(folder, "evenflow.cli", *arguments, given=given)


def running(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """A command of evenflow that goes on, with its three streams as pipes."""
    command = [sys.executable, "-m", "evenflow.cli", *arguments]
    return subprocess.Popen(
        command, cwd=folder, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
