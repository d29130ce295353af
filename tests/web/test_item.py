"""One thing that a client gets, as SSE and as a frame; nothing in it can be forged."""

from __future__ import annotations

import json

import pytest

from evenflow.web._item import Item, end, gap, slow

from .kit import Parser


def test_the_block_of_an_event() -> None:
    """An id, a type, the data, and an empty line."""
    assert Item("a-1", "Placed", b'{"n":1}').block == b'id: a-1\nevent: Placed\ndata: {"n":1}\n\n'
    assert Item(None, "Placed", b"1").block == b"event: Placed\ndata: 1\n\n"


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\r"])
def test_a_line_end_in_the_data_begins_no_field(line_end: str) -> None:
    """A log may hold JSON that another program wrote in several lines; a browser joins the lines again."""
    data = f'{{"n":{line_end}1}}{line_end}{line_end}event: Forged{line_end}data: x'
    parser = Parser()
    parser.feed(Item("a-1", "Placed", data.encode()).block)
    (sent,) = parser.events
    assert (sent.type, sent.id) == ("Placed", "a-1")
    assert sent.data == data.replace(line_end, "\n")


def test_the_frame_of_an_event() -> None:
    """One JSON object; the data is put in as it is."""
    assert Item("a-1", "Placed", b'{"n":1}').frame == '{"type":"Placed","id":"a-1","data":{"n":1}}'
    assert json.loads(Item(None, 'a"b', b"1").frame) == {"type": 'a"b', "id": None, "data": 1}


def test_headers_stand_beside_the_data() -> None:
    """In both forms, where they were asked for."""
    item = Item("a-1", "Placed", b"1", {"traceparent": 'x"'})
    assert item.block.endswith(b'data: {"headers":{"traceparent":"x\\""},"data":1}\n\n')
    assert json.loads(item.frame)["headers"] == {"traceparent": 'x"'}


def test_each_form_is_made_once() -> None:
    """All clients share it."""
    item = Item("a-1", "Placed", b"1")
    assert item.block is item.block
    assert item.frame is item.frame


def test_the_words_of_evenflow() -> None:
    """A gap with its count, an end with the class of its error, and too slow."""
    assert (gap("a-1", 3).type, gap("a-1", 3).id, gap("a-1", None).data) == ("evenflow.gap", "a-1", b'{"missed":null}')
    assert (end("LookupError").id, end("LookupError").data) == ("evenflow.end", b'{"error":"LookupError"}')
    assert (slow().type, slow().id) == ("evenflow.slow", None)
