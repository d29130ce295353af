from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from evenflow import Subject
from evenflow.log import SQLiteLog
from evenflow.web import inspector
from evenflow.web._inspector._app import read_files

from .kit import Order, get

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("wrong", [(), (3,), ("orders",), ([],), (Order,)])
def test_what_is_no_subject_is_refused(wrong: Any) -> None:
    """An inspector shows subjects, states, shared streams and logs, and says so at once."""
    with pytest.raises(TypeError, match=r"^inspector\(\) (takes what it|shows subjects, states)"):
        inspector(*wrong)


def test_nonsense_is_refused() -> None:
    """An authorize that cannot be called would let nobody in, and is refused; so is a title that is no text."""
    subject = Subject(Order)
    with pytest.raises(TypeError, match="authorize must be a function"):
        inspector(subject, authorize=True)  # type: ignore[arg-type]  # what is tested
    with pytest.raises(TypeError, match="title must be a text"):
        inspector(subject, title=3)  # type: ignore[arg-type]  # what is tested


async def test_the_page_and_its_files_are_served() -> None:
    """Every file that the page names is there, with its type, below the place where the inspector is mounted."""
    app = Starlette(routes=[Mount("/evenflow", inspector(Subject(Order)))])
    page = await get(app, "/evenflow/")
    assert page.status == 200 and page.header("content-type") == "text/html; charset=utf-8"
    named = re.findall(r'(?:src|href)="([^"]+)"', page.text)
    assert len(named) == 5
    for name in named:
        answer = await get(app, f"/evenflow/{name}")
        assert answer.status == 200, name
    module = await get(app, "/evenflow/static/main.js")
    assert module.header("content-type") == "text/javascript; charset=utf-8"
    assert (await get(app, "/evenflow")).status in (307, 308)


def test_the_page_has_nothing_inline_and_nothing_from_elsewhere() -> None:
    """No script or style stands in the page, no module makes HTML of a text, and nothing names another host."""
    files = {name: body.decode() for name, body in read_files().items() if not name.startswith("vendor/")}
    page = files["index.html"]
    assert not re.search(r"<style|style=|\son\w+=|<script(?![^>]*\bsrc=)|javascript:", page)
    for name, text in files.items():
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval\(|new Function", text), name
        elsewhere = re.findall(r"https?://[^\s\"')]+", text)
        assert [one for one in elsewhere if one != "http://www.w3.org/2000/svg"] == [], name


def test_every_module_that_is_imported_is_in_the_package() -> None:
    """The modules of the page name each other, and each is there; the chart has its licence beside it."""
    files = {name: body.decode() for name, body in read_files().items()}
    for name, text in files.items():
        if name.endswith(".js") and not name.startswith("vendor/"):
            for other in re.findall(r'from "\./([^"]+)"', text):
                assert other in files, (name, other)
    assert "Permission is hereby granted" in files["vendor/uplot.LICENSE.txt"]


@pytest.mark.parametrize(
    "path",
    ["/static/../_app.py", "/static/%2e%2e/_app.py", "/static/", "/static/vendor", "/nothing", "/static/index.html"],
)
async def test_nothing_else_is_served(path: str) -> None:
    """Only the page's own files can be asked for."""
    answer = await get(inspector(Subject(Order)), path)
    assert answer.status == 404


async def test_the_page_is_told_what_it_may_do(tmp_path: Path) -> None:
    """The page knows its title, and whether there are actions and contents."""
    log = SQLiteLog(tmp_path / "log.db", name="shop")
    answer = await get(inspector(log, actions=True, title="<b>shop</b>"), "/about")
    assert answer.json == {"title": "<b>shop</b>", "actions": True, "contents": False}
