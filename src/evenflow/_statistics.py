"""What subjects and subscriptions say of themselves: frozen, plain numbers, read when somebody asks."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubscriptionStatistics:
    """The ledger of one subscription.

    Always ``wanted == delivered + replaced + dropped + discarded + waiting``.

    Attributes:
        name: the subscription's name.
        wanted: events that were for it, its replay among them.
        delivered: events that a reader was given.
        replaced: events that a newer one of the same key replaced (``conflate``).
        dropped: events given up because the buffer was full.
        discarded: events still waiting when the subscription was closed.
        waiting: events that wait now, the rest of the replay among them.
        capacity: how many events the buffer holds at the most.
    """

    name: str
    wanted: int
    delivered: int
    replaced: int
    dropped: int
    discarded: int
    waiting: int
    capacity: int


@dataclass(frozen=True, slots=True)
class ObserverStatistics:
    """What an observer has done.

    Attributes:
        name: the observer's name.
        running: whether it is subscribed now.
        handled: events whose handler has ended, by whatever way.
        failed: those of them whose handler raised.
        handling: events whose handler runs now.
        subscription: the ledger of its subscription; None before it first ran.
    """

    name: str
    running: bool
    handled: int
    failed: int
    handling: int
    subscription: SubscriptionStatistics | None


@dataclass(frozen=True, slots=True)
class SubjectStatistics:
    """What a subject has done since it was made, or entered again.

    Attributes:
        name: the subject's name.
        published: events that were published, wanted or not.
        deliveries: how often an event went to a subscription.
        waiting_publishers: publishers that wait for room now.
        kept: events kept for the replay of later subscriptions.
        closed: whether it takes no more events.
        subscriptions: a ledger for each active subscription, those of observers among them.
        observers: one each, running or not.
    """

    name: str
    published: int
    deliveries: int
    waiting_publishers: int
    kept: int
    closed: bool
    subscriptions: tuple[SubscriptionStatistics, ...]
    observers: tuple[ObserverStatistics, ...]
