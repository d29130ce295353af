"""The functions on the server: partitions, and whose an id is."""

from __future__ import annotations

import pytest

from evenflow.log._postgres import _functions
from evenflow.log._stored import Change, IdTaken, Reserve
from tests.conformance.kit import append, texts
from tests.servers import Postgres

from .kit import ask, on_postgres, opened


async def partitions(server: Postgres, schema: str) -> list[str]:
    """The partitions of the events, the oldest first."""
    found = await ask(
        server,
        "SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid"
        " WHERE i.inhparent = $1::text::regclass",
        f"{schema}.event",
    )
    return sorted((name for (name,) in found), key=lambda name: int(name.rpartition("_")[2]))


@on_postgres
async def test_partitions_are_made_and_dropped(server: Postgres, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made as numbers grow, several at once too; dropped once nobody can read anything in them, and no sooner."""
    monkeypatch.setattr(_functions, "PARTITION", 10)
    async with opened(server) as engine:
        assert await partitions(server, engine.schema) == ["event_0"], "the first publish does not wait for a table"
        await append(engine, *(f"{n}" for n in range(1, 36)))
        assert await partitions(server, engine.schema) == ["event_0", "event_1", "event_2", "event_3"]
        await append(engine, "kept", subject="others")
        assert await engine.trim("orders", 15, 100) == 15
        assert await partitions(server, engine.schema) == ["event_1", "event_2", "event_3"]
        assert await texts(engine) == [f"{n}" for n in range(16, 36)]
        assert await engine.trim("orders", 35, 100) == 20
        assert await partitions(server, engine.schema) == ["event_3"]
        assert await texts(engine, subject="others") == ["kept"]
        assert await append(engine, "next") == [37]
        assert await engine.floor("orders") == 35


@on_postgres
async def test_an_id_that_is_to_be_reserved_says_whose_it_is(server: Postgres) -> None:
    """That of an event that is scheduled, of the same one, which is stored, or of another."""
    async with opened(server) as engine:
        await append(engine, "a", id="stored")
        await engine.commit(Change(reserves=[Reserve("orders", "kept", b"a")]))
        for name, digest, said in (("kept", b"a", "true"), ("stored", b"a", "same"), ("stored", b"b", "false")):
            with pytest.raises(IdTaken) as caught:
                await engine.commit(Change(reserves=[Reserve("orders", name, digest)]))
            assert (caught.value.scheduled, caught.value.same) == (said == "true", said == "same")
