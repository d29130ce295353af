"""evenflow: typed, backpressured publish/subscribe for asyncio.

The house, top to bottom; a file imports only from the bands above its own (import-linter holds it):

    words       _errors  _turns  _loops  _statistics  _fields  _conditions  _comparable  _events
    decisions   _routing  _items  _readers  _buffer  _credit  _mailbox  _history  _explain
    streams     streams
    delivery    _options  _subscription  _admission  _deadlock  _roster  _placing  _waiting  _publishing
                _observers  _threads  _observing  _subscribing  _subject  _state  _share
    edges       testing  cli
"""

from ._comparable import one_of as one_of, present as present
from ._conditions import Condition as Condition, when as when
from ._errors import (
    Deadlock as Deadlock,
    DecodeError as DecodeError,
    EvenflowError as EvenflowError,
    LogError as LogError,
    SlowSubscriber as SlowSubscriber,
    SubjectClosed as SubjectClosed,
    Unsupported as Unsupported,
)
from ._events import Event as Event, fields as fields
from ._explain import Explanation as Explanation
from ._gaps import Gap as Gap
from ._mailbox import Overflow as Overflow
from ._observers import Observer as Observer, ObserverFailed as ObserverFailed
from ._share import share as share
from ._state import State as State
from ._statistics import (
    ObserverStatistics as ObserverStatistics,
    SubjectStatistics as SubjectStatistics,
    SubscriptionStatistics as SubscriptionStatistics,
)
from ._subject import Publisher as Publisher, Source as Source, Subject as Subject
from ._subscription import Subscription as Subscription
from .streams._stream import Stream as Stream, interval as interval, stream as stream, timer as timer
