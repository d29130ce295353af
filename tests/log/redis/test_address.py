"""The URL of a server: what it means, and that its secrets are never shown."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.log._redis import _address
from evenflow.log._redis._address import BLOCKING_TIMEOUT, Address, masked


@pytest.mark.parametrize(
    "url, shown",
    [
        ("redis://localhost:6379/0", "redis://localhost:6379/0"),
        ("redis://me:s3cret@host:1/2", "redis://***@host:1/2"),
        ("rediss://:s3cret@host", "rediss://***@host"),
        ("redis://host/0?password=s3cret&username=me&timeout=5", "redis://host/0?password=***&username=***&timeout=5"),
        ("unix:///run/redis.sock?db=1&password=s3cret", "unix:///run/redis.sock?db=1&password=***"),
        ("redis://a:s3c@ret@host/0", "redis://***@host/0"),
    ],
)
def test_a_url_is_shown_without_its_secrets(url: str, shown: str) -> None:
    """Neither the password nor the user, wherever they stand."""
    assert masked(url) == shown


@pytest.mark.parametrize(
    "url, wanted",
    [
        ("redis://me:pw%40@host:7/3", {"host": "host", "port": 7, "db": 3, "username": "me", "password": "pw@"}),
        ("redis://host/3?name=shop&password=pw", {"host": "host", "db": 3, "password": "pw"}),
        ("redis://host/3?name=shop", {"host": "host", "db": 3}),
        ("valkey://host", {"host": "host", "port": 6379, "db": 0}),
        ("unix:///run/redis.sock?db=2", {"path": "/run/redis.sock", "db": 2}),
        ("unix://me:pw@/run/redis.sock", {"path": "/run/redis.sock", "username": "me", "password": "pw"}),
    ],
)
def test_a_url_names_server_user_and_database(url: str, wanted: dict[str, Any]) -> None:
    """For both kinds of connections; redis-py's own retries and timeouts are off."""
    address = Address(url)
    for connection, timeout in ((address.connection(), None), (address.blocking(), BLOCKING_TIMEOUT)):
        assert {name: getattr(connection, name) for name in wanted} == wanted
        assert connection.socket_timeout == timeout
        assert connection.health_check_interval == 0
        assert connection.retry._retries == 0


@pytest.mark.parametrize("scheme", ["rediss", "valkeys"])
def test_tls_is_a_scheme(scheme: str) -> None:
    """With the options of TLS in the URL."""
    address = Address(f"{scheme}://host?ssl_cert_reqs=none&ssl_check_hostname=false")
    assert type(address.connection()).__name__ == "SSLConnection"
    assert type(address.blocking()).__name__ == "SSLConnection"


@pytest.mark.parametrize("url", ["http://me:s3cret@host", "host:6379", "redis://me:s3cret@host?nonsense=1", ""])
def test_nonsense_is_refused_where_it_is_written(url: str) -> None:
    """And not when the log is opened; without showing a secret."""
    with pytest.raises(ValueError, match="URL") as caught:
        Address(url)
    assert "s3cret" not in str(caught.value)
    wrong: Any = 5
    with pytest.raises(TypeError, match="5"):
        Address(wrong)


@pytest.mark.parametrize("with_hiredis", [True, False])
def test_commands_are_packed_in_one_piece(monkeypatch: pytest.MonkeyPatch, with_hiredis: bool) -> None:
    """Texts, bytes and numbers; with hiredis and without it."""
    if not with_hiredis:
        monkeypatch.setattr(_address, "_SERIALIZER", None)
    connection = Address("redis://host").connection()
    assert _address.packed(connection, [("SET", "ü", b"\0\r"), ("GET", 7)]) == (
        b"*3\r\n$3\r\nSET\r\n$2\r\n\xc3\xbc\r\n$2\r\n\0\r\r\n*2\r\n$3\r\nGET\r\n$1\r\n7\r\n"
    )


def test_a_server_of_a_cluster_that_has_moved_is_followed() -> None:
    """User, database and all else stay; a server without a name is the one that was asked."""
    address = Address("redis://:pw@host:1")
    address.move("other", 2)
    moved = address.connection()
    assert (moved.host, moved.port, moved.password) == ("other", 2, "pw")
    address.move("", 3)
    assert (address.blocking().host, address.blocking().port) == ("other", 3)
    assert "pw" not in repr(address)
