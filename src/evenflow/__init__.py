"""evenflow: typed, backpressured publish/subscribe for asyncio.

The house, top to bottom; a file imports only from what stands below it (import-linter holds it, pyproject.toml):

    edges       cli  testing
    delivery    _share  _state  _subject  _signatures  _supervisor  _threads  _observers  _handling  _handlers
                _drain  _subscription  _watch  _life  _delivery  _waiting  _members  _binding  _options
    streams     streams
    back ends   _crew  _loop  _backends  _fork
    decisions   _explain  _deadlock  _gate  _history  _mailbox  _readers  _buffer  _gaps  _fairness  _routing
    words       _events  _comparable  _conditions  _fields  _statistics  _ends  _errors

docs/explanation/how-it-works.md is the first page for whoever changes the code.
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

__version__ = "0.1.0"
__all__ = [
    "Condition",
    "Deadlock",
    "DecodeError",
    "EvenflowError",
    "Event",
    "Explanation",
    "Gap",
    "LogError",
    "Observer",
    "ObserverFailed",
    "ObserverStatistics",
    "Overflow",
    "Publisher",
    "SlowSubscriber",
    "Source",
    "State",
    "Stream",
    "Subject",
    "SubjectClosed",
    "SubjectStatistics",
    "Subscription",
    "SubscriptionStatistics",
    "Unsupported",
    "__version__",
    "fields",
    "interval",
    "one_of",
    "present",
    "share",
    "stream",
    "timer",
    "when",
]
