"""Which subscriptions want this event. Pure: no waiting, no event loop.

_classes.py    whether the class of an event says what isinstance would say
_values.py     which values may be found by hash, and which by order
_spans.py      intervals, found by a point that lies in them
_interest.py   what a subscription says it wants, checked and taken apart
_plan.py       from a condition to the places in the index where it can be found
_entries.py    what the index holds at its places
_tables.py     the places: by key, and within a key by span
_index.py      who of those with a condition wants this very event
_routes.py     who wants events of one class
_router.py     classes of events, and who wants events of each
"""

from ._interest import Interest as Interest, classes_in as classes_in
from ._router import Router as Router
from ._routes import Route as Route, Target as Target, wanted as wanted

__all__ = ["Interest", "Route", "Router", "Target", "classes_in", "wanted"]
