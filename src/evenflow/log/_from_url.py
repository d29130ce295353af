"""A log by its address: the file's path, or a URL whose scheme names the engine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import unquote, urlsplit

from ._sqlite_log import SQLiteLog

if TYPE_CHECKING:
    from ._log import Log


def from_url(url: str, /, **options: Any) -> Log:
    """The log at this address: ``sqlite:///orders.db``, ``sqlite:////var/lib/orders.db``, or the path of a file.

    ``options`` are those of the engine's own class.

    Raises:
        TypeError: it is no str, or an option is none of the engine's.
        ValueError: no engine is known for its scheme.
    """
    if not isinstance(url, str):
        raise TypeError(f"from_url takes a URL or the path of a file, not {url!r}")
    parts = urlsplit(url)
    if "://" not in url:
        return SQLiteLog(url, **options)
    if parts.scheme != "sqlite" or parts.netloc or not parts.path.strip("/"):
        raise ValueError(
            f"no log is known at {parts.scheme}://{parts.netloc.rpartition('@')[2]}: the engine that evenflow has is"
            " sqlite, with sqlite:///a/relative/path.db or sqlite:////an/absolute/path.db"
        )
    return SQLiteLog(unquote(parts.path[1:]), **options)
