"""What the tests of each log on a server ask of its face, without a server."""

from __future__ import annotations

import subprocess
import sys

import pytest
import trio

from evenflow import Unsupported
from evenflow.log import Log
from evenflow.testing import in_memory, run_virtual

from .events import Ordered


def refuses_trio(log: Log) -> None:
    """When it is entered."""
    with pytest.raises(Unsupported, match="asyncio"):
        trio.run(log.start)


def can_be_put_in_memory(log: Log) -> None:
    """A test of an application needs no server."""
    orders = log.subject("orders", Ordered)

    async def main() -> list[int]:
        async with in_memory(log):
            await orders.publish(Ordered(n=1))
            return [record.event.n for record in await orders.read().to_list()]

    assert run_virtual(main) == [1]


def is_imported_alone(extra: str, client: str) -> None:
    """Whoever uses a file needs no client; without it the module says what to install."""
    code = (
        f"import sys, evenflow.log; assert {client!r} not in sys.modules; sys.modules[{client!r}] = None\n"
        f"try: import evenflow.log.{extra}\n"
        "except ImportError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=100, check=True)
    assert f"evenflow[{extra}]" in done.stdout
