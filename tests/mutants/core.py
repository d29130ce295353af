"""Mutants of the core: subjects, delivery, mailboxes, readers, observers."""

from __future__ import annotations

from typing import Any

from anyio.lowlevel import checkpoint

from tests.mutants._mutant import edited, mutant

CANCELLING = "tests/contract/test_04_cancelling_loses_nothing.py"
ACCOUNTS = "tests/contract/test_06_accounted_for.py"
END = "tests/contract/test_08_the_end_reaches_everyone.py"
DEADLOCK = "tests/contract/test_09_deadlock_is_refused.py"


@mutant(
    "evenflow._subscription:Subscription._next",
    breaks="guarantee 4",
    kills=[
        f"{CANCELLING}::test_task_cancel_at_any_tick_around_a_delivery_loses_nothing",
        f"{CANCELLING}::test_a_batch_is_returned_whole_or_stays_whole",
    ],
)
def waits_with_an_event_in_hand(receive: Any) -> Any:
    """A reader lets the loop turn between taking an event and returning it."""

    async def wait_with_it(*args: Any, **options: Any) -> Any:
        event = await receive(*args, **options)
        await checkpoint()
        return event

    return wait_with_it


@mutant(
    "evenflow._mailbox:Mailbox.discard",
    breaks="guarantee 6",
    kills=[
        f"{ACCOUNTS}::test_discarded_counts_what_was_waiting_when_it_was_closed",
        f"{ACCOUNTS}::test_leaving_the_block_discards_what_is_left",
    ],
)
def discarded_is_not_counted(discard: Any) -> Any:
    """What waits when a subscription is closed is in no sum."""

    def discard_in_silence(self: Any, end: Any) -> Any:
        before = self.discarded
        rest = discard(self, end)
        self.discarded = before
        return rest

    return discard_in_silence


@mutant(
    "evenflow._mailbox:Mailbox.finish",
    breaks="guarantee 8",
    kills=[f"{END}::test_close_wakes_readers_that_wait", f"{END}::test_all_readers_of_one_subscription_get_the_end"],
)
def readers_hang(finish: Any) -> Any:
    """Readers that wait are not woken by the end."""
    return edited(finish, "self.rouse()", "pass")


@mutant(
    "evenflow._waiting:refuse_deadlock",
    breaks="guarantee 9",
    kills=[
        f"{DEADLOCK}::test_the_only_reader_that_publishes_into_its_own_full_subscription",
        f"{DEADLOCK}::test_through_two_subjects",
    ],
)
def deadlocks_are_waited_for(_: Any) -> Any:
    """A publish that can never go on waits all the same."""
    return lambda task: None
