"""A client's own condition: it narrows what the endpoint gives, and a bad one is refused before anything begins."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

import anyio
import pytest

from evenflow import Allowed, Event, State, Subject, when
from evenflow.testing import MemoryLog
from evenflow.web import frames, sse
from evenflow.web._cursor import Refused
from evenflow.web._narrowing import narrowed

from ..contract.kit import settle
from .kit import Client, Placed, Shipped, both, connected, orders

ALLOWED = Allowed(Placed.region, Placed.n)


class Price(Event):
    """No order."""

    n: int


@both
async def test_a_client_gets_what_both_conditions_let_pass() -> None:
    """The endpoint's and the client's; in memory and durable."""
    log = MemoryLog()
    async with log:
        for subject in (orders(), log.subject("orders", Placed, Shipped)):
            given: Any = subject
            async with connected(
                lambda request, given=given: sse(request, given, Placed, where=Placed.n < 5, client_where=ALLOWED),
                query="where=" + quote('{"eq": ["region", "us"]}'),
            ) as client:
                for n in range(3, 8):
                    await given.publish(Placed(n=n, region="us"))
                    await given.publish(Placed(n=n))
                await anyio.sleep(1)  # events gather
                assert client.numbers == [3, 4]


@both
async def test_a_callable_of_the_endpoint_holds_as_well() -> None:
    """A client cannot go round it."""
    subject = orders()
    _, where = narrowed(subject, (Placed,), lambda order: order.n < 5, ALLOWED, '{"gt": ["n", 3]}')
    assert [n for n in range(8) if where(Placed(n=n))] == [4]


@both
async def test_a_bool_field_of_the_endpoint_holds_as_well() -> None:
    """It is a condition by itself."""

    class Checked(Event):
        n: int
        is_public: bool

    subject = Subject(Checked)
    _, where = narrowed(subject, (Checked,), Checked.is_public, Allowed(Checked.n), '{"gt": ["n", 3]}')
    assert where == when(Checked.is_public) & (Checked.n > 3)


@both
async def test_of_several_classes_a_client_gets_those_that_it_speaks_of() -> None:
    """A condition that says nothing of one of them is no mistake of the endpoint's."""
    subject = orders()
    for wants in ((Placed, Shipped), (Placed | Shipped,), ()):
        async with connected(
            lambda request, wants=wants: sse(request, subject, *wants, client_where=ALLOWED),
            query="where=" + quote('{"gt": ["n", 1]}'),
        ) as client:
            await subject.publish_many([Placed(n=1), Placed(n=2), Shipped(n=3)])
            await settle()
            assert client.types == ["Placed"]
            assert client.numbers == [2]


@pytest.mark.parametrize(
    "text",
    [
        "nonsense", "[]", '{"eq": ["secret", 1]}', '{"eq": ["n", "x"]}', '{"ne": ["n", 1]}', '{"not": {"eq": ["n", 1]}}',
        '{"eq": ["__class__", 1]}', '{"or": [' + ",".join(['{"eq": ["n", 1]}'] * 17) + "]}", '{"and": [' * 9 + "]}" * 9,
        '{"eq": ["region", "' + "x" * 10_000 + '"]}',
    ],
)  # fmt: skip
@both
async def test_a_bad_condition_is_a_problem_in_json(text: str) -> None:
    """400, bounded words, and nothing was subscribed to."""
    subject = orders()
    client = Client(query="where=" + quote(text))
    await client.run(sse(client.request, subject, Placed, client_where=ALLOWED))
    assert client.status == 400
    problem = json.loads(b"".join(client.chunks))
    assert problem["detail"].startswith("where: ")
    assert len(problem["detail"]) < 500
    assert subject.statistics().subscriptions == ()
    with pytest.raises(ValueError, match="where: "):
        frames(None, subject, Placed, client_where=ALLOWED, asked=text)


@both
async def test_without_allowed_a_query_named_where_is_the_endpoints_own() -> None:
    """It is not read."""
    subject = orders()
    async with connected(lambda request: sse(request, subject), query="where=kitchen") as client:
        await subject.publish(Placed(n=1))
        await settle()
        assert client.numbers == [1]


@both
async def test_the_mistakes_of_an_endpoint_are_its_own() -> None:
    """They are raised, and not told to the client."""
    subject = orders()

    async def later(order: Placed) -> bool:
        return True

    with pytest.raises(TypeError, match="Allowed"):
        narrowed(subject, (), None, [Placed.n], "{}")
    with pytest.raises(TypeError, match="gives all"):
        narrowed(State(1), (), None, ALLOWED, None)
    with pytest.raises(TypeError, match="async"):
        narrowed(subject, (Placed,), later, ALLOWED, '{"eq": ["n", 1]}')
    with pytest.raises(TypeError, match=r"Price.*no field of Placed"):
        narrowed(subject, (Placed,), None, Allowed(Price.n), None)  # before any client asks
    with pytest.raises(Refused):
        narrowed(subject, (Placed,), None, ALLOWED, "{}")


@both
async def test_thousands_of_clients_with_a_key_each_cost_a_publish_what_one_costs() -> None:
    """The index finds the one that wants the event; nobody else is asked."""
    subject: Subject[Any] = Subject(Placed)
    clients = [Client(query="where=" + quote(f'{{"eq": ["n", {n}]}}')) for n in range(2_000)]
    async with anyio.create_task_group() as tasks:
        for client in clients:
            tasks.start_soon(client.run, sse(client.request, subject, Placed, client_where=ALLOWED))
        await settle()
        assert len(subject.statistics().subscriptions) == 2_000
        found_by = {explanation.found_by for explanation in subject.explain(Placed(n=7))}
        assert found_by == {"by n"}
        assert await subject.publish(Placed(n=7)) == 1
        await settle()
        assert [client.numbers for client in clients if client.events] == [[7]]
        for client in clients:
            client.leave()
