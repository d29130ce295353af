"""A log by its address."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log import SQLiteLog, from_url


@pytest.mark.parametrize(
    "url, path",
    [
        ("shop.db", "shop.db"),
        ("/var/lib/shop.db", "/var/lib/shop.db"),
        ("sqlite:///shop.db", "shop.db"),
        ("sqlite:////var/lib/shop%20two.db", "/var/lib/shop two.db"),
        (":memory:", ":memory:"),
    ],
)
def test_a_path_and_a_url_name_a_file(url: str, path: str) -> None:
    """Three slashes are relative, four absolute, as elsewhere."""
    log = from_url(url, name="shop")
    assert isinstance(log, SQLiteLog)
    assert (log._path, log.name) == (path, "shop")


def test_an_unknown_engine_is_refused_without_its_password() -> None:
    """The message names the scheme and the host, never what stands before the @."""
    with pytest.raises(ValueError, match="nats://host") as caught:
        from_url("nats://me:secret@host/x")
    assert "secret" not in str(caught.value)
    wrong: Any = 5
    with pytest.raises(TypeError, match="5"):
        from_url(wrong)
    with pytest.raises(ValueError, match="sqlite:///"):
        from_url("sqlite://shop.db")


@pytest.mark.parametrize("scheme", ["postgres", "postgresql"])
def test_a_server_of_postgresql_is_named_by_its_url(scheme: str) -> None:
    """Nothing is connected yet; options are those of its class."""
    from evenflow.log.postgres import PostgresLog

    log = from_url(f"{scheme}://me:secret@host/shop", name="shop", schema="orders")
    assert isinstance(log, PostgresLog)
    assert (log._dsn, log.name) == (f"{scheme}://me:secret@host/shop", "shop")
