"""The numbers of subjects, subscriptions and observers: frozen copies, made when they are asked for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class SubscriptionStatistics:
    """The numbers of one subscription.

    Always ``wanted == delivered + replaced + dropped + discarded + waiting``.

    Attributes:
        name: the subscription's name.
        wanted: events that it wanted, its replay included.
        delivered: events that a reader has received.
        replaced: events that a newer event of the same key has replaced (``conflate``).
        dropped: events that were dropped because the buffer was full.
        discarded: events that were still in the buffer when the subscription was closed.
        waiting: events that wait to be read, the rest of the replay included.
        capacity: how many events the buffer can hold.
        lag: how many numbers of a log it is behind, at least as many as events that it wants; 0 in memory.
        undecodable: how many events of a log nobody here could read, and were skipped (``on_undecodable="skip"``).
    """

    name: str
    wanted: int
    delivered: int
    replaced: int
    dropped: int
    discarded: int
    waiting: int
    capacity: int
    lag: int = 0
    undecodable: int = 0


@dataclass(frozen=True, slots=True)
class ObserverStatistics:
    """The numbers of one observer.

    Attributes:
        name: the observer's name.
        running: whether it is subscribed now.
        handled: events whose handler has ended, in whatever way.
        failed: the handled events whose handler raised.
        handling: events whose handler is running.
        cancelled: events that it did not finish, because it was cut off: those of `Observer.unhandled`.
        subscription: the numbers of its subscription; None before it first ran.
    """

    name: str
    running: bool
    handled: int
    failed: int
    handling: int
    cancelled: int
    subscription: SubscriptionStatistics | None


@dataclass(frozen=True, slots=True)
class SubjectStatistics:
    """The numbers of one subject since it was made, or entered again.

    Attributes:
        name: the subject's name.
        published: events that were published, whether wanted or not.
        deliveries: how often an event was put into a buffer of a subscription.
        waiting_publishers: publishers that wait for room.
        kept: events that are kept for the replay to later subscriptions.
        closed: whether it takes no more events.
        subscriptions: the numbers of each active subscription, those of observers included.
        observers: the numbers of each observer, running or not.
    """

    name: str
    published: int
    deliveries: int
    waiting_publishers: int
    kept: int
    closed: bool
    subscriptions: tuple[SubscriptionStatistics, ...]
    observers: tuple[ObserverStatistics, ...]
