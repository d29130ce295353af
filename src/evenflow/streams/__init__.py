"""Streams: what can be read one by one, at the reader's pace, and the operators on it.

Layout: a file imports only from those above it.

    _node        what a chain is made of while it runs
    _link        operators on one source that run no task
    _source      where a chain begins
    _crew        the tasks of an operator, and how they hand events to the reader
    _sequel      operators that read one stream after another
    _transform   one event at a time
    _limit       how many
    _paced       what is due at a time
    _timing      in time
    _combine     several sources
    _flatten     streams of streams
    _failure     failure, and starting again
    _sink        out
    _stream      Stream: all of it in one class; `stream`, `interval`, `timer`
"""

from importlib import import_module
from typing import TYPE_CHECKING

from evenflow.streams._stream import Stream as Stream, interval as interval, stream as stream, timer as timer

if TYPE_CHECKING:
    from evenflow._share import share as share
else:

    def __getattr__(name: str) -> object:
        """Give `share`, which stands on subjects, and so outside this band, from here as well."""
        if name == "share":
            return import_module("evenflow._share").share
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
