"""evenflow.testing.conformance: one suite for any log, and for any engine below one. It needs pytest.

Whoever writes an engine inherits both in a test file of theirs, and says where a log is stored::

    class TestMyLog(LogConformance):
        capabilities = MyLog.capabilities

        @pytest.fixture
        def make(self, tmp_path):
            return lambda: MyLog(tmp_path / "test.log")

Layout: a file imports only from the files above it in this list.

    _suite        which tests a class has, and how each is run
    _kit          events, and how to wait for what a log does by itself
    _publish, _subscribe, _groups, _opening, _retention, _routed, _schedule, _transactions, _capabilities   a log, from outside
    _engine       an engine, from where the log calls it
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

pytest.register_assert_rewrite(  # an assert of the suite that fails says what was compared
    *(f"{__name__}.{part}" for part in ("_suite", "_kit", "_publish", "_subscribe", "_groups", "_opening")),
    *(
        f"{__name__}.{part}"
        for part in ("_retention", "_routed", "_schedule", "_transactions", "_capabilities", "_engine")
    ),
)

from evenflow.testing.conformance import (  # noqa: E402 -- after what their asserts need
    _capabilities,
    _groups,
    _opening,
    _publish,
    _retention,
    _routed,
    _schedule,
    _subscribe,
    _transactions,
)
from evenflow.testing.conformance._engine import (  # noqa: E402 -- the same
    _events,
    _ids,
    _members,
    _records,
    _retention as _engine_retention,
    _waiting,
)
from evenflow.testing.conformance._suite import Suite  # noqa: E402 -- the same

if TYPE_CHECKING:
    from collections.abc import Callable

    from evenflow.log._engine import Engine
    from evenflow.log._log import Log

__all__ = ["EngineConformance", "LogConformance"]


class LogConformance(
    Suite,
    tests=(_publish, _subscribe, _groups, _opening, _retention, _routed, _schedule, _transactions, _capabilities),
):
    """What an application may rely on, seen from outside, for each kind of log.

    A class of yours that inherits it is a class of tests. It has the tests that its capabilities call for, on each
    loop that the log knows; none is skipped. A test that is out of place on your log is left out with
    ``test_its_name = None``, which your readers see.

    Attributes:
        capabilities: those of your log; the class says them, so that pytest knows its tests without making a log.
        virtual_time: whether the log's time is the loop's, as in ``MemoryLog``: the tests then take none.
        shared: whether two logs that ``make`` returned can be open at once; if not given, ``several_processes`` says.
    """

    if TYPE_CHECKING:

        @pytest.fixture
        def make(self) -> Callable[[], Log]:
            """Return what makes a log, opened by nobody yet.

            Each test asks once, and needs a storage that no other test uses. Each call returns a further log on that
            storage, as another process would make it: what one has stored, the next one finds.
            """
            ...

    def test_a_log_can_do_what_its_class_of_tests_says(self, make: Callable[[], Log]) -> None:
        """Which tests there are is decided by these capabilities, so they must be the log's own."""
        assert make().capabilities == self.capabilities


class EngineConformance(Suite, tests=(_events, _ids, _members, _records, _engine_retention, _waiting)):
    """What a log relies on in its engine: finer than ``LogConformance``, so that it says where a mistake is.

    Attributes:
        capabilities: as for ``LogConformance``.
        virtual_time: as there.
        shared: as there.
    """

    if TYPE_CHECKING:

        @pytest.fixture
        def make(self) -> Callable[[], Engine]:
            """Return what makes an engine, not open yet, on one storage; as for ``LogConformance``."""
            ...
