"""What the address of a log in PostgreSQL says beside the server: ``?schema=shop&name=shop``.

So that one text names the log, for ``from_url`` and for the command line.
"""

from __future__ import annotations

from typing import NamedTuple
from urllib.parse import parse_qsl, urlencode, urlsplit, urlunsplit

OURS = ("schema", "name")


class Address(NamedTuple):
    """The address as asyncpg takes it, and what is ours; None where the address does not say."""

    dsn: str
    schema: str | None
    name: str | None


def address_in(dsn: str, /) -> Address:
    """Take apart what was given: everything but a URL with a schema or a name stays as it is."""
    try:
        parts = urlsplit(dsn)
        given = parse_qsl(parts.query, keep_blank_values=True)
    except (TypeError, ValueError, AttributeError):  # asyncpg says what is wrong with it
        return Address(dsn, None, None)
    found = {name: value for name, value in given if name in OURS and value}
    if not found:
        return Address(dsn, None, None)
    left = urlencode([(name, value) for name, value in given if name not in OURS])
    return Address(urlunsplit(parts._replace(query=left)), found.get("schema"), found.get("name"))
