"""A log on Redis or Valkey, on a real server."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from evenflow.log._redis import RedisEngine
from evenflow.log.redis import RedisLog
from evenflow.testing.conformance import EngineConformance, LogConformance
from tests.log.redis.server import fresh_name, shared


class TestRedisLog(LogConformance):
    """From outside."""

    capabilities = RedisLog("redis://localhost").capabilities

    @pytest.fixture
    def make(self) -> Callable[[], RedisLog]:
        url, name = shared().url, fresh_name()
        return lambda: RedisLog(url, name=name)


class TestRedisEngine(EngineConformance):
    """Below."""

    capabilities = RedisLog("redis://localhost").capabilities

    @pytest.fixture
    def make(self) -> Callable[[], RedisEngine]:
        url, name = shared().url, fresh_name()
        return lambda: RedisEngine(url, name)
