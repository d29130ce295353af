"""WHERE: env:NAME, and what is shown of an address."""

from __future__ import annotations

import pytest

from evenflow.cli._address import Refused, address, masked


@pytest.mark.parametrize(
    "text, shown",
    [
        ("no log at redis://me:a/b@c@host/0", "no log at redis://***@host/0"),
        ("postgresql:///shop?host=db&password=hunter2&x=1", "postgresql:///shop?host=db&password=***&x=1"),
        ("see https://example.org/page", "see https://example.org/page"),
        ("shop.db", "shop.db"),
    ],
)
def test_what_stands_before_the_host_is_left_out(text: str, shown: str) -> None:
    """Also in a text that nobody has read as an address."""
    assert masked(text) == shown


def test_a_secret_that_was_read_is_left_out_everywhere() -> None:
    """As it was written, and decoded: a driver may show either."""
    given = "postgresql://me:s%40fe-word@host/shop"
    assert address(given) == given
    assert masked(f"cannot log in with 's@fe-word' or 's%40fe-word' at {given}") == (
        "cannot log in with '***' or '***' at postgresql://***@host/shop"
    )


def test_a_variable_holds_the_address_and_only_its_name_is_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the variable holds is shown as env:NAME, in every text."""
    monkeypatch.setenv("SHOP_LOG", "redis://me:variable-word@host/0")
    assert address("env:SHOP_LOG") == "redis://me:variable-word@host/0"
    assert masked("no answer from redis://me:variable-word@host/0") == "no answer from env:SHOP_LOG"
    assert masked("'variable-word' was refused") == "'***' was refused"


def test_a_variable_that_is_not_there_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its name is said; an empty one counts as none."""
    monkeypatch.setenv("EMPTY", "")
    for name in ("EMPTY", "NOT_THERE_AT_ALL", ""):
        with pytest.raises(Refused, match=f"no variable '{name}'"):
            address(f"env:{name}")
