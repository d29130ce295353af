"""evenflow: typed, backpressured publish/subscribe for asyncio.

The house, top to bottom; a file imports only from what stands below it (import-linter holds it, pyproject.toml):

    edges       cli  web  telemetry  asyncapi  testing
    log         log
    delivery    _share  _state  _subject  _signatures  _supervisor  _threads  _observers  _handling  _handlers
                _drain  _subscription  _watch  _life  _delivery  _waiting  _members  _binding  _options
    streams     streams
    back ends   _crew  _loop  _backends  _fork
    decisions   _explain  _allowed  _deadlock  _gate  _numbers  _history  _mailbox  _readers  _numbered_buffer
                _buffer  _gaps  _fairness  _routing
    words       _events  _comparable  _conditions  _field_json  _fields  _statistics  _ends  _errors  _later

docs/explanation/how-it-works.md is the first page for whoever changes the code.
"""

from typing import TYPE_CHECKING

from ._comparable import one_of, present
from ._conditions import Condition, when
from ._errors import Deadlock, DecodeError, EvenflowError, LogError, SlowSubscriber, SubjectClosed, Unsupported
from ._events import Event, fields
from ._gaps import Gap
from ._later import import_later
from ._mailbox import Overflow
from ._observers import Observer, ObserverFailed
from ._signatures import Publisher, Source
from ._state import State
from ._subject import Subject
from ._subscription import Subscription
from .streams._stream import Stream, interval, stream, timer

if TYPE_CHECKING:
    from ._allowed import Allowed
    from ._explain import Explanation
    from ._share import share
    from ._statistics import ObserverStatistics, SubjectStatistics, SubscriptionStatistics
else:
    __getattr__ = import_later(
        __name__,
        {
            "Allowed": "evenflow._allowed",
            "Explanation": "evenflow._explain",
            "ObserverStatistics": "evenflow._statistics",
            "SubjectStatistics": "evenflow._statistics",
            "SubscriptionStatistics": "evenflow._statistics",
            "share": "evenflow._share",
        },
    )

__version__ = "0.1.0"
__all__ = [
    "Allowed",
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

if not TYPE_CHECKING:
    __dir__ = __all__.copy  # names that are imported later are listed, too
    del TYPE_CHECKING, import_later
