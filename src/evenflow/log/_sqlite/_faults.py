"""What an error of SQLite means: whose fault it is, and whether something was stored.

the engine's: a full disk, an I/O error, a file that cannot be opened, is busy, or is no database; all of the system's
the caller's: everything else, such as a statement that breaks a constraint
"""

from __future__ import annotations

import errno
import sqlite3
from typing import Final

from evenflow._errors import LogError, Uncertain

_WAYS_OUT: Final = {
    sqlite3.SQLITE_FULL: "the disk is full; free some space, the log goes on by itself",
    sqlite3.SQLITE_IOERR: "the disk reports an error; once it is gone, the log goes on by itself",
    sqlite3.SQLITE_READONLY: "the file, or its directory, is read-only; allow this user to write to both",
    sqlite3.SQLITE_CANTOPEN: "the file cannot be opened; its directory must exist, and this user must be allowed to"
    " write to the directory and to the files in it",
    sqlite3.SQLITE_NOTADB: "the file is not an SQLite database; give the log a file of its own",
    sqlite3.SQLITE_CORRUPT: "the file is damaged; restore a backup, or save what can be read with"
    " 'sqlite3 FILE .recover'",
    sqlite3.SQLITE_BUSY: "another connection, which is not the log's own, held the file's write lock for too long;"
    " write through log.transaction(), or keep transactions short",
    sqlite3.SQLITE_LOCKED: "another connection of this process holds a lock; close what reads or writes beside the log",
    sqlite3.SQLITE_PROTOCOL: "the file's locks do not work; a log must lie on a local file system",
    sqlite3.SQLITE_PERM: "this user may not use the file",
    sqlite3.SQLITE_NOMEM: "there is no memory left",
    sqlite3.SQLITE_AUTH: "this user may not use the file",
}
_OF_THE_SYSTEM: Final = {
    errno.ENOSPC: sqlite3.SQLITE_FULL,
    errno.EDQUOT: sqlite3.SQLITE_FULL,
    errno.EFBIG: sqlite3.SQLITE_FULL,
    errno.EROFS: sqlite3.SQLITE_READONLY,
    errno.EACCES: sqlite3.SQLITE_PERM,
    errno.EPERM: sqlite3.SQLITE_PERM,
    errno.EMFILE: sqlite3.SQLITE_CANTOPEN,
    errno.ENFILE: sqlite3.SQLITE_CANTOPEN,
    errno.ENOLCK: sqlite3.SQLITE_PROTOCOL,
}
_NOT_WRITTEN: Final = frozenset({sqlite3.SQLITE_FULL, sqlite3.SQLITE_BUSY, sqlite3.SQLITE_READONLY})
"""With these, COMMIT has not written the frame that makes a transaction."""
_IOERR_WRITE: Final = sqlite3.SQLITE_IOERR | 3 << 8


def code_of(error: BaseException) -> int:
    """SQLite's extended code, or the one that an error of the system's would have; 0 where there is none."""
    if isinstance(error, OSError):
        return _OF_THE_SYSTEM.get(error.errno or 0, sqlite3.SQLITE_IOERR)
    code = getattr(error, "sqlite_errorcode", 0)
    return code if isinstance(code, int) else 0


def is_fault(error: BaseException) -> bool:
    """Whether the file, the disk or the machine is at fault, and not the caller."""
    primary = code_of(error) & 0xFF
    return isinstance(error, (MemoryError, OSError)) or (primary in _WAYS_OUT and primary != sqlite3.SQLITE_AUTH)


def says_full(error: BaseException) -> bool:
    """Whether something smaller may still fit."""
    return isinstance(error, MemoryError) or code_of(error) & 0xFF == sqlite3.SQLITE_FULL or _is_write_error(error)


def _is_write_error(error: BaseException) -> bool:
    return code_of(error) == _IOERR_WRITE


def log_error(error: BaseException, doing: str, path: str, *, stored: bool | None = False) -> LogError:
    """What a caller gets for an error of SQLite."""
    if isinstance(error, LogError):
        return error
    way_out = _WAYS_OUT.get(code_of(error) & 0xFF, "see the error that this one was raised from")
    message = f"{doing} {path} failed: {str(error) or type(error).__name__}; {way_out}"
    if stored is None:
        message += "; it is not known whether this is stored: done again with the same id, it is there once"
    made = Uncertain(message) if stored is None else LogError(message, stored=stored)
    made.__cause__ = error
    return made


def stored_after_commit(error: BaseException) -> bool | None:
    """Whether a transaction is stored whose COMMIT has failed; None where that is not known.

    The frame that makes a transaction is written last: where writing failed, it is not there. Where the disk failed to
    confirm it, it may be found after a crash.
    """
    return False if code_of(error) & 0xFF in _NOT_WRITTEN or _is_write_error(error) else None
