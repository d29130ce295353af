"""`frames` in a view of Django, called as an ASGI server calls it."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import pytest
from django.conf import settings
from django.core.asgi import get_asgi_application
from django.http import HttpRequest, StreamingHttpResponse
from django.urls import clear_url_caches, path
from django.utils.functional import empty

from evenflow import Subject
from evenflow.web import frames

from ..web.kit import Client, Placed, orders

pytestmark = pytest.mark.asyncio


def application(subject: Subject[Any]) -> Any:
    """Django's own application with one view."""

    async def events(request: HttpRequest) -> StreamingHttpResponse:
        stream = frames(request.headers.get("Last-Event-ID"), subject, Placed)
        return StreamingHttpResponse(stream, status=stream.status, headers=dict(stream.headers))

    urls: Any = ModuleType("urls")
    urls.urlpatterns = [path("events", events)]
    settings.configure(SECRET_KEY="for this test only", ALLOWED_HOSTS=["*"], ROOT_URLCONF=urls)
    return get_asgi_application()


@pytest.fixture(autouse=True)
def own_settings() -> Iterator[None]:
    """Django has one set of settings for a process; the page about it has its own."""
    lazy: Any = settings
    before, lazy._wrapped = lazy._wrapped, empty
    try:
        yield
    finally:
        lazy._wrapped = before
        clear_url_caches()


def client_of(**headers: str) -> Client:
    client = Client({"host": "localhost", **headers})
    client.scope |= {"http_version": "1.1", "server": ("127.0.0.1", 80), "client": ("127.0.0.1", 1), "scheme": "http"}
    return client


async def until(happened: Any) -> None:
    async with asyncio.timeout(60):
        while not happened():
            await asyncio.sleep(0)


async def test_a_client_gets_events_and_leaves_nothing_when_it_goes() -> None:
    """Django cancels the view; the subscription goes with it."""
    subject = orders(replay=5)
    client = client_of()
    serving = asyncio.create_task(application(subject)(client.scope, client.receive, client.send))
    await until(lambda: subject.statistics().subscriptions)
    await subject.publish(Placed(n=1))
    await until(lambda: client.numbers == [1])
    assert client.headers["content-type"].startswith("text/event-stream")
    client.leave()
    await serving
    del serving
    gc.collect()
    await until(lambda: not subject.statistics().subscriptions)


async def test_the_end_is_answered_204() -> None:
    """The status is that of the frames."""
    client = client_of(**{"last-event-id": "evenflow.end"})
    await application(orders())(client.scope, client.receive, client.send)
    assert client.status == 204
