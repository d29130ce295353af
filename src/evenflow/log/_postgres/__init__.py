"""The engine on PostgreSQL: a schema in a database, which processes on several machines may use at once.

Who owns what:

    _engine       PostgresEngine: the face; what runs between open and close
    _address      what a URL says beside the server: the schema and the name
    _connections  Connections: a few connections, made again when they are lost, and the limits of all that waits
    _prepared     Session: a connection, and the statements that the server need not read again
    _schema       tables and functions, their version, the lines of history
    _changes      Writer: group commit, and what became of a commit whose answer was lost
    _calls        what one call that makes changes is given, and who hears what of it
    _queries      what readers ask
    _pulse        Pulse thread: looks for others' commits, says that this process lives, moves the outbox
    _outbox       publishing inside the application's own transaction
"""

from ._engine import PostgresEngine

__all__ = ["PostgresEngine"]
