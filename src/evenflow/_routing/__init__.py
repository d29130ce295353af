"""Which subscriptions want this event. Pure: no waiting, no event loop.

_interest.py   what a subscription says it wants, checked and taken apart
_router.py     classes of events, and who wants events of each
_index.py      who of them wants this very event
"""

from evenflow._routing._interest import Interest as Interest, classes_in as classes_in
from evenflow._routing._router import Route as Route, Router as Router, Target as Target, wanted as wanted

__all__ = ["Interest", "Route", "Router", "Target", "classes_in", "wanted"]
