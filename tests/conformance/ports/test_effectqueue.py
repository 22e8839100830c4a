"""What every effect queue must do, run over each adapter."""

from __future__ import annotations

import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from bailiwick.adapters.effectqueue_memory import MemoryEffectQueue
from bailiwick.adapters.effectqueue_sqlite import KEYS_PER_QUESTION, SqliteEffectQueue
from bailiwick.errors import Unavailable
from bailiwick.model import Cursor, EffectState, QueuedEffect
from bailiwick.ports import EffectQueue

START = Cursor(count=0, leaf="")
EARLY, LATER, LATE = (f"2026-01-0{day}T00:00:00.000000000Z" for day in (1, 2, 3))


def effect(key: str, record: int, position: int = 0, **more) -> QueuedEffect:
    return QueuedEffect(key=key, type="notify", record=record, position=position, **more)


def put(queue: EffectQueue, base: Cursor, count: int, *effects: QueuedEffect) -> Cursor:
    """Keep effects, and give the cursor that the queue stands at then."""
    cursor = Cursor(count=count, leaf=f"l{count}")
    assert queue.keep("local", base, cursor, {each.key: each for each in effects})
    return cursor


@pytest.fixture(params=["memory", "sqlite"])
def queue(request: pytest.FixtureRequest, tmp_path: Path):
    made: EffectQueue = MemoryEffectQueue() if request.param == "memory" else SqliteEffectQueue(tmp_path)
    yield made
    made.close()


def test_a_new_queue_starts_before_the_first_record(queue: EffectQueue):
    """Wrong if a queue that saw nothing claims to have read something."""
    assert queue.cursor("local") == START
    assert queue.listed("local") == []
    assert queue.counts("local") == {}
    assert queue.find("local", ["k"]) == {}


def test_effects_wait_in_the_order_of_the_ledger(queue: EffectQueue):
    """Wrong if a later act can overtake an earlier one."""
    put(queue, START, 9, effect("b", 4, 1), effect("z", 3), effect("a", 4))
    assert [each.key for each in queue.waiting("local", 10)] == ["z", "a", "b"]
    assert [each.key for each in queue.waiting("local", 2)] == ["z", "a"]


def test_an_effect_is_given_back_as_it_was_kept(queue: EffectQueue):
    """Wrong if anything that the ledger says of an effect were lost between two folds."""
    asked = effect("k", 9, 2, state=EffectState.APPROVAL, needs_approval=True, within_minutes=5, expires_at=LATE)
    whole = effect(
        "k", 3, 1, state=EffectState.DEAD, result=7, attempts=4, code="effect-busy", retry_at=EARLY,
        needs_approval=True, within_minutes=60, expires_at=LATER, approved=5, again=asked,
    )  # fmt: skip
    put(queue, START, 9, whole)
    assert queue.find("local", ["k"]) == {"k": whole}
    assert queue.listed("local") == [whole]


def test_what_is_kept_again_stands_in_the_place_of_what_was(queue: EffectQueue):
    """Wrong if an effect that was performed can be performed again."""
    at = put(queue, START, 2, effect("k", 0), effect("m", 1))
    put(queue, at, 4, effect("k", 0, state=EffectState.DONE, result=3))
    assert [each.key for each in queue.waiting("local", 10)] == ["m"]
    assert [each.result for each in queue.listed("local")] == [3, None]


def test_what_is_forgotten_is_gone(queue: EffectQueue):
    """Wrong if an effect that nothing can be sent for waited for ever."""
    at = put(queue, START, 2, effect("k", 0), effect("m", 1))
    assert queue.keep("local", at, Cursor(count=3, leaf="l3"), {"k": None, "never asked": None})
    assert [each.key for each in queue.listed("local")] == ["m"]


@pytest.mark.parametrize("base", [START, Cursor(count=5, leaf="other"), Cursor(count=9, leaf="l9")])
def test_another_base_changes_nothing(queue: EffectQueue, base: Cursor):
    """Wrong if what two processes folded at once could be mixed."""
    put(queue, START, 5, effect("k", 0))
    assert not queue.keep("local", base, Cursor(count=12, leaf="l12"), {"late": effect("late", 2), "k": None})
    assert queue.cursor("local") == Cursor(count=5, leaf="l5")
    assert [each.key for each in queue.listed("local")] == ["k"]


def test_an_effect_is_due_at_its_moment_and_not_before(queue: EffectQueue):
    """Wrong if a receiver that asked to be left alone were asked again at once, or never."""
    put(queue, START, 3, effect("now", 0), effect("later", 1, retry_at=LATER))
    assert [each.key for each in queue.waiting("local", 9, EARLY)] == ["now"]
    assert [each.key for each in queue.waiting("local", 9, LATER)] == ["now", "later"]
    assert [each.key for each in queue.waiting("local", 9)] == ["now", "later"]


def test_an_approval_is_over_after_its_moment(queue: EffectQueue):
    """Wrong if an effect that nobody approved waited for ever, or one without an end expired."""
    asked = {"state": EffectState.APPROVAL, "needs_approval": True}
    put(queue, START, 3, effect("a", 0, expires_at=LATER, **asked), effect("endless", 1, **asked))
    assert queue.expired("local", LATER) == []
    assert [each.key for each in queue.expired("local", LATE)] == ["a"]
    assert queue.waiting("local", 9, LATE) == []


def test_states_are_listed_and_counted_apart(queue: EffectQueue):
    """Wrong if nobody could see which effects were given up."""
    dead = effect("d", 1, state=EffectState.DEAD, result=2)
    put(queue, START, 3, effect("a", 0), dead, replace(dead, key="e", position=1))
    assert [each.key for each in queue.listed("local", EffectState.DEAD)] == ["d", "e"]
    assert queue.counts("local") == {EffectState.WAITING: 1, EffectState.DEAD: 2}


def test_many_keys_are_found_at_once(queue: EffectQueue):
    """Wrong if a batch larger than one question of the store lost some."""
    effects = [effect(f"k{number}", number) for number in range(2 * KEYS_PER_QUESTION + 1)]
    put(queue, START, 9, *effects)
    assert len(queue.find("local", [each.key for each in effects] + ["nobody"])) == len(effects)


def test_tenants_do_not_see_each_other(queue: EffectQueue):
    """Wrong if one tenant's acts could be performed for another."""
    put(queue, START, 1, effect("k", 0))
    assert queue.listed("other") == []
    assert queue.cursor("other") == START


def test_a_cleared_queue_starts_again(queue: EffectQueue):
    """Wrong if folding anew could meet remains of another past."""
    put(queue, START, 1, effect("k", 0))
    queue.clear("local")
    assert queue.cursor("local") == START
    assert queue.listed("local") == []


@pytest.mark.parametrize("damage", [b"", b"not a database at all" * 100], ids=["empty", "garbage"])
def test_a_damaged_file_is_folded_again(tmp_path: Path, damage: bytes):
    """Wrong if losing what can be rebuilt could stop effects for ever."""
    first = SqliteEffectQueue(tmp_path)
    put(first, START, 1, effect("k", 0))
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
    put(queue, START, 1, effect("k", 0))
    with sqlite3.connect(tmp_path / "local" / "effects.db") as other:
        other.execute("DROP TABLE effects")
    other.close()
    with pytest.raises(Unavailable) as caught:
        queue.listed("local")
    assert caught.value.code == "effect-queue-damaged"
    assert (queue.cursor("local"), queue.listed("local")) == (START, [])
    queue.close()


@pytest.mark.parametrize("version", [1, 2, 99])
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
    put(queue, START, 1, effect("k", 0))
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
    put(first, START, 1, effect("k", 0))
    first.close()
    again = SqliteEffectQueue(tmp_path)
    assert again.cursor("local") == Cursor(count=1, leaf="l1")
    assert again.listed("local") == [effect("k", 0)]
    again.close()
