"""The harness of `make bench`: the figures themselves are the benchmarks' business."""

import importlib
import inspect
import json
from pathlib import Path

import pytest

from benchmarks.__main__ import main, names
from benchmarks.harness import results
from benchmarks.harness.rounds import interleaved, interleaved_async, percentile
from benchmarks.harness.table import Table, cell_text

TABLE = Table("Title", ("what", "µs"), [("bare", 100.0), ("guarded", 1.234)], "How.", {"it is quick": True, "it is free": False})


@pytest.mark.parametrize("name", names())
def test_every_benchmark_can_be_run(name: str) -> None:
    module = importlib.import_module(f"benchmarks.{name}")
    assert inspect.signature(module.run).parameters == {}
    assert inspect.signature(module.run).return_annotation is Table
    assert module.__doc__


def test_an_unknown_benchmark_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["nothing_like_it"])
    assert ended.value.code == 2
    assert "no such benchmark: nothing_like_it" in capsys.readouterr().err


def test_a_result_is_kept_beside_the_others_and_told_on_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "LATEST", tmp_path / "results" / "latest.json")
    monkeypatch.setattr(results, "PAGE", tmp_path / "benchmarks.md")
    results.keep("two", TABLE)
    results.keep("one", TABLE)
    results.keep("two", TABLE)
    said = json.loads(results.LATEST.read_text())
    assert list(said) == ["one", "two"]
    assert said["one"]["machine"]["cpus"] >= 1
    assert Table.of_json(said["two"]["table"]).text() == TABLE.text()
    page = results.PAGE.read_text()
    assert page.count("| guarded | 1.23 |") == 2
    assert "* it is free: **does not hold**" in page


def test_the_page_in_docs_is_made_from_the_results_beside_it() -> None:
    assert results.page(results.read()) == results.PAGE.read_text()


def test_a_table_is_aligned_and_says_which_bounds_hold() -> None:
    assert TABLE.text().splitlines() == [
        *("Title", "How.", "", "what       µs", "-------  ----", "bare      100", "guarded  1.23"),
        *("holds: it is quick", "DOES NOT HOLD: it is free"),
    ]
    assert [cell_text(cell) for cell in (0.01234, 0.5, 12.34, 1234.5, 7, "a")] == ["0.012", "0.50", "12.3", "1234", "7", "a"]


async def test_each_round_runs_every_alternative_in_turn_and_the_first_warms_up() -> None:
    order: list[str] = []

    def alternative(name: str, figure: float) -> float:
        order.append(name)
        return figure * len(order)

    async def later(name: str, figure: float) -> float:
        return alternative(name, figure)

    rounds = interleaved({"a": lambda: alternative("a", 1.0), "b": lambda: alternative("b", 2.0)}, rounds=3)
    assert order == ["a", "b", "b", "a", "a", "b", "b", "a"]
    assert rounds.measured == {"a": [4, 5, 8], "b": [6, 12, 14]}
    assert (rounds.median("a"), rounds.ratio("b", "a")) == (5, 1.75)
    sliced = interleaved({"a": lambda: alternative("a", 1.0), "b": lambda: alternative("b", 0.0)}, rounds=1, slices=3)
    assert (order[-6:], sliced.measured) == (["b", "a", "a", "b", "b", "a"], {"a": [16], "b": [0]})
    order.clear()
    again = await interleaved_async({"a": lambda: later("a", 1.0), "b": lambda: later("b", 2.0)}, rounds=3)
    assert again == rounds


def test_a_percentile_lies_between_the_values() -> None:
    assert percentile([float(value) for value in range(1, 102)], 99) == 100
