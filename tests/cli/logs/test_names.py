"""What a command line names, and what is said where it names nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from evenflow.cli.logs._names import Refused, log_at, named, named_class, named_log, offsets, place
from evenflow.log import Offset, SQLiteLog

from .kit import SHOP


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the module, in which the command runs."""
    (tmp_path / "named_shop.py").write_text(SHOP)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    return tmp_path


def test_modules_and_names_are_found_in_the_folder() -> None:
    """A log and a class, by module and name."""
    assert isinstance(named_log("named_shop:log"), SQLiteLog)
    assert named_class("named_shop:OrderPlaced").__name__ == "OrderPlaced"
    assert named("named_shop:orders.name", "a name") == "orders"


@pytest.mark.parametrize(
    "text, says",
    [
        ("named_shop", "MODULE:NAME"),
        ("nowhere:log", "no module 'nowhere'"),
        ("named_shop:nothing", "no 'nothing'"),
        ("named_shop:OrderPlaced", "is no log"),
    ],
)
def test_what_is_not_there_is_said_in_one_sentence(text: str, says: str) -> None:
    """No traceback of ours."""
    with pytest.raises(Refused, match=says):
        named_log(text)


def test_a_module_that_fails_shows_its_own_error(folder: Path) -> None:
    """An import inside the user's module that fails is the user's."""
    (folder / "broken_shop.py").write_text("import not_installed_at_all")
    with pytest.raises(ModuleNotFoundError, match="not_installed_at_all"):
        named_log("broken_shop:log")


def test_a_wrong_path_makes_no_new_file(folder: Path) -> None:
    """A log that is not there is refused."""
    with pytest.raises(Refused, match=r"no log at wrong\.db"):
        log_at("wrong.db")
    with pytest.raises(Refused, match="kafka"):
        log_at("kafka://host")
    assert not (folder / "wrong.db").exists()


def test_places_and_offsets_are_read() -> None:
    """Words, offsets and times with a zone."""
    assert place("start") == "start"
    assert place("orders.l.5") == Offset("orders", "l", 5)
    assert place("2026-11-28T12:00:00+00:00") == datetime(2026, 11, 28, 12, tzinfo=UTC)
    for wrong in ("yesterday", "2026-11-28"):
        with pytest.raises(Refused, match="with its zone"):
            place(wrong)
    assert offsets(["all"]) == "all"
    assert offsets(["orders.l.5"]) == [Offset("orders", "l", 5)]
    with pytest.raises(Refused, match="or say all"):
        offsets(["every"])
