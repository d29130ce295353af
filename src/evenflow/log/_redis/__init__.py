"""The engine on Redis or Valkey: one log in one slot of one server, for processes on several machines.

Who owns what:

    _engine         RedisEngine: the face
    _opening        Opening: what runs between open and close;  _server: what a server must be like
    _line           Line: one connection that is made again;  Health: whether the server can be reached
    _pump           Pump: what many tasks ask, gathered into rounds; time limits, and what cancelling does
    _commits        Commits: changes, in numbered batches, each made once;  _encoding: a change as arguments
    _reads          Reads: what can be asked again;  _queries: what is asked, and what the replies mean
    _commit_script  the script that makes changes;  _scripts: all others
    _history        History: the lines of history, and a server that knows less than this process
    _marks          Marks: the mark, who waits for it, and the bell that other processes ring
    _members        Members: the thread that says that this process lives, and what it has begun
    _names          the layout of the data;  _address: the URL;  _faults: what an error of the server means
"""

from ._address import name_in
from ._engine import RedisEngine

__all__ = ["RedisEngine", "name_in"]
