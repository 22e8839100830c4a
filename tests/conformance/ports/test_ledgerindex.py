"""What every index of a ledger must do, run over each adapter."""

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from bailiwick.adapters.ledgerindex_memory import MemoryLedgerIndex
from bailiwick.adapters.ledgerindex_sqlite import SqliteLedgerIndex
from bailiwick.errors import Unavailable
from bailiwick.model import Cursor
from bailiwick.ports import LedgerIndex

START = Cursor(count=0, leaf="")
LOW, HIGH = -(2**63), 2**63 - 1


def upto(count: int) -> Cursor:
    return Cursor(count=count, leaf=f"leaf-{count}")


@pytest.fixture(params=["memory", "sqlite"])
def index(request: pytest.FixtureRequest, tmp_path: Path):
    made: LedgerIndex = MemoryLedgerIndex() if request.param == "memory" else SqliteLedgerIndex(tmp_path)
    yield made
    made.close()


def test_a_new_index_starts_before_the_first_record(index: LedgerIndex):
    """Wrong if an index that saw nothing claims to have read something."""
    assert index.cursor("local") == START
    assert index.find("local", [7], 0, 100, 10) == []


def test_records_of_a_term_come_in_order_within_the_bounds(index: LedgerIndex):
    """Wrong if a page could repeat a record, leave one out, or reach beyond what was asked for."""
    index.fold("local", upto(9), [(7, each) for each in (1, 3, 5, 8)])
    assert index.find("local", [7], 0, 9, 10) == [1, 3, 5, 8]
    assert index.find("local", [7], 3, 8, 10) == [3, 5]
    assert index.find("local", [7], 2, 9, 2) == [3, 5]
    assert index.find("local", [7], 9, 9, 2) == []


def test_every_term_must_hold(index: LedgerIndex):
    """Wrong if two conditions found what fulfils one of them."""
    index.fold("local", upto(9), sorted([(LOW, 1), (LOW, 2), (LOW, 4), (HIGH, 2), (HIGH, 4), (HIGH, 5), (0, 4)]))
    assert index.find("local", [LOW, HIGH], 0, 9, 10) == [2, 4]
    assert index.find("local", [HIGH, LOW, 0], 0, 9, 10) == [4]
    assert index.find("local", [LOW, 99], 0, 9, 10) == []


def test_a_fold_goes_on_where_the_last_one_ended(index: LedgerIndex):
    """Wrong if what is folded later could hide what was folded before."""
    index.fold("local", upto(2), [(7, 1)])
    index.fold("local", upto(4), [(7, 3)])
    assert index.cursor("local") == upto(4)
    assert index.find("local", [7], 0, 4, 10) == [1, 3]


def test_an_older_cursor_changes_nothing(index: LedgerIndex):
    """Wrong if a slow reader could set back what a faster one has folded."""
    index.fold("local", upto(5), [(7, 4)])
    index.fold("local", upto(3), [(7, 2)])
    assert index.cursor("local") == upto(5)
    assert index.find("local", [7], 0, 9, 10) == [4]


def test_a_pair_that_comes_twice_is_one(index: LedgerIndex):
    """Wrong if folding the same record again made two hits of it."""
    index.fold("local", upto(2), [(7, 1)])
    index.fold("local", upto(3), [(7, 1), (7, 2)])
    assert index.find("local", [7], 0, 9, 10) == [1, 2]


def test_tenants_do_not_see_each_other(index: LedgerIndex):
    """Wrong if one tenant could learn what another's ledger holds."""
    index.fold("local", upto(2), [(7, 1)])
    assert index.find("other", [7], 0, 9, 10) == []
    assert index.cursor("other") == START


def test_a_cleared_index_starts_again(index: LedgerIndex):
    """Wrong if folding anew could meet remains of another past."""
    index.fold("local", upto(2), [(7, 1)])
    index.clear("local")
    assert index.cursor("local") == START
    assert index.find("local", [7], 0, 9, 10) == []


def test_the_fold_outlives_the_process_that_made_it(tmp_path: Path):
    """Wrong if each start had to read the whole ledger."""
    first = SqliteLedgerIndex(tmp_path)
    first.fold("local", upto(2), [(7, 1)])
    first.close()
    again = SqliteLedgerIndex(tmp_path)
    assert again.cursor("local") == upto(2)
    assert again.find("local", [7], 0, 9, 10) == [1]
    again.close()


def many() -> list[tuple[int, int]]:
    return sorted((term * 7919 % 10_007, record) for record, term in enumerate(range(20_000)))


@pytest.mark.parametrize("harm", ["garbage", "other version", "half"])
def test_a_damaged_file_is_thrown_away_and_said(tmp_path: Path, harm: str):
    """Wrong if losing what can be rebuilt could stop searches for ever, or go unsaid."""
    first = SqliteLedgerIndex(tmp_path)
    first.fold("local", upto(20_000), many())
    first.close()
    path = tmp_path / "local" / "index.db"
    if harm == "garbage":
        path.write_bytes(b"not a database at all" * 1_000)
    elif harm == "half":
        os.truncate(path, path.stat().st_size // 2)
    else:
        database = sqlite3.connect(path)
        database.execute("PRAGMA user_version=99")
        database.close()
    again = SqliteLedgerIndex(tmp_path)
    with pytest.raises(Unavailable) as caught:
        assert [again.find("local", [term], 0, 20_000, 10) for term in range(10_007)]
    assert caught.value.code == "ledger-index-damaged"
    assert again.cursor("local") == START
    again.close()


def test_an_empty_file_is_an_empty_index(tmp_path: Path):
    """Wrong if a crash while the file was made could stop searches."""
    (tmp_path / "local").mkdir()
    (tmp_path / "local" / "index.db").touch()
    index = SqliteLedgerIndex(tmp_path)
    assert index.cursor("local") == START
    index.close()


def test_a_file_that_another_process_holds_is_waited_for_and_left_alone(tmp_path: Path):
    """Wrong if a busy index were taken for a damaged one, and thrown away under its user."""
    index = SqliteLedgerIndex(tmp_path, busy_seconds=0.01)
    index.fold("local", upto(2), [(7, 1)])
    other = sqlite3.connect(tmp_path / "local" / "index.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(Unavailable) as caught:
        index.fold("local", upto(3), [(7, 2)])
    assert caught.value.code == "ledger-index-busy"
    other.execute("ROLLBACK")
    other.close()
    assert index.find("local", [7], 0, 9, 10) == [1]
    index.close()


def test_a_folder_where_the_file_belongs_is_said(tmp_path: Path):
    """Wrong if something in the way were removed, or raised an error that is not ours."""
    (tmp_path / "local" / "index.db").mkdir(parents=True)
    index = SqliteLedgerIndex(tmp_path)
    with pytest.raises(Unavailable):
        index.cursor("local")
    assert (tmp_path / "local" / "index.db").is_dir()
    index.close()


def test_the_file_is_for_its_owner_alone(tmp_path: Path):
    """Wrong if other users of the machine could read which records belong together."""
    index = SqliteLedgerIndex(tmp_path)
    index.fold("local", upto(2), [(7, 1)])
    assert {path.stat().st_mode & 0o077 for path in (tmp_path / "local").iterdir()} == {0}
    index.close()
