"""evenflow: typed, backpressured publish/subscribe for asyncio.

The house, top to bottom; a file imports only from the bands above its own (import-linter holds it):

    words       _errors  _loops  _statistics  _events  _fields  _conditions  _comparable
    decisions   _routing  _mailbox  _history  _explain
    streams     streams
    delivery    _options  _subscription  _admission  _deadlock  _publishing  _observers  _threads  _subject  _state  _share
    edges       testing  cli
"""

from ._comparable import one_of as one_of
from ._comparable import present as present
from ._conditions import Condition as Condition
from ._conditions import when as when
from ._errors import Deadlock as Deadlock
from ._errors import DecodeError as DecodeError
from ._errors import EvenflowError as EvenflowError
from ._errors import LogError as LogError
from ._errors import SlowSubscriber as SlowSubscriber
from ._errors import SubjectClosed as SubjectClosed
from ._errors import Unsupported as Unsupported
from ._events import Event as Event
from ._events import fields as fields
from ._items import Gap as Gap
from ._mailbox import Overflow as Overflow
from ._observers import Observer as Observer
from ._observers import ObserverFailed as ObserverFailed
from ._state import State as State
from ._statistics import ObserverStatistics as ObserverStatistics
from ._statistics import SubjectStatistics as SubjectStatistics
from ._statistics import SubscriptionStatistics as SubscriptionStatistics
from ._subject import Publisher as Publisher
from ._subject import Source as Source
from ._subject import Subject as Subject
from ._subscription import Subscription as Subscription
from .streams import Stream as Stream
