"""What the tests of PostgreSQL share: a server of their own, logs on it, and connections as an application has them."""

from __future__ import annotations

import asyncio
import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Coroutine
from contextlib import asynccontextmanager
from datetime import timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from evenflow import Event
from evenflow.log._postgres import PostgresEngine
from evenflow.log.postgres import PostgresLog
from tests.conformance.kit import PATIENCE
from tests.servers import Postgres, postgres, postgres_programs

needs_postgres = pytest.mark.skipif(postgres_programs() is None, reason="no PostgreSQL server is installed")


class Placed(Event, name="pg.placed"):
    n: int


def on_postgres(test: Callable[..., Coroutine[Any, Any, None]]) -> Any:
    """Run an async test with a server; where there is none, skip it and say so."""

    @needs_postgres
    @functools.wraps(test)
    def run(**arguments: Any) -> None:
        server = postgres()
        assert server is not None
        asyncio.run(test(server, **arguments))

    others = [parameter for name, parameter in inspect.signature(test).parameters.items() if name != "server"]
    run.__signature__ = inspect.Signature(others)  # type: ignore[attr-defined]  # pytest reads it
    return run


def log_on(server: Postgres, schema: str | None = None, **options: Any) -> PostgresLog:
    """A log of its own, or another opening of the one in this schema."""
    options = {"publish_timeout": PATIENCE, **options}
    return PostgresLog(options.pop("dsn", server.dsn), name="shop", schema=schema or f"log_{uuid4().hex}", **options)


def engine_on(server: Postgres, schema: str | None = None, **options: Any) -> PostgresEngine:
    """An engine on a schema of its own, or another one on this schema."""
    options = {"keep_ids": timedelta(days=7), "patience": PATIENCE, "to_disk": True, "options": {}, **options}
    return PostgresEngine(options.pop("dsn", server.dsn), schema=schema or f"log_{uuid4().hex}", **options)


@asynccontextmanager
async def opened(server: Postgres, schema: str | None = None, **options: Any) -> AsyncGenerator[PostgresEngine]:
    """An engine that is open in this block."""
    engine = engine_on(server, schema, **options)
    await engine.open()
    try:
        yield engine
    finally:
        await engine.close()


async def ask(server: Postgres, query: str, *arguments: Any) -> list[Any]:
    """What a person sees who asks the server; rows as tuples."""
    connection = await asyncpg.connect(server.dsn)
    try:
        return [tuple(row) for row in await connection.fetch(query, *arguments)]
    finally:
        await connection.close()
