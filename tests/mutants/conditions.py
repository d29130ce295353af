"""Mutants of conditions and routing: which events a subscription wants, and how a publish finds that out."""

from __future__ import annotations

from typing import Any

from tests.mutants._mutant import mutant

CONDITIONS = "tests/test_conditions.py"
INDEX = "tests/routing/test_index.py"
ISOLATION = "tests/contract/test_07_isolation.py"
ROUTER = "tests/routing/test_router.py"
ROUTES = "tests/routing/test_routes.py"


@mutant(
    "evenflow._routing._routes:_ask",
    breaks="guarantee 7",
    kills=[
        f"{ROUTES}::test_callables_are_asked_and_may_raise",
        f"{ROUTES}::test_an_event_that_cannot_be_read_fails_those_that_read_it",
        "tests/contract/test_07_isolation.py::test_a_callable_that_raises_ends_its_own_subscription_and_nobody_notices",
    ],
)
def a_callable_raises_at_the_publisher(ask: Any) -> Any:
    """What a `where` raises comes out of the search for those that want the event."""

    def ask_without_a_net(entry: Any, event: object, found: Any, failed: Any) -> None:
        ask(entry, event, found, failed)
        if entry.target in failed:
            raise failed.pop(entry.target)

    return ask_without_a_net


@mutant(
    "evenflow._routing._routes:_plain_answer",
    breaks="where answers at once",
    kills=[
        f"{ROUTES}::test_callables_are_asked_and_may_raise",
        f"{ROUTES}::test_a_coroutine_that_a_callable_returns_is_closed",
    ],
)
def a_coroutine_is_true(_: Any) -> Any:
    """A `where` that returns a coroutine wants every event."""
    return bool


@mutant(
    "evenflow._routing._router:Router._node",
    breaks="a class means all its subclasses",
    kills=[
        f"{ROUTER}::test_a_class_means_all_its_subclasses_whenever_they_come",
        f"{ROUTER}::test_everyone_and_conditional_are_the_same_objects_for_life",
    ],
)
def late_wants_are_missed(node: Any) -> Any:
    """A class that is wanted after the first event of its subclass is not found for that subclass."""

    def node_without_old_routes(self: Any, cls: type) -> Any:
        routes, self._routes = self._routes, {}
        try:
            return node(self, cls)
        finally:
            self._routes = routes

    return node_without_old_routes


@mutant(
    "evenflow._routing._plan:plan",
    breaks="the index answers as the condition does",
    kills=[
        f"{INDEX}::test_the_index_answers_as_the_condition",
        f"{ROUTER}::test_wants_and_condition_must_both_hold",
    ],
)
def to_be_found_is_to_be_wanted(plan: Any) -> Any:
    """A condition that is found by one of its parts is taken to hold altogether."""

    def careless(*args: Any) -> Any:
        found = plan(*args)
        return found and found._replace(exact=True)

    return careless


@mutant(
    "evenflow._routing._plan:plan",
    breaks="a publish asks only those that may want the event",
    kills=[f"{INDEX}::test_only_those_that_may_want_it_are_looked_at"],
)
def every_condition_is_asked(_: Any) -> Any:
    """Every condition is asked about every event, so the cost grows with the number of subscriptions."""
    return lambda condition, count: None


@mutant(
    "evenflow._routing._tables:can_be_hashed",
    breaks="the index answers as the condition does",
    kills=[
        f"{INDEX}::test_the_index_answers_as_the_condition",
        "tests/routing/test_tables.py::test_an_event_whose_value_cannot_be_hashed_is_asked_about",
    ],
)
def every_equality_is_trusted(_: Any) -> Any:
    """Values with an `==` of their own are looked up by their hash."""
    return lambda *args: True


@mutant(
    "evenflow._conditions:Condition.__call__",
    breaks="a condition speaks of its own classes",
    kills=[f"{CONDITIONS}::test_what_a_condition_says"],
)
def not_holds_for_any_class(_: Any) -> Any:
    """`~condition` holds for events of classes that it does not speak of."""
    return lambda self, event: self._holds(event)


@mutant(
    "evenflow._conditions:Condition.__bool__",
    breaks="a condition that makes no sense is refused where it is written",
    kills=[f"{CONDITIONS}::test_nonsense_is_refused_when_it_is_written"],
)
def a_condition_has_a_truth(_: Any) -> Any:
    """`and` between two conditions keeps one of them in silence."""
    return lambda self: True
