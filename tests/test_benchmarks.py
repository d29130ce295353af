"""The harness of the benchmarks: nobody checks its figures by hand, so the tests check how it makes them."""

from __future__ import annotations

import gc
import json
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest
from benchmarks import _report, peers
from benchmarks.__main__ import QUESTIONS
from benchmarks._harness import Bench, Results, Spread, Stopwatch, measure


@pytest.fixture(scope="module", autouse=True)
def frozen() -> Iterator[None]:
    """A measurement thaws what `tests/conftest.py` froze, and would collect all of it each time: here it stays."""
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(gc, "unfreeze", lambda: None)
        yield


@pytest.fixture
def bench() -> Bench:
    """A quick run that draws no charts."""
    return Bench("nothing", quick=True, charts=False)


def test_a_spread_is_the_median_and_the_middle_half() -> None:
    """One outlier changes neither of them."""
    assert Spread.of([1.0, 2.0, 3.0, 4.0, 900.0]) == Spread(3.0, 2.0, 4.0)
    assert Spread.of([7.0]) == Spread(7.0, 7.0, 7.0)


def test_a_ratio_is_taken_inside_a_round() -> None:
    """If the machine was slow in one round, it was slow for both cases, so the ratio is still right."""
    rounds = {"ours": [{"cpu": 1.0}, {"cpu": 2.0}], "theirs": [{"cpu": 2.0}, {"cpu": 4.0}]}
    assert Results("theirs", ("cpu",), rounds).ratio("ours") == Spread(0.5, 0.5, 0.5)


def test_nothing_measured_is_a_target_missed(bench: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    """A peer that could not be measured never counts as slower than evenflow."""
    bench.expect("faster", Results("theirs", ("cpu",), {"ours": []}).ratio("ours"), at_most=1.0)
    assert not bench.expectations[0].passed
    assert "FAIL  faster: not measured (at most 1)" in capsys.readouterr().out


@pytest.mark.parametrize("found, passed", [(0.45, True), (0.46, False)])
def test_a_target_is_met_up_to_its_limit(bench: Bench, found: float, *, passed: bool) -> None:
    """A figure that is equal to the limit passes; a figure above it fails."""
    bench.expect("half", found, at_most=0.45)
    assert bench.expectations[0].passed is passed


def test_a_case_that_fails_is_a_row_and_stops_nobody(bench: Bench) -> None:
    """The other cases are still measured, and the table shows the error."""

    def broken(_: Stopwatch) -> None:
        raise LookupError("gone")

    async def sound(watch: Stopwatch) -> None:
        with watch(1):
            pass

    results = bench.compare("both", "both", {"broken": broken, "sound": sound}, reference="sound", rounds=2)
    assert len(results.rounds["sound"]) == 2
    assert "LookupError: gone" in bench.tables["both"].text()


def test_the_order_turns_round_with_every_round(bench: Bench) -> None:
    """No case is always the first one, which is measured with cold caches."""
    order: list[str] = []
    ticks = count(1)

    def named(name: str) -> object:
        def case(watch: Stopwatch) -> None:
            order.append(name)
            watch.report(cpu=float(next(ticks)))

        return case

    bench.compare("two", "two", {"a": named("a"), "b": named("b")}, reference="a", rounds=2)  # type: ignore[dict-item]
    assert "".join(order) == "ba" + "ab" + "ba"


def test_a_case_that_times_nothing_is_refused() -> None:
    """Otherwise it would look infinitely fast."""
    with pytest.raises(RuntimeError, match="timed nothing"):
        measure(lambda _: None)


def test_what_is_divided_is_the_time_for_all_of_them() -> None:
    """The time of the body is divided by the number of operations that it did."""
    watch = Stopwatch()
    with watch(1_000):
        sum(range(100_000))
    assert 0 < watch.figures["wall"] < 1e6


@pytest.mark.parametrize(
    "value, unit, text",
    [(231.4, "ns", "231 ns"), (1_440.0, "ns", "1.44 us"), (3_300.0, "B", "3.3 KB"), (0.5, "ns", "0.5 ns")],
)
def test_a_quantity_has_the_unit_a_reader_would_use(value: float, unit: str, text: str) -> None:
    """It has three digits and no power of ten."""
    assert _report.quantity(value, unit) == text


def test_the_page_is_filled_from_what_was_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A block that has no result stays as it was, and its name is returned."""
    page = tmp_path / "page.md"
    page.write_text("<!-- bench: some/one table -->\nold\n<!-- end -->\n<!-- bench: other/x -->\nkept\n<!-- end -->\n")
    table = _report.Table("one", ("", "cost"), (("ours", "3 ns"),))
    kept = {"tables": {"one table": {"markdown": table.markdown()}}, "expectations": [], "machine": {}, "quick": False}
    (tmp_path / "some.json").write_text(json.dumps(kept))
    monkeypatch.setattr(_report, "PAGE", page)
    monkeypatch.setattr(_report, "RESULTS", tmp_path)
    assert _report.fill_page() == ["other/x"]
    assert "|  | cost |\n| --- | ---: |\n| ours | 3 ns |\n<!-- end -->" in page.read_text()
    assert "kept" in page.read_text()


@pytest.fixture
def kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the results of one question, beside a page with a summary."""
    table = _report.Table(
        "Cost", ("", "cpu / put", "of theirs"), (("ours", "3 ns", "0.50"), ("theirs", "6 ns", "1.00"))
    )
    monkeypatch.setattr(_report, "RESULTS", tmp_path)
    monkeypatch.setattr(_report, "PAGE", tmp_path / "page.md")
    _report.save("some", False, {"one": table}, {}, [])
    _report.PAGE.write_text("<!-- bench: summary -->\nold\n<!-- end -->\n")
    return tmp_path


def test_the_summary_has_one_row_for_each_figure_that_users_ask_for(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A row shows our figure, the figure that it is compared with, and the ratio."""
    monkeypatch.setattr(_report, "SUMMARY", (("a put", "some/one", "ours", "theirs"),))
    assert _report.fill_page() == []
    assert "| a put | 3 ns | theirs: 6 ns | 0.50 |\n<!-- end -->" in (kept / "page.md").read_text()


def test_a_summary_stays_as_it_was_if_one_of_its_figures_is_missing(
    kept: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tables that are missing are named once each."""
    rows = (("a put", "some/one", "ours", "theirs"), ("a get", "other/x", "ours", "theirs"))
    monkeypatch.setattr(_report, "SUMMARY", (*rows, ("two gets", "other/x", "ours", "theirs")))
    assert _report.fill_page() == ["other/x"]
    assert "old" in (kept / "page.md").read_text()


def test_every_table_of_a_run_is_written_to_a_file_named_by_its_date(kept: Path) -> None:
    """Figures that are not on the page can still be looked up."""
    written = _report.write_tables(("some", "unknown"))
    assert written is not None
    assert written.parent == kept
    assert "### Cost\n\n|  | cpu / put | of theirs |" in written.read_text()
    assert _report.write_tables(("unknown",)) is None


def test_the_summary_names_tables_that_the_page_can_have() -> None:
    """Every row belongs to a question that exists."""
    assert {name.partition("/")[0] for _, name, _, _ in _report.SUMMARY} <= set(QUESTIONS)


def test_a_peer_that_cannot_be_imported_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """The table has a row for it, with the reason."""
    monkeypatch.setattr(peers, "_ADAPTERS", ("asyncio_queue", "nowhere"))
    peers._load.cache_clear()
    try:
        assert [peer.name for peer in peers.known()] == ["asyncio.Queue by hand"]
        assert peers.table()[1][-1][:2] == ("nowhere", "could not be imported")
    finally:
        peers._load.cache_clear()


def test_a_round_in_which_somebody_missed_an_event_does_not_count() -> None:
    """A peer cannot be fast by losing events."""
    peers.expect_all([3, 3], 2, 3)
    with pytest.raises(RuntimeError, match="5 deliveries of 6"):
        peers.expect_all([3, 2], 2, 3)
