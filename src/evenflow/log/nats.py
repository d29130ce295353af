"""NATSLog: a log in a stream of NATS JetStream, for processes on several machines. Needs ``evenflow[nats]``."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

from evenflow._options import checked_seconds
from evenflow._state import State

from ._capabilities import Capabilities
from ._log import Log
from ._names import checked_keep_ids, checked_name
from ._wire import MAX_EVENT_BYTES

try:
    from ._nats import NATSEngine, split
except ImportError as _error:
    raise ImportError("a log on NATS needs nats-py: pip install 'evenflow[nats]'") from _error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from ._engine import Engine

__all__ = ["NATSLog"]

KEEP_IDS = timedelta(days=7)


class NATSLog(Log):
    """A log in a stream of NATS JetStream, nats-server 2.12 or later. It runs on asyncio only.

    All of it is in one stream, which is made if there is none. While no server can be reached, publishing waits up to
    ``publish_timeout``, and readers wait and go on by themselves. What a power cut loses depends on the server: see
    "how to keep a log on NATS".

    Args:
        servers: ``nats://user:password@host:4222``, ``tls://``, ``ws://`` or ``wss://``; several in a list, or with
            commas between them. What is shown of them is without secrets.
        name: the log's name, in the ``source`` of its events; without it the one in the URL (``?name=shop``), or
            ``log``.
        stream: the name of the stream; ``evenflow-{name}`` without it. One that exists is used, if it can keep a log.
        prefix: what the subjects of its messages begin with; ``evenflow.{name}`` without it.
        replicas: how many servers keep a stream that is made: 1, 3 or 5.
        domain: of JetStream, where it has one.
        keep_ids: how long an id that was given is known.
        max_event_bytes: the most that an event's JSON and headers may take. What is larger than ``max_payload`` of the
            server's settings, which is 1 MiB unless it is set, is a ``LogError`` when it is published.
        publish_timeout: seconds that publishing, or asking for anything, takes at most, before it is a ``LogError``.
        options: for ``nats.connect``: ``tls``, ``user``, ``password``, ``token``, ``user_credentials``,
            ``nkeys_seed``, ``inbox_prefix`` and others.

    Attributes:
        connected: whether a server can be reached; each change is logged once.

    Raises:
        TypeError, ValueError: an argument makes no sense.
    """

    def __init__(
        self,
        servers: str | Sequence[str],
        *,
        name: str | None = None,
        stream: str | None = None,
        prefix: str | None = None,
        replicas: int | None = None,
        domain: str | None = None,
        keep_ids: timedelta = KEEP_IDS,
        max_event_bytes: int = MAX_EVENT_BYTES,
        publish_timeout: float = 30.0,
        **options: Any,
    ) -> None:
        checked_keep_ids(keep_ids)
        checked_seconds(publish_timeout, "publish_timeout")
        urls, said = split(servers)
        if unknown := sorted(said.keys() - {"name", "stream", "prefix", "replicas", "domain"}):
            raise ValueError(f"the URL of a log on NATS has name, stream, prefix, replicas, domain; not {unknown}")
        name = checked_name(said.get("name", "log") if name is None else name, "a log")
        self.connected: State[bool] = State(False, name=f"connection of log {name}")
        self._made: Callable[[], Engine] = partial(
            NATSEngine,
            urls,
            name,
            stream=stream or said.get("stream"),
            prefix=prefix or said.get("prefix"),
            replicas=int(said.get("replicas", "1")) if replicas is None else replicas,
            domain=domain or said.get("domain"),
            keep_ids=keep_ids,
            publish_timeout=publish_timeout,
            options=options,
            on_connected=self.connected.set,
        )
        self._made()  # refuses what makes no sense where it is written
        self.capabilities: Capabilities = Capabilities(
            durable_on_power_cut=False,
            transactions=False,
            schedule=False,
            last_by=False,
            routed_by=True,
            several_processes=True,
            several_machines=True,
            counts_first_attempt=False,
            notices_dead_members=False,
            trio=False,
        )
        super().__init__(name, max_event_bytes=max_event_bytes)

    def _engine(self) -> Engine:
        return self._made()
