"""The engine on NATS JetStream: one log in one stream, for processes on several machines.

Who owns what:

    _engine    NATSEngine: the face
    _opening   Opening: what runs between open and close
    _stream    what a server and a stream must be like; History: what is known of the log's sequences
    _servers   where the servers are, and how a connection is made;  _line: one connection that is made again
    _commits   Commits: the changes of this process;  _batches: an atomic batch;  _requests: what a task waits for
    _plan      a change as messages
    _reads     Reads: what can be asked again;  _queries: what is asked;  _dues: what is due when
    _layouts   by which fields events were ever routed;  _filters: where what is wanted is;  _merge: several patterns
    _values    messages as events and records
    _marks     Marks: the mark, who waits for it, and how another process's change is heard
    _members   Members: the thread that says that this process lives, and what it has begun
    _names     the layout of the data;  _faults: what an error means
"""

from ._engine import NATSEngine
from ._servers import split

__all__ = ["NATSEngine", "split"]
