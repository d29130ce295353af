"""Copies of a log that is in use: one snapshot, with a line of history of its own.

Rule 1: a copy is written beside its place and moved there when it is whole and synced: half a
        copy is never taken for one.
Rule 2: what is published while the copy is made is not held up, and is not in it.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from evenflow._errors import LogError

from ._connect import BEGIN, COMMIT, uri
from ._faults import log_error
from ._files import sync_directory
from ._queries import snapshot
from ._schema import begin_lineage

if TYPE_CHECKING:
    from collections.abc import Callable

_PAGES: Final = 2_000
"""Copied between two looks at whether somebody still waits for the copy."""


def back_up(source: sqlite3.Connection, name: str, target: Path, check: Callable[[], object]) -> None:
    """Copy a log; ``check`` raises if nobody wants the copy any more.

    Raises:
        LogError: there is something at the target, or it cannot be written.
    """
    if target.exists():
        raise LogError(f"{target} exists, and a backup replaces nothing; choose another name, or move that file away")
    part = target.with_name(f"{target.name}.evenflow-part")

    def progress(_status: int, _remaining: int, _total: int) -> None:
        check()

    try:
        _remove(part)
        with closing(sqlite3.connect(uri(part, "rwc"), uri=True, isolation_level=None)) as copy:
            # a snapshot: or the copy would begin anew with each commit of somebody else
            with snapshot(source):
                source.execute("SELECT 1 FROM evenflow_meta").fetchone()
                source.backup(copy, pages=_PAGES, progress=progress)
            copy.execute("PRAGMA synchronous = FULL")
            copy.execute(BEGIN)
            begin_lineage(copy)
            copy.execute(COMMIT)
        part.rename(target)
        sync_directory(target.parent)
    except (sqlite3.Error, OSError) as error:
        raise log_error(error, f"backing up {name} to", str(target)) from error
    finally:
        _remove(part)


def _remove(part: Path) -> None:
    for end in ("", "-wal", "-shm", "-journal"):
        with suppress(FileNotFoundError):
            Path(f"{part}{end}").unlink()


def vacuum(connection: sqlite3.Connection) -> None:
    """Write the file anew without the room that removed events have left, and give that back to the disk."""
    connection.execute("VACUUM")
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
