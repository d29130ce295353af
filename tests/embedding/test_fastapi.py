"""A module-level subject in a FastAPI application; its test client runs each time in a new loop."""

from __future__ import annotations

import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import anyio
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from evenflow import Event, Subject, SubjectClosed


class Said(Event):
    """A line of a chat, and the body of a request."""

    room: str
    text: str


said = Subject(Said, name="said")
handled: list[str] = []


@said.observer
async def remember(line: Said) -> None:
    handled.append(line.text)


@asynccontextmanager
async def lifespan(_: FastAPI) -> AsyncIterator[None]:
    async with said:
        yield


app = FastAPI(lifespan=lifespan)


@app.post("/say")
async def say(line: Said) -> int:
    return await said.publish(line)


@app.post("/say-in-a-thread")
def say_in_a_thread(line: Said) -> int:
    return said.publish_from_thread(line)


@app.get("/next")
async def wait_for_next(room: str) -> Said:
    return await said.first(Said, where=Said.room == room)


@pytest.fixture(autouse=True)
def nothing_handled() -> Iterator[None]:
    handled.clear()
    yield
    handled.clear()


@pytest.mark.parametrize("time", [1, 2])
def test_a_module_level_subject_works_in_two_test_clients(time: int) -> None:
    """Each test client has its own loop, and the same subject works in one after another."""
    with TestClient(app) as client:
        assert client.post("/say", json={"room": "a", "text": f"hello {time}"}).json() == 1
    assert handled == [f"hello {time}"]
    assert said.statistics().published == 1


def test_two_test_clients_one_after_the_other_in_one_test() -> None:
    """When the first test client ends, the subject is closed; in the second its counters start at zero."""
    for text in ("first", "second"):
        with TestClient(app) as client:
            client.post("/say", json={"room": "a", "text": text})
            client.post("/say", json={"room": "a", "text": text})
        assert said.statistics().published == 2
    assert handled == ["first", "first", "second", "second"]


def test_between_two_lives_publishing_is_refused() -> None:
    """After the test client has ended, the subject is closed, and publishing raises `SubjectClosed`."""
    with TestClient(app):
        pass
    with pytest.raises(SubjectClosed, match="said is closed"):
        anyio.run(said.publish, Said(room="a", text="late"))


def test_an_endpoint_that_is_not_async_publishes_from_its_thread() -> None:
    """FastAPI runs a plain `def` in a worker thread, which publishes with `publish_from_thread`."""
    with TestClient(app) as client:
        assert client.post("/say-in-a-thread", json={"room": "a", "text": "from a thread"}).json() == 1
    assert handled == ["from a thread"]


def test_the_test_itself_publishes_from_its_own_thread() -> None:
    """The test client runs the application in another thread, so the test can publish while a request waits."""
    answers: list[object] = []
    with TestClient(app) as client:
        waiting = threading.Thread(target=lambda: answers.append(client.get("/next", params={"room": "b"}).json()))
        waiting.start()
        while said.publish_from_thread(Said(room="b", text="here")) < 2:
            pass  # the request has not subscribed yet
        waiting.join()
    assert answers == [{"room": "b", "text": "here"}]


def test_an_event_in_a_body_is_checked_and_described() -> None:
    """An event is a pydantic model: a wrong body is refused with 422, and OpenAPI describes its fields."""
    with TestClient(app) as client:
        assert client.post("/say", json={"room": "a"}).status_code == 422
        schema = client.get("/openapi.json").json()["components"]["schemas"]["Said"]
    assert schema["required"] == ["room", "text"]


def test_an_application_that_fails_to_start_leaves_the_subject_usable() -> None:
    """An exception in the lifespan cancels the observers and is raised unchanged; the application can start again."""

    @asynccontextmanager
    async def broken(_: FastAPI) -> AsyncIterator[None]:
        async with said:
            raise LookupError("no database")
            yield

    with pytest.raises(LookupError, match="no database"), TestClient(FastAPI(lifespan=broken)):
        pass
    with TestClient(app) as client:
        assert client.post("/say", json={"room": "a", "text": "after"}).json() == 1
    assert handled == ["after"]


def test_a_request_without_the_lifespan_finds_no_observers_and_that_is_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """With `TestClient(app)` without `with`, a common mistake, nothing is handled and a warning says why."""
    alone = Subject(Said, name="alone")
    alone.observe(remember)
    application = FastAPI()

    @application.post("/say")
    async def say_alone(line: Said) -> int:
        return await alone.publish(line)

    with caplog.at_level(logging.WARNING, "evenflow"):
        assert TestClient(application).post("/say", json={"room": "a", "text": "nobody"}).json() == 0
    assert "enter the subject" in caplog.text
    assert handled == []
