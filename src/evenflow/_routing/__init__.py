"""Which subscriptions want an event. No waiting, no event loop.

_classes.py    whether the class of an event decides what isinstance says about the event
_values.py     which values can be found by hash, and which by order
_spans.py      intervals, found by a point that lies in them
_interest.py   what a subscription wants: checked, and taken apart
_plan.py       from a condition to the places in the index where it is found
_entries.py    what the index holds at its places
_tables.py     the places of the index: by key, and within a key by interval
_index.py      which subscriptions with a condition want an event
_routes.py     which subscriptions want events of one class
_router.py     all classes of events, and the subscriptions that want them
"""

from ._classes import names as names, refused_event as refused_event, related as related, with_article as with_article
from ._interest import Interest as Interest, classes_in as classes_in, is_async as is_async
from ._router import Router as Router
from ._routes import Route as Route, Target as Target, wanted as wanted

__all__ = [
    "Interest",
    "Route",
    "Router",
    "Target",
    "classes_in",
    "is_async",
    "names",
    "refused_event",
    "related",
    "wanted",
    "with_article",
]
