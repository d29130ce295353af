"""What a publish that begins to wait finds, if a subscription was closed or read after the publish looked at it."""

from __future__ import annotations

from collections.abc import Collection

import anyio
import pytest

from evenflow import Subject
from evenflow._admission import Admission, Waiter
from evenflow._mailbox import Mailbox

from .contract.kit import Order, both


@pytest.mark.parametrize("what", ["closed", "read"])
@both
async def test_a_publish_does_not_wait_for_what_became_free_as_it_began_to_wait(
    what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The only full subscription is closed, or read, after the publish has looked and before it stands in the line."""
    subject = Subject(Order)
    subscription = subject.subscribe(Order, buffer=1)
    await subject.publish(Order(n=0))
    join = Admission.join

    def free_first(self: Admission, waiter: Waiter, blocked: Collection[Mailbox]) -> None:
        if what == "closed":
            subscription.close()
        else:
            subscription.receive_nowait()
        join(self, waiter, blocked)

    monkeypatch.setattr(Admission, "join", free_first)
    with anyio.fail_after(1):
        assert await subject.publish(Order(n=1)) == (0 if what == "closed" else 1)
    await subscription.aclose()
