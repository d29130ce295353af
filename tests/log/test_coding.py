"""From events to what is stored, and back."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log import DecodeError, Retain
from evenflow.log._coding import Decoder, Encoder, Kind, Unreadable
from evenflow.log._routes import checked_routed_by
from evenflow.log._schemas import Schemas
from evenflow.log._stored import Append, Row
from tests.contract.kit import both

from .events import Ordered, Shipped, opened


def kind(retain: Retain | None = None) -> Kind:
    """A subject of two classes."""
    return Kind("orders", (Ordered, Shipped), Schemas("orders", (Ordered, Shipped)), retain)


def test_many_are_made_ready_as_each_alone() -> None:
    """``appends`` makes of each event what ``append`` does, whatever the classes."""
    encoder = Encoder(kind(Retain(last_by=Ordered.region)), 1_000)
    events = [Ordered(n=1), Ordered(n=2, region="us"), Ordered(n=3)]
    alone = [encoder.append(event, f"id-{event.n}", {"a": "b"}) for event in events]
    assert encoder.appends(events, lambda event: f"id-{event.n}", {"a": "b"}) == alone
    assert [append.key for append in alone] == ['"eu"', '"us"', '"eu"']
    assert encoder.appends([], None, None) == []


def test_many_of_one_class_are_made_ready_as_each_alone() -> None:
    """With headers and without, which is the quick way; a generator is drawn once."""
    encoder = Encoder(kind(), 60)
    events = [Ordered(n=n, region="eu" * (n % 3)) for n in range(20)]
    for headers in (None, {"a": "b"}):
        alone = [encoder.append(event, None, headers) for event in events]
        assert encoder.appends(iter(events), None, headers) == alone
    assert all(type(append) is Append for append in encoder.appends(events, None, None))


def test_of_many_of_one_class_the_first_that_is_wrong_is_told_of() -> None:
    """Too large, or never validated: whichever comes first, as if each were published alone."""
    encoder = Encoder(kind(), 60)
    large, wrong = Ordered(n=1, region="x" * 60), Ordered.model_construct(n="many")
    with pytest.raises(ValueError, match="more than max_event_bytes=60"):
        encoder.appends([Ordered(n=1), large, wrong], None, None)
    with pytest.raises(ValueError, match="could not be read back"):
        encoder.appends([Ordered(n=1), wrong, large], None, None)
    with pytest.raises(ValueError, match="more than max_event_bytes=60"):
        encoder.appends([Ordered(n=1), Ordered(n=2)], None, {"a": "b" * 45})


def test_each_event_has_the_route_that_its_subject_declares() -> None:
    """One by one and together; of a class without the field it has none."""
    routing = checked_routed_by(Ordered.region, (Ordered, Shipped))
    encoder = Encoder(kind()._replace(routing=routing), 1_000)
    events = [Ordered(n=1, region="us"), Shipped(n=2)]
    assert [encoder.append(event, None, None).route for event in events] == [(("region",), 1, ("us",)), None]
    assert encoder.appends(events, None, None) == [encoder.append(event, None, None) for event in events]
    assert Encoder(kind(), 1_000).append(events[0], None, None).route is None


def test_many_are_refused_as_one_is() -> None:
    """Size, ids, headers and classes are looked at for each of many."""
    encoder = Encoder(kind(), 40)
    assert len(encoder.appends([Ordered(n=1)], None, {"a": "b"})) == 1
    with pytest.raises(ValueError, match="40"):
        encoder.appends([Ordered(n=1)], None, {"a": "b" * 40})
    with pytest.raises(ValueError, match="empty"):
        encoder.appends([Ordered(n=1)], lambda _: "", None)
    wrong: Any = 5
    with pytest.raises(TypeError, match="orders"):
        encoder.appends([Ordered(n=1), wrong], None, None)


@both
async def test_an_event_that_cannot_be_read_says_where_it_stands() -> None:
    """A ``DecodeError`` has the offset, the name and the version."""
    async with opened() as (orders, opening):
        decoder = opening.tail(orders._kind).decoder
        row = Row(7, "Nothing", 3, b"{}", {}, "", 0)
        with pytest.raises(DecodeError) as caught:
            decoder.event(row)
        assert (caught.value.type, caught.value.version) == ("Nothing", 3)
        assert caught.value.offset == opening.running.offset("orders", 7)
        assert decoder.event(Row(8, "Ordered", 1, b'{"n":1}', {}, "", 0)) == Ordered(n=1)


@both
async def test_wants_that_take_everything_take_what_nobody_knows() -> None:
    """Names are asked for only where the wants leave out a class of the subject."""
    async with opened() as (orders, opening):
        decoder = opening.tail(orders._kind).decoder
        assert decoder.names_of(()) is None
        assert decoder.names_of((Ordered, Shipped)) is None
        assert decoder.names_of((Ordered,)) == frozenset({"Ordered"})


def test_headers_may_be_stamped_on_their_way_into_the_log() -> None:
    """One event or many, and from now on or no more; what comes out is checked like what a publisher gives."""
    encoder = Encoder(kind(), 1_000)
    encoder.stamp_with(lambda headers: {**(headers or {}), "traceparent": "x"})
    one = encoder.append(Ordered(n=1), None, {"tenant": "a"})
    [many] = encoder.appends([Ordered(n=1)], None, None)
    assert (one.headers, many.headers) == ({"tenant": "a", "traceparent": "x"}, {"traceparent": "x"})
    encoder.stamp_with(lambda headers: {"Not-Allowed": "x"})
    with pytest.raises(ValueError, match="header"):
        encoder.append(Ordered(n=1), None, None)
    encoder.stamp_with(None)
    assert encoder.append(Ordered(n=1), None, None).headers == {}


@both
async def test_a_page_is_decoded_as_each_event_alone() -> None:
    """In order, whatever the classes; what cannot be read stands there with its error, and its neighbours are read."""
    async with opened() as (orders, opening):
        decoder = opening.tail(orders._kind).decoder
        rows = [
            Row(seq, name, 1, data, {}, "", 0)
            for seq, (name, data) in enumerate(
                [("Ordered", b'{"n":1}'), ("Nothing", b"{}"), ("Ordered", b"no"), ("Shipped", b'{"n":2}')], start=1
            )
        ]
        first, unknown, broken, last = decoder.events(rows)
        assert (first, last) == (decoder.event(rows[0]), decoder.event(rows[3]))
        for row, found in ((rows[1], unknown), (rows[2], broken)):
            with pytest.raises(DecodeError) as alone:
                decoder.event(row)
            assert isinstance(found, Unreadable)
            assert (str(found.error), found.error.offset) == (str(alone.value), alone.value.offset)
        assert decoder.events([]) == []


@both
async def test_the_server_is_told_of_wants_only_where_it_can_leave_something_out() -> None:
    """Elsewhere the types alone are asked for, as without ``routed_by``."""
    condition: Any = Ordered.region == "eu"
    types = frozenset({"Ordered"})
    async with opened() as (orders, opening):
        routed = orders._kind._replace(routing=checked_routed_by(Ordered.region, (Ordered, Shipped)))
        decoder = Decoder(opening.running, routed)
        assert not decoder.filters
        assert decoder.wanted(types, condition) is None
        opening.engine.filters = True  # type: ignore[misc]  # this one, from now on
        assert not Decoder(opening.running, orders._kind).filters
        decoder = Decoder(opening.running, routed)
        wanted = decoder.wanted(types, condition)
        assert wanted is not None
        assert (wanted.types, wanted.fields) == (types, {"region": frozenset({"eu"})})
        assert (wanted.version_of("Ordered"), wanted.version_of("Nobody")) == (1, None)
