"""The docs are a program that is run, and pages that lead somewhere."""

from __future__ import annotations

import re
from importlib import import_module
from inspect import ismodule, signature
from pathlib import Path

import pytest

from tests.docs_blocks import Page, blocks

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
NAMED_TEST = re.compile(r"((?:tests|src)/[\w/]+\.py)::(\w+)")
LINK = re.compile(r"\]\((?P<target>[^)\s]+)\)")


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _prose(page: Path) -> list[str]:
    """The lines of a page that are not inside a block, each without its code spans."""
    prose, inside = [], False
    for line in page.read_text(encoding="utf-8").splitlines():
        if line.lstrip().startswith("```"):
            inside = not inside
        elif not inside:
            prose.append(re.sub(r"`[^`]*`", "`x`", line))
    return prose


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_python_block_runs_and_prints_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A page is a program: what it says can be typed in, and prints what it says."""
    monkeypatch.chdir(tmp_path)
    Page(page, tmp_path).run()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_to_a_file_of_this_project(page: Path) -> None:
    """A link inside the project is a path that exists, and a heading that is there."""
    for link in LINK.finditer("\n".join(_prose(page))):
        target, _, heading = link["target"].partition("#")
        if "://" in target or target.startswith("mailto:"):
            continue
        file = (page.parent / target) if target else page
        assert file.exists(), f"{_name(page)} links to {target}"
        if heading and file.suffix == ".md":
            assert heading in _headings(file), f"{_name(page)} links to {link['target']}: no such heading"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_says_one_sentence_a_line(page: Path) -> None:
    """A change to a sentence is a change to a line, and can be read in a diff."""
    for line in _prose(page):
        if line.startswith(("|", "#")):
            continue
        assert not re.search(r"[a-z`)]{2}[.!?] [A-Z]", line), f"{_name(page)}: {line}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_page_opens_with_a_sentence(page: Path) -> None:
    """After its title, the first thing on a page is what it is for, so that a reader can leave."""
    lines = [line for line in page.read_text(encoding="utf-8").splitlines() if line.strip()]
    assert lines[0].startswith("# ")
    assert lines[1].rstrip().endswith((".", ":")), f"{_name(page)}: {lines[1]}"


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_test_that_a_page_names_is_there(page: Path) -> None:
    """A promise that names its proof names one that exists."""
    for file, name in NAMED_TEST.findall(page.read_text(encoding="utf-8")):
        assert re.search(rf"^(async )?def {name}\(", (ROOT / file).read_text(encoding="utf-8"), re.MULTILINE), name


@pytest.mark.parametrize("page", ["guarantees.md", "log-guarantees.md"])
def test_the_guarantees_are_eleven_and_each_names_its_proof(page: str) -> None:
    """A guarantee without a test that would fail is a wish."""
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    sections = re.split(r"^## (?=\d+ )", text, flags=re.MULTILINE)[1:]
    assert [int(section.split()[0]) for section in sections] == list(range(1, 12))
    assert all(NAMED_TEST.search(section) for section in sections)


def test_every_page_can_be_found() -> None:
    """A page that no list leads to is a page that nobody reads."""
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    decisions = (ROOT / "docs" / "decisions" / "README.md").read_text(encoding="utf-8")
    for page in (ROOT / "docs").rglob("*.md"):
        name = page.relative_to(ROOT / "docs").as_posix()
        if name != "index.md":
            assert f"({name})" in index or f"({page.name})" in decisions, name


@pytest.mark.parametrize("module, page", [("evenflow", "names.md"), ("evenflow.log", "log.md")])
def test_every_public_name_has_a_line(module: str, page: str) -> None:
    """The page of names has all of them: what is not there, nobody is promised."""
    text = (ROOT / "docs" / "reference" / page).read_text(encoding="utf-8")
    names = vars(import_module(module)).items()
    public = {name for name, value in names if not name.startswith("_") and not ismodule(value)}
    assert not {name for name in public if not re.search(rf"\b{name}\b", text)}


def test_every_option_of_a_group_and_of_a_log_has_a_line() -> None:
    """An option that is not on the page of the log is one that nobody finds."""
    from evenflow.log import SQLiteLog
    from evenflow.log._group_signatures import ConsumerOptions

    text = (ROOT / "docs" / "reference" / "log.md").read_text(encoding="utf-8")
    options = {*ConsumerOptions.__optional_keys__, *signature(SQLiteLog).parameters}
    assert not {option for option in options if not re.search(rf"^\| `{option}` \|", text, re.MULTILINE)}


def test_the_readme_starts_with_the_two_commands_and_shows_what_its_code_prints() -> None:
    """Who comes for the first time can run it, see it, and read what it did."""
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    assert text.index("make demo") < text.index("make test") < text.index("```python")
    assert any(block.runs and block.shows for block in blocks(readme))


def _headings(page: Path) -> set[str]:
    """The anchors of a page, made from its headings as GitHub does."""
    titles = (
        line.lstrip("#").strip().lower() for line in page.read_text(encoding="utf-8").splitlines() if line[:1] == "#"
    )
    return {re.sub(r"[^\w\- ]", "", title).replace(" ", "-") for title in titles}
