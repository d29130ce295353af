"""The subjects of a log's messages."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from evenflow.log._nats._names import LONGEST, Names, text_of, token

NAMES = Names("SHOP", "acme.shop")


@given(st.text(st.characters(codec="utf-8"), max_size=60))
def test_any_text_is_one_token_and_comes_back(text: str) -> None:
    """A token has nothing that a server gives a meaning; what is too long is a digest, and does not come back."""
    made = token(text)
    assert made
    assert not set(made) - set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-=")
    assert len(made) <= LONGEST
    assert text_of(made) in {text, None}
    if len(text.encode()) * 3 <= LONGEST:
        assert text_of(made) == text


def test_a_long_text_is_a_digest() -> None:
    """Another text is another one, and none can be read back."""
    assert token("x" * 300) != token("x" * 301)
    assert text_of(token("x" * 300)) is None


@pytest.mark.parametrize(
    "key", ["group/orders/billing", "page/orders/billing/x", "retry/orders/b/0001", "a", "lane/o/b/ü .*>"]
)
def test_a_record_is_found_by_its_key_and_by_its_prefix(key: str) -> None:
    """Pages are where nobody hears of them; all others are heard."""
    subject = NAMES.record(key)
    assert NAMES.key(subject) == key
    assert subject.startswith("acme.shop_quiet." if key.startswith("page/") else "acme.shop.")
    (pattern,) = NAMES.records(key.rpartition("/")[0] + "/x") if "/" in key else ("acme.shop.records.>",)
    assert subject.startswith(pattern.removesuffix(">"))


def test_events_of_a_type_are_among_those_of_the_subject() -> None:
    """A dot in the name of a type is no token of its own."""
    assert NAMES.event("orders", "shop.placed") == "acme.shop.events.orders.shop=2Eplaced._"
    assert NAMES.of_subject("orders", "shop.placed") == "acme.shop.events.orders.shop=2Eplaced.>"
    assert NAMES.of_subject("orders") == "acme.shop.events.orders.>"


def test_all_records_are_at_two_places() -> None:
    """Those that are heard of, and those that are not."""
    assert NAMES.records("") == ["acme.shop.records.>", "acme.shop_quiet.records.>"]
