"""Mutants of the core: subjects, delivery, mailboxes, readers, observers."""

from __future__ import annotations

import math
from types import SimpleNamespace
from typing import Any

from anyio.lowlevel import checkpoint

from evenflow import SubjectClosed
from evenflow._fairness import GIVEN
from tests.mutants._mutant import mutant

ALL_OR_NONE = "tests/contract/test_01_all_or_none.py"
ONE_ORDER = "tests/contract/test_02_one_order.py"
BACKPRESSURE = "tests/contract/test_03_backpressure.py"
OUTRUNNING = "tests/contract/test_03_outrunning.py"
CANCELLING = "tests/contract/test_04_cancelling_loses_nothing.py"
BOUNDED = "tests/contract/test_05_bounded.py"
ACCOUNTS = "tests/contract/test_06_accounted_for.py"
ISOLATION = "tests/contract/test_07_isolation.py"
END = "tests/contract/test_08_the_end_reaches_everyone.py"
DEADLOCK = "tests/contract/test_09_deadlock_is_refused.py"
BEHIND = "tests/contract/test_09_deadlock_behind_an_operator.py"
FAIR = "tests/contract/test_10_fair.py"
LEAKS = "tests/contract/test_11_nothing_leaks.py"


def always(value: object) -> property:
    """An attribute that never changes, whatever is written to it."""
    return property(lambda self: value, lambda self, written: None)


# ---------------------------------------------------------------------- guarantee 1: all or none


@mutant(
    "evenflow._delivery:Delivery._wait_and_commit",
    breaks="guarantee 1",
    kills=[
        f"{ALL_OR_NONE}::test_a_cancelled_publish_that_waited_for_one_of_a_hundred_subscriptions_reached_none",
        f"{ALL_OR_NONE}::test_while_a_publish_waits_no_buffer_has_the_event",
        f"{ALL_OR_NONE}::test_drops_and_disconnects_are_decided_in_the_instant_of_the_publish",
        f"{ONE_ORDER}::test_an_event_that_overtakes_a_waiting_publish_comes_first_for_everybody",
    ],
)
def gives_before_all_have_room(wait_and_commit: Any) -> Any:
    """Subscriptions with room get the event before the full ones have any."""

    async def give_to_some(self: Any, event: Any, targets: Any, ticket: int, claim: Any, freed: Any) -> int:
        first = [mailbox for mailbox in targets.all() if mailbox not in targets.blocked]
        for mailbox in first:
            mailbox.offer(event, targets.keys.get(mailbox))
        rest = SimpleNamespace(
            everyone={mailbox: None for mailbox in targets.of_class.everyone if mailbox not in first},
            conditional={},
            room_until=1 << 30,
        )
        targets.of_class = rest
        targets.chosen = [mailbox for mailbox in targets.chosen if mailbox not in first]
        return len(first) + await wait_and_commit(self, event, targets, ticket, claim, freed)

    return give_to_some


@mutant(
    "evenflow._members:Targets",
    breaks="guarantee 1",
    kills=[f"{ALL_OR_NONE}::test_a_newcomer_gets_the_event_of_a_publish_that_waits"],
)
def forgets_newcomers(targets: Any) -> Any:
    """A subscription made while a publish waits does not get its event."""

    class FoundOnce(targets):
        asked = always(math.inf)

        def __init__(self, of_class: Any, asked: int) -> None:
            everyone = {"everyone": dict(of_class.everyone), "room_until": 1 << 30}
            super().__init__(SimpleNamespace(conditional=of_class.conditional, **everyone), asked)

    return FoundOnce


@mutant(
    "evenflow._subject:Subject.publish",
    breaks="guarantee 1",
    kills=[f"{ALL_OR_NONE}::test_no_reader_has_an_event_before_its_publish_has_returned"],
)
def waits_after_the_commit(publish: Any) -> Any:
    """The loop turns between the commit and the return."""

    async def publish_and_wait(self: Any, event: Any, /) -> int:
        reached = await publish(self, event)
        await checkpoint()
        return reached

    return publish_and_wait


@mutant(
    "evenflow._loop:RunningLoop.is_cancelled",
    breaks="guarantee 1",
    kills=[
        f"{ALL_OR_NONE}::test_publish_in_a_cancelled_scope_reaches_nobody",
        f"{ALL_OR_NONE}::test_publish_many_in_a_cancelled_scope_reaches_nobody",
        f"{OUTRUNNING}::test_a_task_that_was_cancelled_publishes_nothing",
    ],
)
def publishes_in_a_cancelled_scope(_: Any) -> Any:
    """Nobody looks before the commit whether the publisher was cancelled."""
    return lambda self: False


# ---------------------------------------------------------------------- guarantee 2: one order


@mutant(
    "evenflow._buffer:ConflatedBuffer.replace",
    breaks="guarantee 2",
    kills=[
        f"{ONE_ORDER}::test_a_conflated_event_stands_in_the_place_of_the_one_it_replaced",
        "tests/contract/test_conflate.py::test_the_newest_event_of_a_key_takes_the_place_of_the_oldest",
    ],
)
def conflated_goes_to_the_end(_: Any) -> Any:
    """An event that replaces another goes to the end of the buffer."""

    def replace_at_the_end(self: Any, cell: Any, event: object) -> object:
        for lane in (self.outbox, self.inbox):
            if cell in lane:
                lane.remove(cell)
        self.put(cell.key, event)
        return cell.event

    return replace_at_the_end


# ---------------------------------------------------------------------- guarantee 3: backpressure


@mutant(
    "evenflow._mailbox:Mailbox.reserved",
    breaks="guarantee 3",
    kills=[
        f"{BACKPRESSURE}::test_nobody_takes_a_freed_slot_before_the_publish_that_waits_for_it",
        f"{BACKPRESSURE}::test_a_freed_slot_is_reserved_for_the_longest_waiting_publish_while_it_waits_for_another",
    ],
)
def barges_into_a_reserved_slot(_: Any) -> Any:
    """A slot that is reserved for a waiting publish counts as free for everybody."""
    return always(0)


@mutant(
    "evenflow._life:Members",
    breaks="guarantee 3",
    kills=[
        f"{BACKPRESSURE}::test_an_event_that_the_full_subscription_does_not_want_passes_by",
        f"{ISOLATION}::test_a_full_block_subscription_delays_nobody_who_wants_other_events",
    ],
)
def waits_for_strangers(members: Any) -> Any:
    """A publish waits for every full subscription, whether that wants the event or not."""

    class Unknown(dict[Any, Any]):
        def get(self, kind: Any, default: Any = None) -> Any:
            return default

    class AllFull(members):
        def __init__(self, *args: Any) -> None:
            super().__init__(*args)
            self.of_classes = Unknown()

        def find_blocked(self, event: Any, targets: Any, published: int, held: Any = ()) -> None:
            super().find_blocked(event, targets, published, held)
            for mailbox in self.active:
                mailbox.measure()
            full = [mailbox for mailbox in self.unready if mailbox.overflow == "block" and mailbox.room() <= 0]
            targets.blocked += [mailbox for mailbox in full if mailbox not in targets.blocked and mailbox not in held]

    return AllFull


@mutant(
    "evenflow._gate:Gate.join",
    breaks="guarantee 3",
    kills=[
        f"{BACKPRESSURE}::test_publishes_that_wait_for_one_subscription_happen_in_the_order_in_which_they_came",
        f"{BACKPRESSURE}::test_publishes_of_different_types_that_wait_for_one_subscription_keep_their_order",
    ],
)
def latest_goes_first(join: Any) -> Any:
    """Of the publishes that wait for one subscription the latest goes first."""

    def join_in_front(self: Any, waiter: Any, blocked: Any, holding: Any = ()) -> None:
        if waiter not in self.queue:
            waiter.ticket = -waiter.ticket
        join(self, waiter, blocked, holding)

    return join_in_front


@mutant(
    "evenflow._gate:Gate.leave",
    breaks="guarantee 3",
    kills=[f"{BACKPRESSURE}::test_a_cancelled_publish_passes_its_reserved_slots_on"],
)
def passes_no_slots_on(leave: Any) -> Any:
    """A cancelled publish gives its reserved slots back, and wakes nobody for them."""

    def leave_in_silence(self: Any, waiter: Any, had: Any) -> None:
        self.give_back(waiter)
        leave(self, waiter, ())

    return leave_in_silence


# ---------------------------------------------------------------------- guarantee 4: cancelling loses nothing


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
    "evenflow._mailbox:ReaderLine",
    breaks="guarantee 4",
    kills=[f"{CANCELLING}::test_a_cancelled_readers_turn_passes_on"],
)
def cancelled_reader_keeps_its_turn(line: Any) -> Any:
    """When a reader that was woken is cancelled, nobody is woken in its place."""

    class PassesNothingOn(line):
        left = False

        def leave(self, wake_up: Any) -> None:
            super().leave(wake_up)
            self.left = True

        def wake(self, items: int) -> None:
            if not self.left:
                super().wake(items)
            self.left = False

    return PassesNothingOn


# ---------------------------------------------------------------------- guarantee 5: bounded


@mutant(
    "evenflow._buffer:Buffer.__init__",
    breaks="guarantee 5",
    kills=[
        f"{BOUNDED}::test_a_hundred_waiting_publishes_put_nothing_beyond_the_buffer",
        f"{BOUNDED}::test_replay_adds_only_what_is_left_of_it",
    ],
)
def holds_one_too_many(init: Any) -> Any:
    """A buffer takes one event more than it should."""
    return lambda self, capacity: init(self, capacity + 1)


@mutant(
    "evenflow._mailbox:Mailbox.measure",
    breaks="guarantee 5",
    kills=[f"{BOUNDED}::test_an_iterator_does_not_widen_the_buffer"],
)
def outbox_is_not_counted(measure: Any) -> Any:
    """What lies in the outbox takes no room."""

    def measure_the_inbox(self: Any) -> int:
        outbox, self.buffer.outbox = self.buffer.outbox, ()
        try:
            return int(measure(self))
        finally:
            self.buffer.outbox = outbox

    return measure_the_inbox


@mutant(
    "evenflow._history:History.__init__",
    breaks="guarantee 5",
    kills=[
        f"{BOUNDED}::test_a_subject_keeps_no_more_than_its_replay",
        "tests/contract/test_replay.py::test_a_new_subscription_gets_the_last_events_then_what_is_live",
    ],
)
def history_grows(init: Any) -> Any:
    """The history keeps more events than `replay` says."""
    return lambda self, size, key, most: init(self, size + 1_000, key, most)


@mutant(
    "evenflow._history:History.__init__",
    breaks="guarantee 5",
    kills=[
        f"{BOUNDED}::test_replay_by_evicts_the_least_recently_used_key",
        "tests/contract/test_replay.py::test_replay_keys_bounds_the_keys",
    ],
)
def history_forgets_no_key(init: Any) -> Any:
    """The history keeps more keys than `replay_keys` says."""
    return lambda self, size, key, most: init(self, size, key, most + 1_000)


# ---------------------------------------------------------------------- guarantee 6: every event is accounted for


@mutant(
    "evenflow._mailbox:Mailbox._discarded",
    breaks="guarantee 6",
    kills=[
        f"{ACCOUNTS}::test_discarded_counts_what_was_waiting_when_the_subscription_was_closed",
        f"{ACCOUNTS}::test_leaving_the_block_discards_what_is_left",
    ],
)
def discarded_is_not_counted(_: Any) -> Any:
    """What waits when a subscription is closed is in no sum."""
    return always(0)


@mutant(
    "evenflow._mailbox:Mailbox._dropped_newest",
    breaks="guarantee 6",
    kills=[
        f"{ACCOUNTS}::test_dropped_counts_what_drop_newest_drops",
        f"{ACCOUNTS}::test_a_disconnected_subscription_is_accounted_for",
    ],
)
def dropped_newest_is_not_counted(_: Any) -> Any:
    """What `drop_newest` drops is in no sum."""
    return always(0)


@mutant(
    "evenflow._mailbox:Mailbox._replaced",
    breaks="guarantee 6",
    kills=[f"{ACCOUNTS}::test_replaced_counts_events_that_a_newer_one_replaced"],
)
def replaced_is_not_counted(_: Any) -> Any:
    """What conflation replaces is in no sum."""
    return always(0)


# ---------------------------------------------------------------------- guarantee 7: isolation


@mutant(
    "evenflow._life:Life._finish",
    breaks="guarantee 7",
    kills=[
        f"{ISOLATION}::test_a_callable_that_raises_ends_its_own_subscription_and_nobody_notices",
        f"{ALL_OR_NONE}::test_a_where_that_raises_leaves_the_event_with_all_others",
        "tests/contract/test_bad_input.py::test_a_conflate_that_returns_an_unhashable_key_ends_that_subscription_alone",
    ],
)
def failures_reach_the_publisher(_: Any) -> Any:
    """What a `where` or a `conflate` raises goes to the publisher."""

    def raise_it(self: Any, mailbox: Any, end: Any) -> None:
        raise end

    return raise_it


@mutant(
    "evenflow._life:Life._finish",
    breaks="guarantee 7",
    kills=[
        f"{ISOLATION}::test_a_callable_that_raises_ends_its_own_subscription_and_nobody_notices",
        f"{ISOLATION}::test_a_callable_that_raises_wakes_the_reader_of_its_subscription",
    ],
)
def failures_are_swallowed(_: Any) -> Any:
    """A subscription whose `where` or `conflate` raises goes on, and nobody hears of it."""
    return lambda self, mailbox, end: None


@mutant(
    "evenflow._observers:Observer._fail",
    breaks="guarantee 7",
    kills=[
        f"{ISOLATION}::test_an_observer_that_raises_reaches_neither_publisher_nor_others",
        "tests/contract/test_observers.py::test_an_observer_whose_handler_raises_goes_on",
    ],
)
def handler_ends_its_observer(_: Any) -> Any:
    """A handler that raises ends its observer."""

    def raise_it(self: Any, event: Any, error: Exception) -> None:
        raise error

    return raise_it


# ---------------------------------------------------------------------- guarantee 8: the end reaches everyone


@mutant(
    "evenflow._life:Life.close",
    breaks="guarantee 8",
    kills=[
        f"{END}::test_close_with_full_buffers_delivers_what_is_buffered_then_ends",
        f"{END}::test_close_with_an_error_raises_it_after_what_is_buffered",
    ],
)
def close_discards(close: Any) -> Any:
    """`close` throws away what is buffered."""

    def close_and_clear(self: Any, error: BaseException | None = None) -> None:
        close(self, error)
        for mailbox in self.members.active:
            mailbox.buffer.clear()

    return close_and_clear


@mutant(
    "evenflow._gate:Gate.close",
    breaks="guarantee 8",
    kills=[f"{END}::test_close_ends_the_publishers_that_wait"],
)
def publishers_hang(_: Any) -> Any:
    """`close` does not wake publishers that wait."""
    return lambda self: None


@mutant(
    "evenflow._mailbox:Mailbox.items",
    breaks="guarantee 8",
    kills=[f"{END}::test_close_wakes_readers_that_wait", f"{END}::test_all_readers_of_one_subscription_get_the_end"],
)
def readers_hang(items: Any) -> Any:
    """Readers that wait are not woken by the end."""
    return lambda self: items(self) if self.end is None else len(self.buffer)


@mutant(
    "evenflow._life:Life.open",
    breaks="guarantee 8",
    kills=[
        f"{END}::test_late_subscribers_get_the_end_at_once",
        f"{END}::test_a_late_subscriber_of_a_closed_subject_gets_the_replay_then_the_end",
    ],
)
def late_subscribers_hang(open_mailbox: Any) -> Any:
    """A subscription to a closed subject never ends."""

    def open_for_ever(self: Any, *args: Any, **options: Any) -> Any:
        mailbox = open_mailbox(self, *args, **options)
        if self.is_closed:
            mailbox.end = None
        return mailbox

    return open_for_ever


# ---------------------------------------------------------------------- guarantee 9: deadlock is refused


@mutant(
    "evenflow._deadlock:WaitGraph.find",
    breaks="guarantee 9",
    kills=[
        f"{DEADLOCK}::test_the_only_reader_of_a_full_subscription_cannot_publish_into_it",
        f"{DEADLOCK}::test_a_deadlock_through_two_subjects_is_refused",
        f"{DEADLOCK}::test_a_handler_cannot_publish_into_its_own_full_buffer",
        f"{BEHIND}::test_what_an_operator_reads_ahead_is_refused_at_once",
    ],
)
def deadlocks_are_waited_for(_: Any) -> Any:
    """A publish that can never go on waits all the same."""
    return lambda self, tasks: None


@mutant(
    "evenflow._deadlock:WaitGraph._holds",
    breaks="guarantee 9",
    kills=[
        f"{DEADLOCK}::test_a_task_that_has_read_may_publish_until_the_one_it_hands_over_to_begins",
        f"{DEADLOCK}::test_a_subject_says_how_long_a_reader_may_be_late",
        f"{DEADLOCK}::test_everyone_in_the_circle_must_have_waited_that_long",
        f"{BEHIND}::test_a_chain_may_be_handed_to_another_task",
    ],
)
def nobody_may_be_late(_: Any) -> Any:
    """Whoever has read is all that will read, wherever the subscription may be handed."""
    return lambda self, waiter, mailbox: self._all_waiting(mailbox) is not None


@mutant(
    "evenflow._readers:ReaderLine.private",
    breaks="guarantee 9",
    kills=[
        f"{DEADLOCK}::test_what_only_evenflow_reads_is_refused_at_once",
        f"{DEADLOCK}::test_a_handler_cannot_publish_into_its_own_full_buffer",
        f"{BEHIND}::test_what_an_operator_reads_ahead_is_refused_at_once",
    ],
)
def nothing_is_private(_: Any) -> Any:
    """A deadlock of evenflow's own tasks is refused after a while only."""
    return always(False)


@mutant(
    "evenflow._gate:Gate.latest_but",
    breaks="guarantee 9",
    kills=["tests/test_waiting.py::test_whoever_leaves_hands_the_watch_on"],
)
def the_watch_ends_with_its_holder(_: Any) -> Any:
    """When the one publisher leaves that looks for all, nobody looks any more."""
    return lambda self, waiter: None


# ---------------------------------------------------------------------- guarantee 10: fair


@mutant(
    "evenflow._fairness:FairnessBudget.is_used_up",
    breaks="guarantee 10",
    kills=[
        f"{FAIR}::test_a_tight_loop_of_publish_lets_the_loop_turn",
        f"{FAIR}::test_deliveries_are_counted_over_all_subjects",
    ],
)
def publish_never_turns(_: Any) -> Any:
    """A loop of publishes never lets the loop turn."""
    return lambda self: False


@mutant(
    "evenflow._subject:Subject.publish",
    breaks="guarantee 10",
    kills=[
        f"{FAIR}::test_a_publish_with_room_and_a_read_of_a_waiting_event_are_no_checkpoint",
        f"{FAIR}::test_a_publish_that_nobody_wants_is_no_checkpoint",
    ],
)
def every_publish_is_a_checkpoint(publish: Any) -> Any:
    """Each publish lets the loop turn, even where there is room."""

    async def turn_and_publish(self: Any, event: Any, /) -> int:
        await checkpoint()
        return int(await publish(self, event))

    return turn_and_publish


@mutant(
    "evenflow._fairness:FairnessBudget.is_used_up",
    breaks="guarantee 10",
    kills=[f"{FAIR}::test_reading_a_long_buffer_lets_the_loop_turn"],
)
def reader_never_turns(is_used_up: Any) -> Any:
    """A loop of reads never lets the loop turn."""
    return lambda self, side: side == GIVEN and is_used_up(self, side)


@mutant(
    "evenflow._fairness:SECONDS_A_TURN",
    breaks="guarantee 10",
    kills=[f"{FAIR}::test_slow_work_for_each_event_lets_the_loop_turn_in_time"],
)
def only_deliveries_count(_: Any) -> Any:
    """However long a reader or a publisher takes for an event, only their number lets the loop turn."""
    return math.inf


# ---------------------------------------------------------------------- guarantee 11: nothing leaks


@mutant(
    "evenflow._members:Members.remove",
    breaks="guarantee 11",
    kills=[
        f"{LEAKS}::test_a_subscription_is_gone_when_its_block_is_left",
        f"{LEAKS}::test_thousands_of_subscriptions_that_come_and_go_use_no_more_memory",
    ],
)
def closed_subscriptions_pile_up(remove: Any) -> Any:
    """A closed subscription gets no more events, and stays with its subject."""

    def remove_and_keep(self: Any, mailbox: Any) -> None:
        member = self.active.get(mailbox)
        remove(self, mailbox)
        if member is not None:
            self.active[mailbox] = member

    return remove_and_keep


@mutant(
    "evenflow._subject:Subject._subscribe",
    breaks="guarantee 11",
    kills=[
        f"{LEAKS}::test_the_subject_keeps_no_subscription_alive",
        "tests/contract/test_subscription.py::test_a_subscription_left_by_break_does_not_block_the_publisher",
    ],
)
def subject_keeps_subscriptions_alive(subscribe: Any) -> Any:
    """The subject keeps a reference to each of its subscriptions."""

    def subscribe_and_keep(self: Any, *args: Any, **options: Any) -> Any:
        subscription = subscribe(self, *args, **options)
        vars(self).setdefault("_subscriptions", []).append(subscription)
        return subscription

    return subscribe_and_keep


# ---------------------------------------------------------------------- rules that are easily lost


@mutant(
    "evenflow._life:Life.detach",
    "evenflow._life:Life.detach_later",
    breaks="what a destructor does waits until nothing is being delivered",
    kills=[
        f"{ALL_OR_NONE}::test_a_destructor_that_uses_the_subject_during_a_publish_acts_before_or_after_it",
        f"{ALL_OR_NONE}::test_a_subscription_that_is_collected_during_a_publish_is_detached_before_or_after_it",
    ],
)
def detaches_in_the_middle(_: Any) -> Any:
    """A subscription that is closed during a publish, or loses its last reference, is detached there and then."""
    return lambda self, mailbox: self._discard(mailbox)


@mutant(
    "evenflow._delivery:Delivery._let_starving_read",
    breaks="readers that were woken run before anything is dropped",
    kills=[
        f"{FAIR}::test_a_woken_reader_runs_before_any_policy_drops",
        f"{FAIR}::test_a_tight_publish_loop_does_not_starve_a_dropping_reader",
    ],
)
def starves_a_dropping_reader(_: Any) -> Any:
    """`publish` drops events although a woken reader has not run yet."""

    async def drop_at_once(self: Any, event: Any, targets: Any) -> None:
        pass

    return drop_at_once


@mutant(
    "evenflow._gaps:Gaps.oldest_was_dropped",
    breaks="dropped events leave a gap",
    kills=[
        "tests/contract/test_gaps.py::test_with_drop_oldest_the_gap_comes_before_what_is_left",
        "tests/contract/test_gaps.py::test_every_way_of_reading_gives_the_gap_in_its_place",
    ],
)
def drops_without_a_gap(_: Any) -> Any:
    """What `drop_oldest` drops leaves no `Gap`."""
    return lambda self, position: None


@mutant(
    "evenflow._subject:Subject.publish",
    breaks="a publish belongs to one life of its subject",
    kills=[
        "tests/contract/test_former_lives.py::test_a_publish_that_lets_the_loop_turn_does_not_reach_the_next_life",
    ],
)
def reaches_the_next_life(publish: Any) -> Any:
    """A publish that waited when its life ended reaches the next one."""

    async def publish_again(self: Any, event: Any, /) -> int:
        try:
            return int(await publish(self, event))
        except SubjectClosed:
            if self.is_closed:
                raise
            return int(await publish(self, event))

    return publish_again


@mutant(
    "evenflow._threads:Request.cancel",
    breaks="what a thread has withdrawn reaches nobody",
    kills=[
        "tests/contract/test_threads.py::test_a_timeout_while_the_loop_is_busy_is_all_or_none",
        "tests/test_threads.py::test_what_the_thread_has_withdrawn_the_loop_cannot_claim",
    ],
)
def delivers_what_a_thread_withdrew(_: Any) -> Any:
    """A thread gives up in time, and the loop delivers its event all the same."""
    return lambda self: not self.done()
