"""The engine on SQLite: one file, no server, several processes of one machine.

Who owns what:

    _engine    SQLiteEngine: the face; what runs between open and close
    _jobs      Job, JobQueue: what the loop hands to a thread, withdraws, and waits for
    _writer    Writer: the one thread that writes, with group commit; goes on after a fault
    _changes   Batch: one write transaction, and what a Change does in it
    _ids       Ids: the ids that publishers gave, within one transaction
    _removal   retention and the pruning of ids, within one transaction
    _reads     Readers: the threads that read;  _queries: what they ask
    _notices   Notices: the mark, who waits for it, and the thread that looks for other processes' commits
    _schema    tables, their version, the lines of history;  _connect: how a connection is opened
    _lock      WriteLock: one writer over all processes;  _members: who lives, and what each has begun
    _files     where a log must not lie;  _faults: what an error of SQLite means;  _copies: backup
"""

from ._engine import SQLiteEngine

__all__ = ["SQLiteEngine"]
