"""The runner of the docs notices what is wrong with a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.docs_blocks import Page, blocks

if TYPE_CHECKING:
    from pathlib import Path


def _page(folder: Path, text: str) -> Page:
    path = folder / "page.md"
    path.write_text(text, encoding="utf-8")
    return Page(path, folder)


def test_blocks_of_a_page_are_one_program(tmp_path: Path) -> None:
    """A name that one block makes is there in the next, and a bare await works."""
    page = _page(
        tmp_path,
        "```python\nimport anyio\na = 1\n```\n\n```python\nawait anyio.sleep(0)\nprint(a)\n```\n```text\n1\n```\n",
    )
    page.run()


def test_a_block_in_a_list_is_dedented(tmp_path: Path) -> None:
    """A block may be indented as Markdown wants it."""
    _page(tmp_path, "1. one\n\n    ```python\n    print('x')\n    ```\n\n    ```text\n    x\n    ```\n").run()


def test_output_that_differs_is_a_failure(tmp_path: Path) -> None:
    """What a page shows is what happens."""
    page = _page(tmp_path, "```python\nprint(1)\n```\n```text\n2\n```\n")
    with pytest.raises(AssertionError, match="the page shows"):
        page.run()


def test_text_after_prose_is_not_output(tmp_path: Path) -> None:
    """A drawing may stand anywhere; only a text block straight after the code is its output."""
    page = _page(tmp_path, "```python\nprint(1)\n```\n\nA drawing:\n\n```text\n-a-b-|\n```\n")
    page.run()
    assert [block.shows for block in blocks(page.path)] == [None, None]


def test_an_error_is_shown_by_its_last_line(tmp_path: Path) -> None:
    """`python raises` must raise, and the page shows what a user would see at the bottom."""
    _page(tmp_path, "```python raises\nint('x')\n```\n```text\nValueError: invalid literal ...\n```\n").run()
    page = _page(tmp_path, "```python raises\nint('1')\n```\n")
    with pytest.raises(AssertionError, match="raised nothing"):
        page.run()


def test_a_test_on_a_page_is_given_to_pytest(tmp_path: Path) -> None:
    """`python test` is a file of tests: where one fails, the page fails (and where all pass, `tests/test_docs.py` passes)."""
    page = _page(tmp_path, "```python test\ndef test_a(): assert True\ndef test_b(): assert False\n```\n")
    with pytest.raises(AssertionError, match="1 failed, 1 passed"):
        page.run()


def test_a_traceback_names_the_line_of_the_page(tmp_path: Path) -> None:
    """A block that fails is found where it stands."""
    page = _page(tmp_path, "# Title\n\n```python\n1 / 0\n```\n")
    with pytest.raises(ZeroDivisionError) as caught:
        page.run()
    assert caught.traceback[-1].lineno + 1 == 4
