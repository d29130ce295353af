"""Mutants of the streams: operators, sources, and the chain that they make together."""

from __future__ import annotations

from typing import Any

from anyio.lowlevel import checkpoint

from tests.mutants._mutant import mutant

CHAIN = "tests/streams/test_chain.py"
FAILURE = "tests/streams/test_failure.py"
FLATTEN = "tests/streams/test_flatten.py"
RULES = "tests/streams/test_rules.py"
TRANSFORM = "tests/streams/test_transform.py"


@mutant(
    "evenflow.streams._operator:Operator.put_back",
    breaks="streams: cancelling loses nothing",
    kills=[
        f"{TRANSFORM}::test_an_event_whose_async_function_was_cancelled_is_kept_and_the_function_called_again",
        f"{RULES}::test_cancelling_at_random_awaits_loses_nothing[asyncio-map-slow]",
    ],
)
def a_cancelled_function_loses_its_event(_: Any) -> Any:
    """An event whose async function was cancelled is forgotten."""
    return lambda self, event: None


@mutant(
    "evenflow.streams._channel:Channel.take",
    breaks="streams: cancelling loses nothing",
    kills=[f"{RULES}::test_cancelling_at_random_awaits_loses_nothing[asyncio-merge-slow]"],
)
def an_event_is_taken_before_the_last_await(take: Any) -> Any:
    """A reader of an operator with tasks lets the loop turn between taking an event and returning it."""

    async def take_and_wait(self: Any) -> Any:
        item = await take(self)
        await checkpoint()
        return item

    return take_and_wait


@mutant(
    "evenflow.streams._channel:Channel.put",
    breaks="streams: a source waits for its reader",
    kills=[
        "tests/streams/test_channel.py::test_whoever_puts_an_event_waits_until_it_was_taken",
        f"{RULES}::test_a_reader_who_takes_ten_makes_the_source_give_ten[asyncio-merge]",
    ],
)
def a_task_reads_ahead_without_a_bound(_: Any) -> Any:
    """A task of an operator does not wait until its event was taken."""

    async def put_and_go_on(self: Any, item: Any, by: object = None) -> None:
        if not self.ended:
            self.put_nowait(item)
            await checkpoint()

    return put_and_go_on


@mutant(
    "evenflow.streams._chain:Chain._start",
    breaks="streams: the end closes every source",
    kills=[
        f"{RULES}::test_an_error_comes_as_it_is_after_what_came_before[asyncio-map]",
        "tests/streams/test_limit.py::test_take_does_not_ask_for_one_more",
    ],
)
def the_end_of_a_chain_leaves_its_sources_open(start: Any) -> Any:
    """A chain that has ended closes nothing."""

    def start_without_a_last(self: Any) -> Any:
        reader = start(self)
        self.node.is_last = False
        return reader

    return start_without_a_last


@mutant(
    "evenflow.streams._node:close_all",
    "evenflow.streams._guarded:close_all",
    "evenflow.streams._race:close_all",
    breaks="streams: every source is closed, whatever another raises",
    kills=[
        "tests/streams/test_node.py::test_every_node_is_closed_whatever_the_others_raise",
        f"{CHAIN}::test_the_body_of_the_async_with_may_raise_what_it_likes",
    ],
)
def one_failed_closing_leaves_the_others_open(_: Any) -> Any:
    """Closing stops at the first source whose closing raises."""

    async def close_until_one_raises(nodes: Any, *, final: bool) -> None:
        for node in nodes:
            await node.close(final=final)

    return close_until_one_raises


@mutant(
    "evenflow.streams._tasks:OperatorTasks.stop",
    breaks="streams: closing leaves no task behind",
    kills=[
        "tests/streams/test_tasks.py::test_stopping_waits_until_every_task_has_ended",
    ],
)
def closing_does_not_wait_for_the_tasks(_: Any) -> Any:
    """Closing cancels the tasks of an operator, and does not wait for their ends."""

    async def cancel_all(self: Any) -> None:
        for task in tuple(self._tasks):
            task.cancel()

    return cancel_all


@mutant(
    "evenflow.streams._stream:_ChainStream._chain_reader",
    breaks="streams: an operator owns its source",
    kills=[f"{RULES}::test_an_operator_owns_its_source[map]"],
)
def a_stream_that_has_an_owner_can_be_read(_: Any) -> Any:
    """A stream that was given to an operator can be read beside it."""
    return lambda self: self._chain.reader()


@mutant(
    "evenflow.streams._source:AsyncSource.check_end",
    breaks="streams: a killed generator is no end",
    kills=["tests/streams/test_source.py::test_an_async_generator_that_a_cancel_has_ended_says_so"],
)
def a_killed_generator_looks_like_an_end(_: Any) -> Any:
    """A generator that a cancel has killed looks as if it had ended."""
    return lambda self: None


@mutant(
    "evenflow.streams._deciding:RuleOperator.open",
    breaks="streams: each start begins anew",
    kills=[
        "tests/streams/test_deciding.py::test_each_start_has_a_rule_of_its_own",
        f"{FAILURE}::test_a_function_is_called_anew_by_retry_and_by_repeat",
    ],
)
def a_rule_outlives_its_start(open_anew: Any) -> Any:
    """`repeat` and `retry` go on with the state of the start before."""

    def open_with_the_old_rule(self: Any, run: Any, /) -> Any:
        old = getattr(self, "rule", None)
        reader = open_anew(self, run)
        if old is not None:
            self.rule = old
        return reader

    return open_with_the_old_rule


@mutant(
    "evenflow.streams._sequential:Sequential.closes_for_good",
    breaks="streams: what can be read only once is not closed by a retry",
    kills=[f"{FAILURE}::test_a_subscription_goes_on_where_it_was"],
)
def retry_closes_what_can_be_read_only_once(_: Any) -> Any:
    """`retry` closes its source for good before it starts it again."""
    return lambda self: True


@mutant(
    "evenflow.streams._flatten:SwitchMap.take_in",
    breaks="streams: switch_map reads one stream at a time",
    kills=[
        f"{FLATTEN}::test_a_switch_drops_what_nobody_has_read",
        f"{FLATTEN}::test_a_switch_closes_the_stream_before_it_starts_the_next",
    ],
)
def switch_map_keeps_the_old_stream(_: Any) -> Any:
    """A switch cancels the stream before, and neither waits for it nor drops what it gave."""

    async def cancel_and_start(self: Any, event: Any) -> None:
        if self.running:
            self.newest.cancel()
        await self.start_stream(event)

    return cancel_and_start
