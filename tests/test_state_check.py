import pytest

from tests.tools import tool


@pytest.fixture
def state_check(tmp_path, monkeypatch):
    """The tool, on a page and a tree of its own, where the contract has two rows."""
    module = tool("state_check")
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "test_a.py").write_text("def test_one(): ...\nclass TestTwo:\n    def test_three(self): ...\n")
    monkeypatch.setattr(module, "ROOT", tmp_path)
    monkeypatch.setattr(module, "PAGE", tmp_path / "state.md")
    monkeypatch.setattr(module, "ROWS", ("GET /a", "GET /b"))
    return module


def _page(module, *rows: str) -> None:
    module.PAGE.write_text("\n".join(("| row | proof |", "| --- | --- |", *rows)))


def test_a_page_that_names_a_test_or_says_not_built_for_each_row_is_good(state_check, capsys):
    _page(state_check, "| `GET /a` | tests/test_a.py::test_one, tests/test_a.py::TestTwo::test_three |", "| `GET /b` | not built |")
    assert state_check.main() == 0
    assert "2 rows, 1 not built" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("rows", "fault"),
    [
        (("| `GET /a` | not built |",), "no row: GET /b"),
        (("| `GET /a` | not built |", "| `GET /b` | not built |", "| `GET /c` | not built |"), "not a row of the contract: GET /c"),
        (("| `GET /a` | yes |", "| `GET /b` | not built |"), "GET /a: names no test"),
        (("| `GET /a` | tests/test_a.py::test_two |", "| `GET /b` | not built |"), "there is no tests/test_a.py::test_two"),
        (("| `GET /a` | tests/test_z.py |", "| `GET /b` | not built |"), "there is no tests/test_z.py"),
    ],
)
def test_each_fault_of_the_page_is_named(state_check, capsys, rows, fault):
    _page(state_check, *rows)
    assert state_check.main() == 1
    assert fault in capsys.readouterr().out


def test_a_missing_page_is_a_fault(state_check):
    assert state_check.main() == 1
