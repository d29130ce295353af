"""RedisLog: a log on a Redis or Valkey server, for processes on several machines. Needs ``evenflow[redis]``."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Literal

from evenflow._options import checked_seconds
from evenflow._state import State

from ._capabilities import Capabilities
from ._log import Log
from ._names import checked_keep_ids
from ._wire import MAX_EVENT_BYTES

try:
    from ._redis import RedisEngine, name_in
except ImportError as _error:
    raise ImportError("a log on Redis or Valkey needs redis-py: pip install 'evenflow[redis]'") from _error

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._engine import Engine

__all__ = ["RedisLog"]

KEEP_IDS = timedelta(days=7)


class RedisLog(Log):
    """A log on a Redis (6.2 or later) or Valkey server. It runs on asyncio only.

    All its keys begin with ``evenflow:{name}:`` and are in one slot: on a cluster one server has the whole log, and
    several logs are spread over all. While the server is away, publishing waits up to ``publish_timeout``, and readers
    wait and go on by themselves. How durable it is depends on the server: see ``durability``.

    Args:
        url: ``redis://user:password@host:6379/0``, ``rediss://`` with TLS, ``unix:///run/redis.sock``; ``valkey://``
            and ``valkeys://`` are the same as the first two. What it shows is without the password.
        name: the log's name, in its keys and in the ``source`` of its events; without it the one in the URL
            (``?name=shop``), or ``log``.
        durability: ``"power"`` refuses, when it is opened, a server that does not write each change to its disk before
            it answers (``appendonly yes``, ``appendfsync always``). With ``"server"`` what has been published survives
            as far as the server's settings allow.
        keep_ids: how long an id that was given is known.
        max_event_bytes: the most that an event's JSON and headers may take.
        publish_timeout: seconds that publishing, or asking for anything, takes at most, before it is a ``LogError``.

    Attributes:
        connected: whether the server can be reached; each change is logged once.

    Raises:
        TypeError, ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        url: str,
        *,
        name: str | None = None,
        durability: Literal["power", "server"] = "server",
        keep_ids: timedelta = KEEP_IDS,
        max_event_bytes: int = MAX_EVENT_BYTES,
        publish_timeout: float = 30.0,
    ) -> None:
        checked_keep_ids(keep_ids)
        checked_seconds(publish_timeout, "publish_timeout")
        if name is None:
            name = (name_in(url) if isinstance(url, str) else None) or "log"
        self.connected: State[bool] = State(False, name=f"connection of log {name}")
        self._made: Callable[[], Engine] = partial(
            RedisEngine,
            url,
            name,
            durability=durability,
            keep_ids=keep_ids,
            publish_timeout=publish_timeout,
            on_connected=self.connected.set,
        )
        self._made()  # refuses what makes no sense where it is written
        self.capabilities: Capabilities = Capabilities(
            durable_on_power_cut=durability == "power",
            transactions=False,
            schedule=False,
            last_by=False,
            several_processes=True,
            several_machines=True,
            counts_first_attempt=False,
            notices_dead_members=False,
            trio=False,
        )
        super().__init__(name, max_event_bytes=max_event_bytes)

    def _engine(self) -> Engine:
        return self._made()
