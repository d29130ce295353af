"""Mutants of the log: two for each of the eleven promises of its reference (docs/reference/log-guarantees.md)."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import replace
from typing import Any

from evenflow.log import LogError
from evenflow.log._group_rules import Fate
from tests.mutants._mutant import mutant

CLAIMING = "tests/log/test_claiming.py"
CONSUMER = "tests/log/test_consumer.py"
DELIVERIES = "tests/log/test_deliveries.py"
GROUPS = "tests/log/test_groups.py"
ORDERED = "tests/log/test_ordered_groups.py"
MEMORY = "tests/conformance/test_memory.py::TestMemoryLog"
SQLITE = "tests/conformance/test_sqlite.py::TestSQLiteEngine"
WRITER = "tests/log/sqlite/test_writer.py"

# ---------------------------------------------------------------------- promise 1: stored means stored


@mutant(
    "evenflow.log._coding:Encoder.append",
    breaks="log promise 1",
    kills=[f"{MEMORY}::test_one_id_is_one_event[asyncio]"],
)
def a_second_publish_of_an_id_is_stored_too(append: Any) -> Any:
    """The id that was given is not kept, so that publishing again stores the event twice."""
    return lambda self, event, id, headers: append(self, event, None, headers)  # noqa: A006 -- the word of CloudEvents


@mutant(
    "evenflow.log._sqlite._writer:stored_after_commit",
    breaks="log promise 1",
    kills=[f"{WRITER}::test_a_commit_that_the_disk_does_not_confirm_is_uncertain_and_is_not_done_again[asyncio]"],
)
def what_the_disk_did_not_confirm_is_called_not_stored(_: Any) -> Any:
    """A commit whose sync has failed is said not to be stored, although it may be found later."""
    return lambda error: False


# ---------------------------------------------------------------------- promise 2: one order


@mutant(
    "evenflow.log._sqlite._schema:_TABLES",
    breaks="log promise 2",
    kills=[f"{SQLITE}::test_the_floor_is_told_with_each_page"],
)
def the_number_of_a_removed_event_is_given_again(tables: Any) -> Any:
    """The tables let SQLite give the number of the newest event again, once that was removed."""
    return tuple(table.replace("PRIMARY KEY AUTOINCREMENT", "PRIMARY KEY") for table in tables)


@mutant(
    "evenflow.log._coding:Encoder.appends",
    breaks="log promise 2",
    kills=[f"{MEMORY}::test_publish_many_draws_in_order_and_returns_every_offset[asyncio]"],
)
def a_commit_stores_its_events_backwards(appends: Any) -> Any:
    """Many events that are published together are numbered from the last to the first."""
    return lambda self, *args: appends(self, *args)[::-1]


# ---------------------------------------------------------------------- promise 3: no hole, nothing twice


@mutant(
    "evenflow.log._tail:Tail.is_ahead_of",
    breaks="log promise 3",
    kills=["tests/log/test_tail.py::test_what_the_tail_gives_out_while_a_reader_looks_for_its_place_is_not_missed"],
)
def a_reader_joins_although_the_tail_is_further(_: Any) -> Any:
    """A reader goes live without what the tail gave out before it joined: a hole."""
    return lambda self, position: False


@mutant(
    "evenflow.log._tail:Tail.join",
    breaks="log promise 3",
    kills=["tests/log/test_tail.py::test_one_that_begins_ahead_of_the_tail_waits_for_it"],
)
def a_reader_ahead_of_the_tail_joins_at_once(join: Any) -> Any:
    """A reader that has read further than the tail goes live at once, and gets again what it had."""

    def join_at_once(self: Any, feed: Any) -> None:
        if self._runs and feed.position > self.position:
            self._add(feed)
        else:
            join(self, feed)

    return join_at_once


# ---------------------------------------------------------------------- promise 4: nobody waits for a reader


@mutant(
    "evenflow.log._tail:Tail._falls_behind",
    breaks="log promise 4",
    kills=[f"{MEMORY}::test_nobody_waits_for_a_reader_and_it_loses_nothing[asyncio]"],
)
def a_reader_without_room_misses_the_event(_: Any) -> Any:
    """A subscription whose buffer is full is passed over, and stays live."""
    return lambda self, feed: None


@mutant(
    "evenflow.log._feed:Feed.lag",
    breaks="log promise 4",
    kills=[f"{MEMORY}::test_nobody_waits_for_a_reader_and_it_loses_nothing[asyncio]"],
)
def a_slow_reader_is_said_to_keep_up(_: Any) -> Any:
    """The lag of a subscription that is behind is 0."""
    return lambda self: 0


# ---------------------------------------------------------------------- promise 5: at least once


@mutant(
    "evenflow.log._settling:Settler._is_left",
    breaks="log promise 5",
    kills=[f"{DELIVERIES}::test_what_a_dead_process_had_goes_out_again_within_two_seconds[asyncio]"],
)
def what_a_dead_process_had_stays_with_it(_: Any) -> Any:
    """Nobody takes what a process had in hand that is dead, or silent."""
    return lambda self, page, pulse: False


@mutant(
    "evenflow.log._group_rules:Draft.change",
    breaks="log promise 5",
    kills=[f"{GROUPS}::test_a_process_that_is_silent_loses_its_events_and_cannot_settle_them"],
)
def a_late_settlement_is_done(change: Any) -> Any:
    """Whoever settles does not look whether the page is still what it saw."""
    return lambda self: replace(change(self), expect={})


@mutant(
    "evenflow.log._settlements:Settlements.acknowledge",
    breaks="log promise 5",
    kills=[f"{CONSUMER}::test_no_more_events_are_begun_and_not_settled_than_handlers_may_run"],
)
def a_place_is_given_back_before_its_event_is_acknowledged(acknowledge: Any) -> Any:
    """A consumer goes on without end while nothing is stored, and all of it comes again when its process dies."""

    def acknowledge_and_forget(self: Any, delivery: Any, over: Any) -> None:
        acknowledge(self, delivery, lambda deliveries, settlement: over((), settlement))
        self.hand.give_places(1)

    return acknowledge_and_forget


@mutant(
    "evenflow.log._consumer:Consumer._settle_again",
    breaks="log promise 10",
    kills=[f"{CONSUMER}::test_a_log_that_fails_while_an_event_is_settled_is_asked_again"],
)
def what_could_not_be_acknowledged_is_forgotten(_: Any) -> Any:
    """A consumer with several handlers goes on as if a failed acknowledgement had been stored."""

    async def give_places(self: Any, member: Any, deliveries: Any, settlement: Any) -> None:
        member.hand.give_places(len(deliveries))

    return give_places


# ---------------------------------------------------------------------- promise 6: ordered where it was asked for


@mutant(
    "evenflow.log._desk:read",
    "evenflow.log._group_reading:read",
    breaks="log promise 6",
    kills=[
        f"{ORDERED}::test_the_next_of_a_key_comes_once_the_one_before_is_settled",
        f"{ORDERED}::test_a_retry_holds_back_its_key_and_nothing_else",
    ],
)
def the_key_of_an_event_is_forgotten(read: Any) -> Any:
    """Events of one key go out beside one another."""
    return lambda *args, **options: read(*args, **options)._replace(lane="")


@mutant(
    "evenflow.log._settling:Settler._policy",
    breaks="log promise 6",
    kills=[f"{ORDERED}::test_a_dead_letter_can_hold_its_key_until_it_is_redriven_or_discarded"],
)
def a_dead_letter_never_holds_its_key(policy: Any) -> Any:
    """A group that asked for ``hold_key`` goes on behind a dead letter."""
    return lambda self: policy(self)._replace(holds=False)


# ---------------------------------------------------------------------- promise 7: nothing is stuck


@mutant(
    "evenflow.log._settling:Settler._left",
    breaks="log promise 7",
    kills=[f"{CONSUMER}::test_a_handler_that_kills_its_process_becomes_a_dead_letter_and_its_neighbours_do_not"],
)
def what_a_dead_process_had_not_begun_counts(left: Any) -> Any:
    """An event that was only fetched by a process that died has one attempt less."""
    return staticmethod(lambda page, index, begun: left.__func__(page, index, begun)._replace(fate=Fate.AGAIN))


@mutant(
    "evenflow.log._claiming:Claiming._unreadable",
    breaks="log promise 7",
    kills=[
        f"{GROUPS}::test_what_nobody_can_read_waits_uncounted_for_a_newer_member_and_holds_up_nothing",
        f"{CLAIMING}::test_what_cannot_be_read_is_put_off_uncounted_with_a_growing_pause_until_it_is_dead",
    ],
)
def what_one_member_cannot_read_is_dead_at_once(unreadable: Any) -> Any:
    """An event that this process cannot read is a dead letter, although a newer member may know it."""
    return lambda self, item, reading, lane="": unreadable(self, item, reading._replace(broken=True), lane)


@mutant(
    "evenflow.log._hand:Hand._may_go",
    breaks="log promise 7",
    kills=[f"{CONSUMER}::test_what_is_handled_beside_a_killer_is_no_dead_letter"],
)
def what_was_handled_beside_a_killer_goes_out_beside_it_again(_: Any) -> Any:
    """Events whose process died are handed over together, so that all of them use up their attempts with one killer."""
    return lambda self, delivery: True


# ---------------------------------------------------------------------- promise 8: shutting down is no failure


@mutant(
    "evenflow.log._member:GroupMember._give_back",
    breaks="log promise 8",
    kills=[
        f"{MEMORY}::test_shutting_down_is_no_failure[asyncio]",
        f"{CONSUMER}::test_shutting_down_waits_for_what_is_begun_and_gives_the_rest_back_uncounted",
    ],
)
def what_is_given_back_counts_as_an_attempt(_: Any) -> Any:
    """What was fetched and not settled when the log is closed is tried again, with one attempt less."""

    async def give_back_counted(self: Any, left: Any, *, lapse: bool = False) -> None:
        await self._settlements.settle_all(left, Fate.AGAIN, after=0.0, lapse=lapse)

    return give_back_counted


@mutant(
    "evenflow.log._consumer:Consumer._stop",
    breaks="log promise 8",
    kills=[f"{CONSUMER}::test_shutting_down_waits_for_what_is_begun_and_gives_the_rest_back_uncounted"],
)
def handlers_have_no_grace(stop: Any) -> Any:
    """Handlers that run are cancelled as soon as the log is closed."""
    return lambda self, grace=None: stop(self, 0.0)


# ---------------------------------------------------------------------- promise 9: a killed process needs no repair


@mutant(
    "evenflow.log._sqlite._members:_read",
    breaks="log promise 9",
    kills=[
        "tests/log/sqlite/test_members.py::test_a_member_that_is_killed_is_dead_at_once_and_its_marks_stay[asyncio]"
    ],
)
def a_killed_process_is_taken_to_live(read: Any) -> Any:
    """The file of a member is taken for its life, although the kernel has unlocked it."""
    return lambda path: read(path)._replace(alive=True)


@mutant(
    "evenflow.log._sqlite._lock:_LockFile.lock",
    breaks="log promise 9",
    kills=["tests/log/sqlite/test_lock.py::test_a_process_that_dies_holds_nothing"],
)
def a_dead_process_keeps_the_write_lock(lock: Any) -> Any:
    """Whose name is in the lock file holds it, whether the kernel has unlocked it or not."""

    def lock_unless_somebody_is_named(self: Any) -> bool:
        named = os.pread(self.descriptor, 64, 0).split()
        return (not named or int(named[1]) == os.getpid()) and lock(self)

    return lock_unless_somebody_is_named


# ---------------------------------------------------------------------- promise 10: faults are told


@mutant(
    "evenflow.log._sqlite._writer:Writer._failed",
    breaks="log promise 10",
    kills=[f"{WRITER}::test_the_log_goes_on_when_the_fault_ends_and_says_so_once[asyncio]"],
)
def each_failure_is_logged(failed: Any) -> Any:
    """A fault that lasts is logged with each event that it hits."""

    def failed_for_the_first_time(self: Any, error: BaseException) -> Any:
        self._failures = 0
        return failed(self, error)

    return failed_for_the_first_time


@mutant(
    "evenflow.log._consumer:Consumer._settle",
    breaks="log promise 10",
    kills=[f"{CONSUMER}::test_a_log_that_fails_while_an_event_is_settled_is_asked_again"],
)
def a_consumer_gives_up_with_the_first_fault(_: Any) -> Any:
    """An event whose acknowledgement failed is left as it is, and handled again."""

    async def settle_once(self: Any, member: Any, delivery: Any, error: Any) -> None:
        with suppress(LogError):
            await member.settle([delivery], Fate.DONE if error is None else Fate.AGAIN)

    return settle_once


# ---------------------------------------------------------------------- promise 11: bounded


@mutant(
    "evenflow.log._transaction:Transaction._grow",
    breaks="log promise 11",
    kills=[f"{MEMORY}::test_a_transaction_is_bounded[asyncio]"],
)
def a_transaction_grows_without_a_bound(_: Any) -> Any:
    """A transaction takes as much as it is given."""
    return lambda self, size: None


@mutant(
    "evenflow.log._claiming:Claiming.is_choked",
    breaks="log promise 11",
    kills=[f"{CLAIMING}::test_too_many_that_wait_choke_the_group"],
)
def what_waits_behind_held_keys_grows_without_a_bound(_: Any) -> Any:
    """A group fetches on, however many events wait behind others of their key."""
    return property(lambda self: False)
