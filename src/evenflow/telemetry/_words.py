"""The names of spans, attributes and metrics: those of OpenTelemetry's messaging conventions, and evenflow's own.

The conventions are in development, so their strings are copied here: no package of theirs is needed at run time, and
nothing changes under a dashboard when one is updated. The tests compare them with the package that is installed.
"""

from __future__ import annotations

from typing import Final, NamedTuple

SCOPE: Final = "evenflow"
"""The name of the tracer and of the meter."""

# ---------------------------------------------------------------------- attributes, by the conventions
SYSTEM: Final = "messaging.system"
OPERATION_NAME: Final = "messaging.operation.name"
OPERATION_TYPE: Final = "messaging.operation.type"
DESTINATION: Final = "messaging.destination.name"
ANONYMOUS: Final = "messaging.destination.anonymous"
SUBSCRIPTION: Final = "messaging.destination.subscription.name"
GROUP: Final = "messaging.consumer.group.name"
MESSAGE_ID: Final = "messaging.message.id"
BATCH: Final = "messaging.batch.message_count"
ERROR_TYPE: Final = "error.type"

# ---------------------------------------------------------------------- operations: their names, and their types
PUBLISH: Final = "publish"
SCHEDULE: Final = "schedule"
PROCESS: Final = "process"
RECEIVE: Final = "receive"
TYPES: Final = {PUBLISH: "send", SCHEDULE: "send", PROCESS: "process", RECEIVE: "receive"}

# ---------------------------------------------------------------------- attributes that the conventions do not have
ATTEMPT: Final = "evenflow.delivery.attempt"
"""How often the event was handed over, this time included."""


class Metric(NamedTuple):
    """A metric: its name, its unit, what it is, and whether it only grows."""

    name: str
    unit: str
    about: str
    grows: bool = False


SENT: Final = Metric("messaging.client.sent.messages", "{message}", "Events that were published.", grows=True)
CONSUMED: Final = Metric(
    "messaging.client.consumed.messages", "{message}", "Events that were handed to a reader or a handler.", grows=True
)
DURATION: Final = Metric("messaging.process.duration", "s", "How long handlers took.")
DROPPED: Final = Metric(
    "evenflow.subscription.dropped", "{message}", "Events that were dropped because a buffer was full.", grows=True
)
REPLACED: Final = Metric(
    "evenflow.subscription.replaced", "{message}", "Events that a newer one of their key has replaced.", grows=True
)
WAITING: Final = Metric("evenflow.subscription.waiting", "{message}", "Events that wait in buffers.")
FILL: Final = Metric("evenflow.subscription.fill", "1", "How full the fullest buffer is, from 0 to 1.")
BLOCKED: Final = Metric("evenflow.subject.waiting_publishers", "{publish}", "Publishes that wait for room.")
DUE: Final = Metric("evenflow.group.due", "{message}", "Events that a group could handle now.")
OLDEST_DUE: Final = Metric("evenflow.group.oldest_due", "s", "How long the oldest of these has been there.")
IN_HAND: Final = Metric("evenflow.group.in_hand", "{message}", "Events that a group has claimed and not settled.")
RETRYING: Final = Metric("evenflow.group.retrying", "{message}", "Events that are tried again later.")
DEAD: Final = Metric("evenflow.group.dead_letters", "{message}", "Events that a group has given up on.")

OBSERVED: Final = (
    SENT, CONSUMED, DROPPED, REPLACED, WAITING, FILL, BLOCKED, DUE, OLDEST_DUE, IN_HAND, RETRYING, DEAD,
)  # fmt: skip
"""The metrics that are numbers of evenflow's own, looked at when somebody collects."""

BOUNDARIES: Final = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1, 2.5, 5, 7.5, 10)
"""The buckets of durations, in seconds, that the conventions ask for."""
