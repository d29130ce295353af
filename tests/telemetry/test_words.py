"""The strings of the conventions are copied: here they are compared with the package that is installed."""

from __future__ import annotations

import pytest
from opentelemetry.semconv._incubating.attributes import messaging_attributes as conventions
from opentelemetry.semconv._incubating.metrics import messaging_metrics as metrics
from opentelemetry.semconv.attributes import error_attributes

from evenflow.telemetry import _words as words


@pytest.mark.parametrize(
    "ours, theirs",
    [
        (words.SYSTEM, conventions.MESSAGING_SYSTEM),
        (words.OPERATION_NAME, conventions.MESSAGING_OPERATION_NAME),
        (words.OPERATION_TYPE, conventions.MESSAGING_OPERATION_TYPE),
        (words.DESTINATION, conventions.MESSAGING_DESTINATION_NAME),
        (words.ANONYMOUS, conventions.MESSAGING_DESTINATION_ANONYMOUS),
        (words.SUBSCRIPTION, conventions.MESSAGING_DESTINATION_SUBSCRIPTION_NAME),
        (words.GROUP, conventions.MESSAGING_CONSUMER_GROUP_NAME),
        (words.MESSAGE_ID, conventions.MESSAGING_MESSAGE_ID),
        (words.BATCH, conventions.MESSAGING_BATCH_MESSAGE_COUNT),
        (words.ERROR_TYPE, error_attributes.ERROR_TYPE),
        (words.SENT.name, metrics.MESSAGING_CLIENT_SENT_MESSAGES),
        (words.CONSUMED.name, metrics.MESSAGING_CLIENT_CONSUMED_MESSAGES),
        (words.DURATION.name, metrics.MESSAGING_PROCESS_DURATION),
    ],
)
def test_a_name_is_the_conventions(ours: str, theirs: str) -> None:
    """A dashboard that is made for the conventions finds what it looks for."""
    assert ours == theirs


def test_the_types_of_operations_are_the_conventions() -> None:
    """Each operation has one of the types that are not deprecated."""
    allowed = {value.value for value in conventions.MessagingOperationTypeValues} - {"deliver", "publish"}
    assert set(words.TYPES.values()) <= allowed


def test_what_the_conventions_do_not_have_is_named_as_evenflows_own() -> None:
    """A name of ours cannot be taken by a later version of the conventions."""
    own = {metric.name for metric in words.OBSERVED} - {words.SENT.name, words.CONSUMED.name} | {words.ATTEMPT}
    assert all(name.startswith("evenflow.") for name in own)
    assert len({metric.name for metric in words.OBSERVED}) == len(words.OBSERVED)
