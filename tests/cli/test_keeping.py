"""Keeping and pruning from the terminal: written down, held, refused with a way on, and done."""

from __future__ import annotations


def test_nothing_goes_before_a_policy_is_written(decided):
    """Wrong if a ledger without a written policy could be pruned."""
    before = decided("ledger", "prune", "--dry-run", "--json").json
    assert (before["deleted"], before["record"]) == (0, None)
    assert "no policy" in before["blocked"]
    assert decided("ledger", "retention", "--json").json["written"] is False
    assert decided("ledger", "retention", "--write", "default", "--json").json["written"] is True
    after = decided("ledger", "prune", "--dry-run", "--json").json
    assert after["deleted"] == 0
    assert "no policy" not in (after["blocked"] or "")


def test_a_policy_is_written_from_a_file_and_a_wrong_one_refused(decided, folder):
    """Wrong if a typing error became a promise."""
    policy = folder / "policy.json"
    policy.write_text('{"classes": {"access": "P5M"}, "format": "bailiwick-retention/1", "types": {}}')
    assert decided("ledger", "retention", "--write", "policy.json").code == 3
    assert decided("ledger", "retention", "--write", "absent.json").code == 5
    policy.write_text(" " * 70_000)
    assert decided("ledger", "retention", "--write", "policy.json").code == 3


def test_a_hold_is_set_listed_and_released(decided):
    """Wrong if a hold could not be found again, or stood after its release."""
    record = decided("ledger", "tail", "--json").lines[1]
    hold = decided("ledger", "hold", "add", "--resource", record["resource"], "--reason", "case-7", "--json").json[
        "hold"
    ]
    assert [each["hold"] for each in decided("ledger", "hold", "list", "--json").json["holds"]] == [hold]
    assert decided("ledger", "hold", "release", hold, "--reason", "case-7-closed").code == 0
    assert decided("ledger", "hold", "list", "--json").json == {"holds": []}
    assert decided("ledger", "hold", "release", hold, "--reason", "case-7-closed").code == 4


def test_a_held_subject_is_not_erased(decided):
    """Wrong if erasure could destroy what a court asked for."""
    decision = next(r for r in decided("ledger", "tail", "--json").lines if r["event_type"] == "decision.sealed")
    assert decided("ledger", "hold", "add", "--resource", decision["resource"], "--reason", "case-7").code == 0
    refused = decided("ledger", "erase", "--record", str(decision["index"]), "--yes")
    assert refused.code == 3
    assert "hold" in refused.err
    assert decided("explain", str(decision["index"])).code == 0


def test_pruning_asks_for_an_archive_and_a_yes(decided, folder):
    """Wrong if a word too few deleted records, or a wrong day were believed."""
    assert decided("ledger", "prune").code == 2
    assert decided("ledger", "prune", "--yes").code == 2
    assert decided("ledger", "prune", "--archive", "kept", "--yes", "--without-witness").code == 2
    assert decided("ledger", "prune", "--dry-run", "--today", "2001-01-01").code == 2
    assert decided("ledger", "prune", "--dry-run", "--before", "yesterday").code == 2
    assert not (folder / "kept").exists()
