"""The tables of a log in PostgreSQL, how they are made and brought up, and the lines of its history.

A person reads a log with a ``SELECT`` on ``<schema>.event``: headers and data are text, times are microseconds.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from evenflow._errors import LogError
from evenflow.log._stored import Absent, Lineage

from ._functions import make_functions

if TYPE_CHECKING:
    from collections.abc import Sequence

VERSION: Final = 5
"""Of the tables and functions; a schema of a newer one is refused, an older one is brought up to this."""

OLDEST_SERVER: Final = 13
"""The oldest version that can be asked what became of a transaction by its 64-bit number."""

_TABLES: Final = """
CREATE TABLE {s}.meta (name text PRIMARY KEY, value text NOT NULL);
CREATE TABLE {s}.counter (one boolean PRIMARY KEY DEFAULT true CHECK (one), seq bigint NOT NULL DEFAULT 0,
    time bigint NOT NULL DEFAULT 0, partitions bigint NOT NULL DEFAULT 0);
INSERT INTO {s}.counter DEFAULT VALUES;
CREATE SEQUENCE {s}.version;
CREATE TABLE {s}.event (seq bigint NOT NULL, subject text COLLATE "C" NOT NULL, type text NOT NULL,
    version integer NOT NULL, id text, time bigint NOT NULL, headers text, data text NOT NULL, key text)
    PARTITION BY RANGE (seq);
CREATE UNIQUE INDEX ON {s}.event (subject, seq);
CREATE INDEX ON {s}.event (subject, key, seq) WHERE key IS NOT NULL;
CREATE TABLE {s}.subject (name text COLLATE "C" PRIMARY KEY, last bigint NOT NULL DEFAULT 0,
    floor bigint NOT NULL DEFAULT 0, hidden bigint NOT NULL DEFAULT 0, removed bigint NOT NULL DEFAULT 0);
COMMENT ON COLUMN {s}.subject.floor IS 'up to here events may have been removed';
COMMENT ON COLUMN {s}.subject.hidden IS 'up to here all are removed, whether their rows are there or not';
CREATE TABLE {s}.dedup (subject text NOT NULL, id text NOT NULL, seq bigint NOT NULL, digest bytea NOT NULL,
    until bigint, PRIMARY KEY (subject, id));
CREATE INDEX ON {s}.dedup (until);
CREATE TABLE {s}.record (key text COLLATE "C" PRIMARY KEY, version bigint NOT NULL, due double precision,
    value bytea NOT NULL) WITH (fillfactor = 70);
CREATE INDEX ON {s}.record (due) WHERE due IS NOT NULL;
CREATE TABLE {s}.member (member text PRIMARY KEY, at double precision NOT NULL, begun text NOT NULL DEFAULT '[]',
    closed boolean NOT NULL DEFAULT false) WITH (fillfactor = 50);
CREATE TABLE {s}.writer (member text PRIMARY KEY, made bigint NOT NULL, at timestamptz NOT NULL DEFAULT now(),
    outcome text, detail text[], base bigint, seqs bigint[], put_version bigint) WITH (fillfactor = 50);
COMMENT ON TABLE {s}.writer IS 'the newest transaction of each opening: what is asked for when its answer was lost';
CREATE TABLE {s}.outbox (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, subject text NOT NULL,
    type text NOT NULL, version integer NOT NULL, data text NOT NULL, headers text, id text, digest bytea NOT NULL,
    key text, refused text);
CREATE TABLE {s}.lineage (number integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY, id text NOT NULL,
    after bigint NOT NULL, at timestamptz NOT NULL DEFAULT now());
"""

_NEW_COLUMNS: Final = """
ALTER TABLE {s}.writer ADD COLUMN IF NOT EXISTS outcome text, ADD COLUMN IF NOT EXISTS detail text[],
    ADD COLUMN IF NOT EXISTS base bigint, ADD COLUMN IF NOT EXISTS seqs bigint[],
    ADD COLUMN IF NOT EXISTS put_version bigint
"""
"""What tables of version 1 and 2 lack."""


def quoted(schema: str) -> str:
    """The name of a schema, for a statement."""
    return '"' + schema.replace('"', '""') + '"'


async def prepare(connection: Any, schema: str, log: str, *, creates: bool = True) -> Sequence[Lineage]:
    """In a transaction: make what is not there; returns the lines of history.

    Raises:
        Absent: there are no tables, and none are to be made.
        LogError: the server is too old, or the tables are those of a newer evenflow.
    """
    number = int(await connection.fetchval("SHOW server_version_num"))
    if number // 10_000 < OLDEST_SERVER:
        shown = await connection.fetchval("SHOW server_version")
        raise LogError(f"{log} is a PostgreSQL {shown}, and a log needs {OLDEST_SERVER} or newer; upgrade the server")
    s = quoted(schema)
    await connection.execute("SELECT pg_advisory_xact_lock(hashtextextended($1, 0))", f"evenflow {schema}")
    if await connection.fetchval("SELECT to_regclass($1)", f"{s}.meta") is None:
        if not creates:
            raise Absent(f"the log in the schema {schema} of {log}")
        if await connection.fetchval("SELECT to_regnamespace($1)", s) is None:  # IF NOT EXISTS would ask for the right
            await connection.execute(f"CREATE SCHEMA {s}")
        await connection.execute(_TABLES.format(s=s))
        await connection.execute(f"INSERT INTO {s}.meta VALUES ('version', '{VERSION}')")
        await connection.execute(f"INSERT INTO {s}.lineage (id, after) VALUES ($1, 0)", uuid4().hex)
        await make_functions(connection, s)
        await connection.execute(f"SELECT {s}.make_partitions(0)")
    found = int(await connection.fetchval(f"SELECT value FROM {s}.meta WHERE name = 'version'") or 0)
    if found > VERSION:
        raise LogError(
            f"{log} has tables of version {found} in its schema {schema}, and this evenflow knows {VERSION}; upgrade"
            " evenflow, or open it with the one that wrote it"
        )
    if found < VERSION:  # functions of other arguments stay, for whoever has opened it with an older evenflow
        await connection.execute(_NEW_COLUMNS.format(s=s))
        await make_functions(connection, s)
        await connection.execute(f"UPDATE {s}.meta SET value = '{VERSION}' WHERE name = 'version'")
    rows = await connection.fetch(f"SELECT id, after FROM {s}.lineage ORDER BY number")
    return tuple(Lineage(row["id"], row["after"]) for row in rows)
