"""What `MODULE:NAME` may be: a subject, a log, a list, a function, an application, a module, a document."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from evenflow.cli.asyncapi._found import found, made_of

from .kit import shop


@pytest.fixture
def events(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The module `events` can be imported."""
    monkeypatch.chdir(shop(tmp_path))
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "events", raising=False)


@pytest.mark.usefixtures("events")
@pytest.mark.parametrize(
    "name, subjects",
    [
        ("events:orders", ["orders"]),
        ("events:log", ["orders"]),
        ("events:prices", ["prices"]),
        ("events:both", ["orders", "prices"]),
        ("events:chosen", ["orders", "prices"]),
        ("events:holder", ["prices"]),
        ("events:app", ["orders", "prices"]),
        ("events", ["orders", "prices"]),
    ],
)
def test_every_way_to_name_subjects(name: str, subjects: list[str]) -> None:
    """What is private, and what has no name of its own, is left out where nobody named it."""
    assert list(made_of(found(name), "t", "1")["channels"]) == subjects


@pytest.mark.usefixtures("events")
def test_an_application_says_its_title_and_version_and_a_document_stays_as_it_is() -> None:
    """FastAPI's applications have both; a program may add to a document what evenflow does not know."""
    assert found("events:app")[1:] == ("The shop", "2.1.0", None)
    made = made_of(found("events:whole"), "other", "0")
    assert (made["info"], made["x-mine"]) == ({"title": "By hand", "version": "7"}, 1)


@pytest.mark.usefixtures("events")
def test_the_state_of_an_application_is_looked_at() -> None:
    """Starlette and FastAPI keep there what belongs to the application."""
    import events  # type: ignore[import-not-found]  # the fixture makes it
    from fastapi import FastAPI

    events.web = FastAPI(title="Web", version="3")
    events.web.state.prices = events.prices
    what = found("events:web")
    assert (what.title, what.version) == ("Web", "3")
    assert what.subjects == [events.prices]
