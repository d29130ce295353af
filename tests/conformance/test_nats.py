"""A log on NATS JetStream, on a real server."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pytest

from evenflow.log._nats import NATSEngine
from evenflow.log.nats import NATSLog
from evenflow.testing.conformance import EngineConformance, LogConformance
from tests.servers import fresh_nats_name, nats


class TestNATSLog(LogConformance):
    """From outside."""

    capabilities = NATSLog("nats://localhost").capabilities

    @pytest.fixture
    def make(self) -> Callable[[], NATSLog]:
        url, name = nats().url, fresh_nats_name()
        return lambda: NATSLog(url, name=name, publish_timeout=20.0)


class TestNATSEngine(EngineConformance):
    """Below."""

    capabilities = NATSLog("nats://localhost").capabilities

    @pytest.fixture
    def make(self) -> Callable[[], NATSEngine]:
        url, name = nats().url, fresh_nats_name()
        return lambda: NATSEngine(url, name, keep_ids=timedelta(days=7), publish_timeout=20.0)
