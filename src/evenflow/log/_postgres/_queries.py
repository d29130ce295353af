"""What readers ask; each function is given a session, and the schema's quoted name, and asks one statement."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from evenflow.log._stored import NONE, Page, Record, Row, Size

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from ._prepared import Session

LOOKED_AT: Final = 10_000
"""How many events one read looks at, where it wants only some types."""
_NEWEST: Final = 2**62
_BEHIND: Final = "\U0010ffff"


async def read(
    session: Session, s: str, subject: str, after: int, limit: int, types: Collection[str] | None, until: int | None
) -> Page:
    """A page of a subject's events."""
    most = _NEWEST if until is None else until
    many = limit if types is None else LOOKED_AT
    found = await session.fetch(f"SELECT * FROM {s}.read($1, $2, $3, $4)", subject, after, most, many)
    return _page(found, after, limit, types, many, most)


async def read_with_due(
    session: Session, s: str, subject: str, after: int, limit: int, types: Collection[str] | None, prefix: str,
    until: float, most: int,
) -> tuple[Page, Mapping[str, Record]]:  # fmt: skip
    """A page of a subject's newest events, and the records that are due until a time: in one round trip."""
    many = limit if types is None else LOOKED_AT
    found = await session.fetch(
        f"""SELECT * FROM {s}.read($1, $2, {_NEWEST}, $3)
        UNION ALL (SELECT version, key, NULL, encode(value, 'hex'), due::text, NULL, NULL FROM {s}.record
            WHERE due <= $4 AND key >= $5 AND key < $6 ORDER BY due, key LIMIT $7)""",
        subject, after, many, until, prefix, prefix + _BEHIND, most,
    )  # fmt: skip
    records: dict[str, Record] = {}
    while found[-1]["time"] is None:
        version, key, _, value, due, *_ = found.pop()
        records[key] = Record(bytes.fromhex(value), version, float(due))
    return _page(found, after, limit, types, many, _NEWEST), dict(reversed(records.items()))


def _page(found: Any, after: int, limit: int, types: Collection[str] | None, many: int, most: int) -> Page:
    """The page that ``read()`` has answered: what it says of the subject, and at most so ``many`` events."""
    newest, *_, floor = found[0]
    del found[0]
    looked_at = found[-1][0] if len(found) == many else min(newest, most)
    if types is not None:
        wanted = frozenset(types)
        found = [row for row in found if row[1] in wanted]
    full = len(found) >= limit
    rows = [
        Row(seq, name, version, data.encode(), NONE if headers is None else json.loads(headers), id_ or "", time)
        for seq, name, version, data, headers, id_, time in found[:limit]
    ]
    through = rows[-1].seq if full else looked_at
    return Page(rows, max(after, through), floor)


async def number(session: Session, s: str, what: str, subject: str) -> int:
    """A column of a subject: ``last`` or ``floor``."""
    found = await session.fetchval(f"SELECT {what} FROM {s}.subject WHERE name = $1", subject)
    return int(found or 0)


async def place(session: Session, s: str, subject: str, time: int) -> int:
    """The number before the first event at or after a time."""
    return int(await session.fetchval(f"SELECT {s}.place($1, $2)", subject, time))


async def older_than(session: Session, s: str, subject: str, events: int) -> int:
    """The number of the newest event with as many newer ones."""
    query = f"""SELECT e.seq FROM {s}.event e JOIN {s}.subject s ON s.name = e.subject
        WHERE e.subject = $1 AND e.seq > s.hidden ORDER BY e.seq DESC LIMIT 1 OFFSET $2"""
    return int(await session.fetchval(query, subject, events) or 0)


async def trim(session: Session, s: str, subject: str, through: int, limit: int, keep: bool) -> int:
    """Remove the oldest events up to a number."""
    return int(await session.fetchval(f"SELECT {s}.trim($1, $2, $3, $4)", subject, through, limit, keep))


async def subjects(session: Session, s: str) -> Sequence[str]:
    """The names of all subjects, sorted."""
    return [row["name"] for row in await session.fetch(f"SELECT name FROM {s}.subject ORDER BY name")]


async def size(session: Session, s: str) -> Size:
    """How many events are stored, and how many bytes the log's tables have."""
    row = await session.fetchrow(
        f"""SELECT (SELECT seq FROM {s}.counter) - (SELECT coalesce(sum(removed), 0) FROM {s}.subject) AS events,
        (SELECT coalesce(sum(pg_total_relation_size(c.oid)), 0) FROM pg_class c JOIN pg_namespace n
            ON n.oid = c.relnamespace WHERE n.nspname = $1 AND c.relkind = 'r') AS bytes""",
        s.strip('"'),
    )
    return Size(int(row["events"]), int(row["bytes"]))


# ---------------------------------------------------------------------- records


async def load(session: Session, s: str, keys: Collection[str], prefix: str | None) -> Mapping[str, Record]:
    """Records by key and by prefix, sorted by key."""
    low, high = ("", "") if prefix is None else (prefix, prefix + _BEHIND)
    condition = "key = ANY($1) OR (key >= $2 AND key < $3)" if prefix is not None else "key = ANY($1) AND $2 = $3"
    return await _records(session, s, f"WHERE {condition} ORDER BY key", list(keys), low, high)


async def due(session: Session, s: str, prefix: str, until: float, limit: int) -> Mapping[str, Record]:
    """Records that are due until a time, the earliest first."""
    rest = "WHERE due <= $1 AND key >= $2 AND key < $3 ORDER BY due, key LIMIT $4"
    return await _records(session, s, rest, until, prefix, prefix + _BEHIND, limit)


async def next_due(session: Session, s: str, prefix: str) -> float | None:
    """When the next record is due."""
    query = f"SELECT min(due) FROM {s}.record WHERE due IS NOT NULL AND key >= $1 AND key < $2"
    found: float | None = await session.fetchval(query, prefix, prefix + _BEHIND)
    return found


async def _records(session: Session, s: str, rest: str, *parameters: Any) -> dict[str, Record]:
    rows = await session.fetch(f"SELECT key, value, version, due FROM {s}.record {rest}", *parameters)
    return {row["key"]: Record(row["value"], row["version"], row["due"]) for row in rows}
