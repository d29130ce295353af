"""A module with subjects of every kind, as a user has it."""

from __future__ import annotations

from pathlib import Path

EVENTS = """
from evenflow import Event, Subject
from evenflow.log import SQLiteLog

class OrderPlaced(Event, name="shop.order.placed"):
    order_id: int
    note: str = ""

log = SQLiteLog("shop.db", name="shop")
orders = log.subject("orders", OrderPlaced)
prices = Subject(OrderPlaced, name="prices")
unnamed = Subject(OrderPlaced)
_private = Subject(OrderPlaced, name="private")
both = [orders, prices]
nothing = []
mixed = [orders, 7]

def chosen():
    return both

def needs(argument):
    return both

async def later():
    return both

class Application:
    title = "The shop"
    version = "2.1.0"

app = Application()

class Holder:
    def __init__(self):
        self.inner = prices

holder = Holder()

def whole():
    from evenflow.asyncapi import document
    return document(orders, title="By hand", version="7") | {"x-mine": 1}
"""

OLD = EVENTS.replace("order_id: int", "order_id: int\n    total: float")


def shop(folder: Path, text: str = EVENTS) -> Path:
    """A folder with the module `events`."""
    (folder / "events.py").write_text(text)
    return folder
