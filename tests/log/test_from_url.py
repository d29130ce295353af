"""A log by its address."""

from __future__ import annotations

import sys
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


def test_the_address_of_a_file_may_have_a_name_as_those_of_servers_have() -> None:
    """What is given beside it counts more, and anything else in the address is refused instead of passed over."""
    assert from_url("sqlite:///orders.db?name=shop").name == "shop"
    assert from_url("sqlite:///orders.db?name=shop", name="other").name == "other"
    for query in ("durability=process", "name=shop&schema=x", "name", "x"):
        with pytest.raises(ValueError, match=r"\?name=shop|name of a log"):
            from_url(f"sqlite:///orders.db?{query}")


def test_an_unknown_engine_is_refused_without_its_password() -> None:
    """The message names the scheme and the host, never what stands before the @."""
    with pytest.raises(ValueError, match="kafka://host") as caught:
        from_url("kafka://me:secret@host/x")
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


@pytest.mark.parametrize(
    "scheme, package, extra",
    [
        ("redis", "redis", "redis"),
        ("rediss", "redis", "redis"),
        ("valkey", "redis", "redis"),
        ("unix", "redis", "redis"),
        ("postgres", "asyncpg", "postgres"),
        ("postgresql", "asyncpg", "postgres"),
    ],
)
def test_without_its_client_the_extra_and_the_command_are_named(
    monkeypatch: pytest.MonkeyPatch, scheme: str, package: str, extra: str
) -> None:
    """What was given, without its password, what is missing, and what installs it."""
    for name in list(sys.modules):
        if name.split(".")[0] == package or name.startswith((f"evenflow.log._{extra}", f"evenflow.log.{extra}")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, package, None)  # as if it were not installed
    monkeypatch.delattr(f"evenflow.log.{extra}", raising=False)
    with pytest.raises(ImportError) as caught:
        from_url(f"{scheme}://me:secret@host/shop")
    said = str(caught.value)
    assert f"{scheme}://" in said
    assert f"needs {package}" in said
    assert f"pip install 'evenflow[{extra}]'" in said
    assert "secret" not in said
    assert caught.value.name == package


def test_every_engine_of_a_server_has_an_extra_of_its_name() -> None:
    """So the command in that error installs something."""
    from importlib.metadata import metadata

    from evenflow.log._from_url import _SERVERS

    extras = metadata("evenflow").get_all("Provides-Extra") or []
    assert {module for module, _ in _SERVERS.values()} <= set(extras)


def test_a_mistake_inside_of_evenflow_is_no_missing_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its own traceback is shown."""
    for name in list(sys.modules):
        if name.startswith(("evenflow.log._redis", "evenflow.log.redis")):
            monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "evenflow.log._redis", None)
    with pytest.raises(ImportError) as caught:
        from_url("redis://host")
    assert "extra" not in str(caught.value)
