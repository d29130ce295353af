"""Where the server is, and how connections to it are made. Only here, and in ``_faults``, is redis-py imported.

Rule 1: a connection is made without redis-py's own retries, timeouts and health checks: ours are in ``_line``.
Rule 2: a URL is shown only without its secrets.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, urlencode, urlsplit

import redis
import redis.asyncio
from redis.asyncio.retry import Retry as AsyncRetry
from redis.backoff import NoBackoff
from redis.connection import HiredisRespSerializer
from redis.retry import Retry
from redis.utils import HIREDIS_AVAILABLE

if TYPE_CHECKING:
    from collections.abc import Iterable

SCHEMES: Final = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
"""The schemes of URLs that are understood, and what redis-py calls each."""

_SECRETS: Final = frozenset({"password", "ssl_password", "username"})
BLOCKING_TIMEOUT: Final = 2.0
"""Seconds that the thread which says that this process lives waits for the server."""


_SERIALIZER: Any = HiredisRespSerializer() if HIREDIS_AVAILABLE else None  # its arguments have no types


def packed(connection: Any, commands: Iterable[tuple[Any, ...]]) -> bytes:
    """Commands as they are sent, in one piece. redis-py's connections for asyncio pack in Python even with hiredis."""
    pack = connection.pack_command if _SERIALIZER is None else _SERIALIZER.pack
    return b"".join(chunk for command in commands for chunk in pack(*command))


def masked(url: str, /) -> str:
    """The URL as it may be shown: without a password or the name of a user."""
    parts = urlsplit(url)
    credentials, at, host = parts.netloc.rpartition("@")
    netloc = f"***@{host}" if at and credentials else parts.netloc
    query = urlencode(
        [(name, "***" if name in _SECRETS else value) for name, value in parse_qsl(parts.query)], safe="*/"
    )
    return f"{parts.scheme}://{netloc}{parts.path}{'?' if query else ''}{query}"


def name_in(url: str, /) -> str | None:
    """The name of the log, if the URL has one: ``?name=shop``."""
    return dict(parse_qsl(urlsplit(url).query)).get("name")


def _without_name(url: str) -> str:
    """The URL as redis-py takes it."""
    address, question, query = url.partition("?")
    parts = [part for part in query.split("&") if not part.startswith("name=")]
    return address + (question if any(parts) else "") + "&".join(parts)


class Address:
    """The server of a log.

    Attributes:
        shown: the URL, without its secrets.

    Raises:
        TypeError: the URL is no str.
        ValueError: redis-py makes no sense of it.
    """

    def __init__(self, url: str, /) -> None:
        if not isinstance(url, str):
            raise TypeError(f"the URL of a server must be a str such as redis://localhost:6379/0, not {url!r}")
        scheme, found, rest = url.partition("://")
        if not found or scheme not in SCHEMES:
            raise ValueError(
                f"the URL of a Redis or Valkey server begins with {', '.join(f'{name}://' for name in SCHEMES)};"
                f" {masked(url)!r} does not"
            )
        self.shown: str = masked(url)
        self._url = _without_name(f"{SCHEMES[scheme]}://{rest}")
        self._moved: dict[str, Any] = {}
        try:
            self.connection()
            self.blocking()
        except (TypeError, ValueError, redis.RedisError):
            # the cause is not shown: it may hold what is masked here
            raise ValueError(
                f"no connection can be made of the URL {self.shown!r}: an option of it is unknown"
            ) from None

    def __repr__(self) -> str:
        return f"Address({self.shown!r})"

    def move(self, host: str, port: int) -> None:
        """A server of a cluster has said that another one has this log."""
        self._moved = {"host": host or self._moved.get("host", "localhost"), "port": port}

    def connection(self) -> Any:
        """A new connection for the loop, not connected yet."""
        made: Any = redis.asyncio.ConnectionPool  # its options have no types
        pool = made.from_url(self._url)
        return self._made(pool, AsyncRetry(NoBackoff(), 0), None)

    def blocking(self) -> Any:
        """A new connection for a thread, not connected yet."""
        made: Any = redis.ConnectionPool
        pool = made.from_url(self._url)
        return self._made(pool, Retry(NoBackoff(), 0), BLOCKING_TIMEOUT)

    def _made(self, pool: Any, retry: object, timeout: float | None) -> Any:
        options = pool.connection_kwargs
        if "host" in options or "path" not in options:
            options.update(self._moved)
        options.update(
            retry=retry,
            retry_on_error=[],
            retry_on_timeout=False,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            health_check_interval=0,
            decode_responses=False,
            protocol=2,
        )
        return pool.connection_class(**options)
