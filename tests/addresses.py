"""The addresses of new logs, one kind for each engine: what runs on all of them takes one, and a further engine is a row."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from uuid import uuid4

import pytest

from tests.log.redis.server import shared
from tests.servers import nats, postgres


def sqlite_address(folder: Path) -> str:
    return f"sqlite:///{folder / 'shop.db'}"


def redis_address(folder: Path) -> str:
    return f"{shared().url}?name=shop-{uuid4().hex}"


def postgres_address(folder: Path) -> str:
    server = postgres()
    if server is None:
        pytest.skip("there is no PostgreSQL server: install Debian's package postgresql")
    return f"{server.dsn}?name=shop&schema=shop_{uuid4().hex}"


def nats_address(folder: Path) -> str:
    return f"{nats().url}?name=shop-{uuid4().hex}"


ON_SERVERS: dict[str, Callable[[Path], str]] = {
    "redis": redis_address, "postgres": postgres_address, "nats": nats_address,
}  # fmt: skip
EVERYWHERE: dict[str, Callable[[Path], str]] = {"sqlite": sqlite_address, **ON_SERVERS}
