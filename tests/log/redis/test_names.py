"""The names of a log's keys."""

from __future__ import annotations

import pytest
from redis.crc import key_slot

from evenflow.log._redis._names import Names, split


def test_all_keys_of_a_log_are_in_one_slot() -> None:
    """So that a cluster keeps them on one server, whatever subjects and members are called."""
    names = Names("shop")
    keys = [
        names.meta, names.ends, names.floors, names.bell, names.events("a"), names.events("{b}"),
        names.records("group/{x}/"), names.member("m"), names.begun("m"),
    ]  # fmt: skip
    assert len({key_slot(key.encode()) for key in keys}) == 1
    assert key_slot(Names("other").meta.encode()) != key_slot(names.meta.encode())
    assert all(key.startswith("evenflow:{shop}:") for key in keys)
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize("key, parts", [("a/b/c", ("a/b/", "c")), ("c", ("", "c")), ("a/", ("a/", ""))])
def test_a_key_is_a_directory_and_a_last_part(key: str, parts: tuple[str, str]) -> None:
    """Records that are listed together are kept together."""
    assert split(key) == parts
