"""Which pages may open a WebSocket here."""

from __future__ import annotations

from typing import Any

import pytest

from evenflow.web._origin import Origin, checked_origins, is_allowed

LISTED = ["https://app.example.com", "http://localhost:3000", "https://[::1]:8443"]
APPS = ["capacitor://localhost", "chrome-extension://abcdefgh"]


@pytest.mark.parametrize(
    "origins_sent_host_welcome",
    [
        (None, [], "a.example", True),
        (None, ["http://a.example"], "a.example", True),
        (None, ["https://a.example"], "a.example", True),
        (None, ["https://a.example:443"], "A.Example", True),
        (None, ["https://a.example"], "a.example:443", True),
        (None, ["http://a.example:8000"], "a.example:8000", True),
        (None, ["http://a.example:8000"], "a.example", False),
        (None, ["http://a.example"], "a.example:8000", False),
        (None, ["http://a.example"], "a.example.evil.example", False),
        (None, ["http://a.example@evil.example"], "a.example", False),
        (None, ["http://evil.example/a.example"], "a.example", False),
        (None, ["http://evil.example#a.example"], "a.example", False),
        (None, ["http://a.example"], "user@a.example", False),
        (None, ["http://a.example"], None, False),
        (None, ["http://a.example"], "", False),
        (None, [""], "", False),
        (None, ["null"], "null", False),
        (None, ["file://"], "", False),
        (None, ["http://a.example:99999"], "a.example", False),
        (None, ["http://[::1"], "[::1", False),
        (None, ["http://\u0430.example"], "\u0430.example", False),
        (None, ["http://a.example", "http://a.example"], "a.example", False),
        (None, ["http://a.example, http://evil.example"], "a.example", False),
        (LISTED, ["https://app.example.com"], "api.example.com", True),
        (LISTED, ["https://APP.example.com:443"], "api.example.com", True),
        (LISTED, ["http://app.example.com"], "api.example.com", False),
        (LISTED, ["http://localhost:3000"], "api.example.com", True),
        (LISTED, ["https://[::1]:8443"], "api.example.com", True),
        (LISTED, ["https://api.example.com"], "api.example.com", False),
        (LISTED, [], "api.example.com", True),
        (LISTED, ["null"], "api.example.com", False),
        ([], ["https://api.example.com"], "api.example.com", False),
        (APPS, ["capacitor://localhost"], "api.example.com", True),
        (APPS, ["chrome-extension://abcdefgh"], "api.example.com", True),
        (APPS, ["capacitor://localhost:80"], "api.example.com", False),
        (APPS, ["http://localhost"], "api.example.com", False),
        (APPS, ["tauri://localhost"], "api.example.com", False),
        (None, ["capacitor://localhost"], "localhost", False),
        ("any", ["null"], "a.example", True),
        ("any", ["https://evil.example"], "a.example", True),
    ],
    ids=str,
)
def test_a_page_is_welcome_from_this_host_or_from_where_it_is_said(origins_sent_host_welcome: tuple[Any, ...]) -> None:
    """The table at the head of the file, and what could be taken for one of its rows."""
    origins, sent, host, is_welcome = origins_sent_host_welcome
    assert is_allowed(checked_origins(origins), sent, host) is is_welcome


@pytest.mark.parametrize("wrong", ["https://a.example", 5, {"https://a.example"}])
def test_a_list_is_a_list(wrong: object) -> None:
    """A text alone would be a list of its characters."""
    with pytest.raises(TypeError, match="origins must be a list"):
        checked_origins(wrong)


@pytest.mark.parametrize(
    "wrong",
    ["a.example", "https://a.example/", "https://*.example", "*", "null", "ws://a.example", "file://a", "://a", 5],
)
def test_an_origin_that_no_browser_sends_is_refused_where_it_is_written(wrong: object) -> None:
    """It would never be equal to one that comes."""
    with pytest.raises(ValueError, match="an origin is a scheme, a host and maybe a port"):
        checked_origins([wrong])


def test_a_port_that_is_not_written_is_that_of_the_scheme() -> None:
    """As browsers have it."""
    assert checked_origins(["https://a.example"]) == {Origin("https", "a.example", 443)}
