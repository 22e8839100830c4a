"""What every effect queue must do, run over each adapter."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from bailiwick.adapters.effectqueue_memory import MemoryEffectQueue
from bailiwick.adapters.effectqueue_sqlite import SqliteEffectQueue
from bailiwick.errors import Unavailable
from bailiwick.model import Cursor, QueuedEffect
from bailiwick.ports import EffectQueue

START = Cursor(count=0, leaf="")


def effect(key: str, record: int, position: int = 0) -> QueuedEffect:
    return QueuedEffect(key=key, type="notify", record=record, position=position)


@pytest.fixture(params=["memory", "sqlite"])
def queue(request: pytest.FixtureRequest, tmp_path: Path):
    made: EffectQueue = MemoryEffectQueue() if request.param == "memory" else SqliteEffectQueue(tmp_path)
    yield made
    made.close()


def test_a_new_queue_starts_before_the_first_record(queue: EffectQueue):
    """Wrong if a queue that saw nothing claims to have read something."""
    assert queue.cursor("local") == START
    assert queue.listed("local") == []


def test_effects_wait_in_the_order_of_the_ledger(queue: EffectQueue):
    """Wrong if a later act can overtake an earlier one."""
    queue.fold("local", Cursor(count=9, leaf="l9"), [effect("z", 3), effect("a", 4), effect("b", 4, 1)], {})
    assert [each.key for each in queue.waiting("local", 10)] == ["z", "a", "b"]
    assert [each.key for each in queue.waiting("local", 2)] == ["z", "a"]


def test_a_key_asked_for_twice_is_one_effect(queue: EffectQueue):
    """Wrong if deciding the same thing again asks for a second act."""
    queue.fold("local", Cursor(count=2, leaf="l2"), [effect("k", 1)], {})
    queue.fold("local", Cursor(count=4, leaf="l4"), [effect("k", 3)], {})
    assert queue.listed("local") == [effect("k", 1)]


def test_an_effect_with_a_result_waits_no_more(queue: EffectQueue):
    """Wrong if an effect that was performed can be performed again."""
    queue.fold("local", Cursor(count=2, leaf="l2"), [effect("k", 0), effect("m", 1)], {"k": 1})
    queue.fold("local", Cursor(count=4, leaf="l4"), [effect("k", 3)], {})
    assert [each.key for each in queue.waiting("local", 10)] == ["m"]
    assert [each.result for each in queue.listed("local")] == [1, None]


def test_the_first_result_stands(queue: EffectQueue):
    """Wrong if a second report could move the record that a result is found by."""
    queue.fold("local", Cursor(count=2, leaf="l2"), [effect("k", 0)], {"k": 1})
    queue.fold("local", Cursor(count=3, leaf="l3"), [], {"k": 2})
    assert queue.listed("local")[0].result == 1


def test_an_older_cursor_changes_nothing(queue: EffectQueue):
    """Wrong if a slow reader could set back what a faster one has folded."""
    queue.fold("local", Cursor(count=5, leaf="l5"), [effect("k", 0)], {})
    queue.fold("local", Cursor(count=3, leaf="l3"), [effect("late", 2)], {})
    assert queue.cursor("local") == Cursor(count=5, leaf="l5")
    assert [each.key for each in queue.listed("local")] == ["k"]


def test_tenants_do_not_see_each_other(queue: EffectQueue):
    """Wrong if one tenant's acts could be performed for another."""
    queue.fold("local", Cursor(count=1, leaf="l1"), [effect("k", 0)], {})
    assert queue.listed("other") == []
    assert queue.cursor("other") == START


def test_a_cleared_queue_starts_again(queue: EffectQueue):
    """Wrong if folding anew could meet remains of another past."""
    queue.fold("local", Cursor(count=1, leaf="l1"), [effect("k", 0)], {})
    queue.clear("local")
    assert queue.cursor("local") == START
    assert queue.listed("local") == []


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100], ids=["empty", "garbage"])
def test_a_damaged_file_is_folded_again(tmp_path: Path, damage: bytes):
    """Wrong if losing what can be rebuilt could stop effects for ever."""
    first = SqliteEffectQueue(tmp_path)
    first.fold("local", Cursor(count=1, leaf="l1"), [effect("k", 0)], {})
    first.close()
    for path in (tmp_path / "local").iterdir():
        path.unlink()
    (tmp_path / "local" / "effects.db").write_bytes(damage)
    again = SqliteEffectQueue(tmp_path)
    assert again.cursor("local") == START
    again.close()


def test_a_file_that_is_damaged_in_use_is_thrown_away_and_said(tmp_path: Path):
    """Wrong if a raw error of SQLite came through, or the damage stayed."""
    queue = SqliteEffectQueue(tmp_path)
    queue.fold("local", Cursor(count=1, leaf="l1"), [effect("k", 0)], {})
    with sqlite3.connect(tmp_path / "local" / "effects.db") as other:
        other.execute("DROP TABLE effects")
    other.close()
    with pytest.raises(Unavailable) as caught:
        queue.listed("local")
    assert caught.value.code == "effect-queue-damaged"
    assert (queue.cursor("local"), queue.listed("local")) == (START, [])
    queue.close()


@pytest.mark.parametrize("version", [1, 99])
def test_a_file_of_another_version_is_folded_again(tmp_path: Path, version: int):
    """Wrong if tables of another form were taken for ours."""
    (tmp_path / "local").mkdir()
    with sqlite3.connect(tmp_path / "local" / "effects.db") as other:
        other.execute("CREATE TABLE effects (key TEXT)")
        other.execute("CREATE TABLE state (cursor INTEGER NOT NULL, leaf TEXT NOT NULL)")
        other.execute("INSERT INTO state VALUES (7, 'l7')")
        other.execute(f"PRAGMA user_version={version}")
    other.close()
    queue = SqliteEffectQueue(tmp_path)
    assert queue.cursor("local") == START
    queue.fold("local", Cursor(count=1, leaf="l1"), [effect("k", 0)], {})
    assert len(queue.listed("local")) == 1
    queue.close()


def test_a_folder_where_the_file_belongs_is_unavailable(tmp_path: Path):
    """Wrong if what cannot be used were a raw error, or thrown away."""
    (tmp_path / "local" / "effects.db").mkdir(parents=True)
    queue = SqliteEffectQueue(tmp_path)
    with pytest.raises(Unavailable) as caught:
        queue.waiting("local", 1)
    assert caught.value.code == "effect-queue-busy"
    assert (tmp_path / "local" / "effects.db").is_dir()
    queue.close()


def test_the_fold_outlives_the_process_that_made_it(tmp_path: Path):
    """Wrong if each start had to read the whole ledger."""
    first = SqliteEffectQueue(tmp_path)
    first.fold("local", Cursor(count=1, leaf="l1"), [effect("k", 0)], {})
    first.close()
    again = SqliteEffectQueue(tmp_path)
    assert again.cursor("local") == Cursor(count=1, leaf="l1")
    assert again.listed("local") == [effect("k", 0)]
    again.close()


def test_an_effect_whose_decision_ended_is_forgotten_or_that_of_the_newest_that_asked_again(queue: EffectQueue):
    """Wrong if an effect without evidence waited for ever, or took with it what another decision asks for."""
    queue.fold("local", Cursor(count=3, leaf="l3"), [effect("alone", 0), effect("k", 1), effect("k", 2)], {})
    queue.fold("local", Cursor(count=4, leaf="l4"), [effect("k", 3, 2)], {}, {"alone": 0, "k": 1, "never asked": 1})
    assert queue.waiting("local", 10) == queue.listed("local") == [effect("k", 3, 2)]
    queue.fold("local", Cursor(count=5, leaf="l5"), [], {}, {"k": 2})
    assert queue.waiting("local", 10) == [effect("k", 3, 2)]
    queue.fold("local", Cursor(count=6, leaf="l6"), [], {}, {"k": 3})
    assert queue.listed("local") == []
    queue.fold("local", Cursor(count=7, leaf="l7"), [effect("k", 6)], {})
    assert queue.waiting("local", 10) == [effect("k", 6)]


def test_what_has_a_result_does_not_end(queue: EffectQueue):
    """Wrong if what was done could be forgotten, and then done again."""
    queue.fold("local", Cursor(count=2, leaf="l2"), [effect("k", 0)], {"k": 1})
    queue.fold("local", Cursor(count=3, leaf="l3"), [], {}, {"k": 0})
    queue.fold("local", Cursor(count=4, leaf="l4"), [effect("k", 3)], {})
    assert [each.result for each in queue.listed("local")] == [1]
    assert queue.waiting("local", 10) == []
