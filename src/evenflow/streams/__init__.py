"""Streams: what can be read one event after the other, at the reader's pace, and the operators on it.

Layout: a file imports only from those above it.

    _checks      arguments that an operator refuses
    _node        Node: one source or one operator of a chain
    _ending      what happens when a read brings no event
    _source      where a chain begins
    _operator    one source, read event by event in the reader's task
    _deciding    operators that only decide about an event
    _guarded     operators that wait in more than one place: an engine for each start
    _channel     from the tasks of an operator to its reader
    _read_by     who reads an operator with tasks
    _tasks       the tasks of an operator

    _transform   one event at a time
    _limit       how many
    _timing      in time, and the clocks
    _paced       what is due at a time
    _batches     batches that do not look at the clock
    _combine     several sources at once
    _watching    one source, and others that are watched
    _race        the first of several sources
    _sequential  one source after another
    _failure     failure, and starting again
    _flatten     a stream for each event
    _group_by    a stream for each key

    _chain       a tree of nodes while it is read
    _sinks       out of a stream
    _lazy        the families above, each imported with the first use of one of its operators
    _stream      Stream: the operators, listed; `stream`, `interval`, `timer`

To add an operator: write a rule if it only decides about an event, an operator if it reads one source event by event,
and an engine otherwise. Then list it in `_stream`, in tests/streams/probes.py and in docs/marbles.py.
"""

from typing import TYPE_CHECKING

from evenflow._later import import_later
from evenflow.streams._stream import Stream as Stream, interval as interval, stream as stream, timer as timer

if TYPE_CHECKING:
    from evenflow._share import share as share
else:
    __getattr__ = import_later(__name__, {"share": "evenflow._share"})  # it needs subjects, which import this package
