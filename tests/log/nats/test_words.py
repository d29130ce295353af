"""The words of the command line, on a log on NATS."""

from __future__ import annotations

import anyio
import pytest

from evenflow.cli import main
from evenflow.log import from_url
from tests.log.load import Placed
from tests.servers import fresh_nats_name, nats

from .kit import needs_nats


@needs_nats
def test_a_log_on_a_server_is_looked_at_by_its_url(capsys: pytest.CaptureFixture[str]) -> None:
    """Its subjects, groups and dead letters; and they go out again."""
    url = f"{nats().url}?name={fresh_nats_name()}"

    async def fill() -> None:
        log = from_url(url)
        orders = log.subject("orders", Placed)
        async with log:
            await orders.publish_many(Placed(by=0, n=n) for n in range(5))
            async with orders.deliveries("billing") as deliveries:
                await (await deliveries.receive()).reject("bad")

    anyio.run(fill)
    assert main(["log", url]) == 0
    assert "5 events" in capsys.readouterr().out
    assert main(["log", url, "dead", "orders", "billing"]) == 0
    assert "bad" in capsys.readouterr().out
    assert main(["log", url, "redrive", "orders", "billing", "all"]) == 0
    assert "1 dead letter" in capsys.readouterr().out
