"""The script that makes changes, as other tools of the server see what it does."""

from __future__ import annotations

from evenflow.log._redis._commit_script import COMMIT

from .test_scripts import Log, log

__all__ = ["log"]


def test_events_can_be_read_with_the_tools_of_the_server(log: Log) -> None:
    """``XRANGE`` shows number, type, version, time and the JSON of each."""
    log.begin("one")
    log.publish(1, text='{"n":1}')
    [(number, fields)] = log.client.xrange(log.names.events("orders"))
    assert number == "1-0"
    assert list(fields) == ["type", "version", "time", "data"]
    assert fields["data"] == '{"n":1}'
    assert log.client.hgetall(log.names.ends) == {"orders": "1"}


def test_the_bell_has_one_entry_whose_id_grows(log: Log) -> None:
    """However much is changed, it takes no memory."""
    log.begin("one")
    ids = []
    for number in range(1, 5):
        log.publish(number)
        [(id_, _)] = log.client.xrange(log.names.bell)
        ids.append(int(id_.removesuffix("-0")))
    assert ids == sorted(set(ids))


def test_what_is_empty_leaves_no_keys(log: Log) -> None:
    """Records that are deleted leave neither a hash, nor an entry of the directory, nor one that is due."""
    log.begin("one")
    put = ["C", 0, 1, 0, 0, 0, 0, "retry/a/", "7", "5.0", "v"]
    delete = ["C", 0, 0, 1, 0, 0, 0, "retry/a/", "7"]
    log.run(COMMIT, "one", 0, "me", 1, 0, 0, *put)
    assert log.client.zrange(log.names.base + "due:retry/a/", 0, -1, withscores=True) == [("7", 5.0)]
    assert log.client.zrange(log.names.base + "dirs", 0, -1) == ["retry/a/"]
    log.run(COMMIT, "one", 0, "me", 2, 0, 0, *delete)
    left = set(log.client.keys(f"{log.names.base.replace('{', '?').replace('}', '?')}*"))
    assert left == {log.names.meta, log.names.bell, log.names.member("me")}


def test_a_refused_change_holds_up_no_other_of_its_batch(log: Log) -> None:
    """Each is made whole or not at all, and they are made one after the other."""
    log.begin("one")
    plain = ["S", "orders", "Placed", 1, "{}"]
    refused = ["C", 1, 0, 0, 1, 0, 0, "a/", "b", 7, "orders", "Placed", 1, "lost", "", "", "", 0]
    outcome = log.run(COMMIT, "one", 0, "me", 1, 0, 0, *plain, *refused, *plain)
    kinds = [text[0] for text in outcome.split(" ")]
    assert kinds == ["=", "O", "="]
    assert [fields["data"] for _, fields in log.client.xrange(log.names.events("orders"))] == ["{}", "{}"]
