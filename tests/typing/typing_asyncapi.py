"""What type checkers know of evenflow.asyncapi: subjects and logs go in, a dict comes out."""

from typing import Any, assert_type

from evenflow import Event, Subject
from evenflow.asyncapi import document
from evenflow.log import SQLiteLog


class Placed(Event):
    n: int


log = SQLiteLog("shop.db")
orders = log.subject("orders", Placed)
prices = Subject(Placed, name="prices")

assert_type(document(orders, prices, log, title="Shop", version="1"), dict[str, Any])
document(orders, title="Shop", version="1", servers={"live": "nats://host:4222", "test": {"host": "h"}})
document(Placed, title="Shop", version="1")  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
document(orders, title="Shop")  # type: ignore[call-arg]  # pyright: ignore[reportCallIssue]
document(orders, title="Shop", version=1)  # type: ignore[arg-type]  # pyright: ignore[reportArgumentType]
document(orders, "Shop", version="1")  # type: ignore[call-arg, arg-type]  # pyright: ignore[reportCallIssue]
