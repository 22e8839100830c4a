"""`bailiwick ledger erase` and `bailiwick key` at the terminal."""

from __future__ import annotations

import sys

import pytest

from bailiwick.cli import screen


def first_decision(decided) -> int:
    records = decided("ledger", "tail", "--json").lines
    return next(record["index"] for record in records if record["event_type"] == "decision.sealed")


def test_erasing_needs_a_yes(decided):
    """Wrong if a slip at the keyboard could destroy evidence."""
    record = str(first_decision(decided))
    ran = decided("ledger", "erase", "--record", record)
    assert (ran.code, "not-confirmed" in ran.err) == (2, True)
    assert decided("explain", record).code == 0


@pytest.mark.parametrize(("answer", "code"), [("yes\n", 0), ("y\n", 1), ("\n", 1), ("", 1)])
def test_a_person_is_asked(decided, monkeypatch, answer, code):
    """Wrong if anything but a whole yes counted as one."""
    import io

    record = str(first_decision(decided))
    monkeypatch.setattr(screen, "can_ask", lambda: True)
    monkeypatch.setattr(sys, "stdin", io.StringIO(answer))
    ran = decided("ledger", "erase", "--record", record)
    assert ran.code == code
    assert "Destroy this for ever?" in ran.err
    assert decided("explain", record).code == (4 if code == 0 else 0)


def test_erasing_says_what_it_destroyed_and_explain_says_erased(decided):
    """Wrong if a person could not see what became of the evidence."""
    record = str(first_decision(decided))
    looked = decided("ledger", "erase", "--record", record, "--dry-run", "--json").json
    assert (looked["erased"], looked["subjects"][0]["blobs"]) == (False, 2)
    done = decided("ledger", "erase", looked["subjects"][0]["subject"], "--yes", "--json").json
    assert (done["erased"], done["subjects"][0]["blobs"]) == (True, 2)
    shown = decided("ledger", "show", str(done["subjects"][0]["record"]), "--json").json
    assert shown["event_type"] == "subject.erased"
    ran = decided("explain", record)
    assert (ran.code, "erased" in ran.err) == (4, True)
    replayed = decided("replay", "--all", "--json").json
    assert (replayed["unavailable"], replayed["differing"]) == (1, [])
    assert decided("ledger", "verify").code == 0


def test_nothing_and_nobody_are_refused(decided):
    """Wrong if a command without a subject erased something, or a name could be typed as one."""
    assert decided("ledger", "erase", "--yes").code == 2
    assert decided("ledger", "erase", "--record", "3", "--yes", "--dry-run").code == 2
    ran = decided("ledger", "erase", "jane@example.org", "--yes")
    assert (ran.code, "jane" in ran.err) == (2, False)
    assert decided("ledger", "erase", "--record", "0", "--yes").code == 4


def test_keys_say_how_they_are_locked_and_take_another_lock(decided, monkeypatch):
    """Wrong if a person could not see whether a copy of the home can be used, or change it."""
    assert decided("key", "status", "--json").json == {"lock": "machine", "wrapped": 4, "plain": 0}
    monkeypatch.setenv("BAILIWICK_PASSPHRASE", "correct horse battery")
    assert decided("key", "wrap", "--with", "passphrase", "--json").json["lock"] == "passphrase"
    assert decided("explain", str(first_decision(decided))).code == 0
    monkeypatch.setenv("BAILIWICK_PASSPHRASE", "wrong horse battery")
    ran = decided("ledger", "tail")
    assert (ran.code, "key-passphrase" in ran.err, "battery" in ran.err) == (3, True, False)


def test_a_home_with_keys_in_the_clear_says_so(decided, folder):
    """Wrong if keys in the clear went unnoticed."""
    (folder / ".bailiwick" / "keys" / "wrapping.json").unlink()
    (folder / ".bailiwick" / "keys" / "local" / "ledger").write_bytes(b"plain")
    ran = decided("key", "status")
    assert (ran.code, "bailiwick key wrap" in ran.out) == (1, True)
    assert decided("key", "status", "--home", str(folder / "nowhere")).code == 4
