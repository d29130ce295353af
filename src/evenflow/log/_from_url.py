"""A log by its address: the file's path, or a URL whose scheme names the engine."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qsl, unquote, urlsplit

from ._sqlite_log import SQLiteLog

if TYPE_CHECKING:
    from ._log import Log

_SERVERS: Final = {
    "nats": ("nats", "NATSLog"),
    "tls": ("nats", "NATSLog"),
    "redis": ("redis", "RedisLog"),
    "rediss": ("redis", "RedisLog"),
    "valkey": ("redis", "RedisLog"),
    "valkeys": ("redis", "RedisLog"),
    "unix": ("redis", "RedisLog"),
    "postgres": ("postgres", "PostgresLog"),
    "postgresql": ("postgres", "PostgresLog"),
}
"""The module and class of each scheme's engine. It is imported only when it is asked for: it needs an extra."""


def from_url(url: str, /, **options: Any) -> Log:
    """The log at this address: ``sqlite:///orders.db``, ``sqlite:////var/lib/orders.db``, or the path of a file.

    Or that on a server: ``redis://``, ``rediss://``, ``valkey://``, ``valkeys://``, ``unix://`` (Redis or Valkey);
    ``postgresql://``, ``postgres://`` (PostgreSQL); ``nats://``, ``tls://`` (NATS JetStream).

    ``options`` are those of the engine's own class; ``?name=shop`` in the address is the log's name.

    Raises:
        TypeError: it is no str, or an option is none of the engine's.
        ValueError: no engine is known for its scheme, or the address of a file has more in it than a name.
        ImportError: the engine's extra is not installed; the message has the command that installs it.
    """
    if not isinstance(url, str):
        raise TypeError(f"from_url takes a URL or the path of a file, not {url!r}")
    if "://" not in url:
        return SQLiteLog(url, **options)
    scheme = url.partition("://")[0]
    if scheme in _SERVERS:
        made: Log = _class_of(scheme)(url, **options)
        return made
    parts = urlsplit(url)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        raise ValueError(
            f"no log is known at {parts.scheme}://{parts.netloc.rpartition('@')[2]}: the engines that evenflow has are"
            " sqlite, with sqlite:///a/relative/path.db or sqlite:////an/absolute/path.db, and"
            f" {', '.join(_SERVERS)} with the address of a server"
        )
    return SQLiteLog(unquote(parts.path[1:]), **{**_in_query(parts.query), **options})


def _in_query(query: str) -> dict[str, Any]:
    """What the query of a file's address says: nothing, or the name of the log.

    Raises:
        ValueError: it says something else.
    """
    found: dict[str, Any] = dict(parse_qsl(query, keep_blank_values=True))
    if query and found.keys() != {"name"}:
        raise ValueError(
            f"the address of a log in a file may end with ?name=shop, and not with ?{query}; give options beside it:"
            " from_url('sqlite:///shop.db', durability='process')"
        )
    return found


def _class_of(scheme: str) -> Any:
    """The class of an engine, which is imported now.

    Raises:
        ImportError: a package that it needs is not installed.
    """
    module, name = _SERVERS[scheme]
    try:
        return getattr(import_module(f"{__package__}.{module}"), name)
    except ImportError as error:
        missing = _not_ours(error)
        if missing is None:
            raise
        raise ImportError(
            f"a log at {scheme}://... needs {missing}, which is not installed: it is in the extra {module!r} of"
            f" evenflow, pip install 'evenflow[{module}]'",
            name=missing,
        ) from error


def _not_ours(error: BaseException | None) -> str | None:
    """The package that could not be imported, if it is not a part of evenflow; else the error is a mistake of ours."""
    while error is not None:
        if isinstance(error, ModuleNotFoundError) and error.name is not None:
            package = error.name.partition(".")[0]
            return None if package == __name__.partition(".")[0] else package
        error = error.__cause__
    return None
