"""Streams: what can be read one by one, at the reader's pace, and the operators on it.

Layout: a file imports only from those above it.

    _node        what a chain is made of while it runs
    _link        operators on one source that run no task
    _source      where a chain begins
    _transform   one event at a time
    _sink        out
    _stream      Stream: all of it in one class, and ``stream()``
"""

from evenflow.streams._stream import Stream as Stream, stream as stream
