"""`bailiwick ledger erase --record N` of a call of a module, on a real home."""

from __future__ import annotations

import json

import pytest

from .test_module import KEY, write_module


@pytest.fixture
def called(cli, folder):
    """Give a terminal on a home where a module was called, and the record of that."""
    assert cli("init").code == 0
    write_module(folder / "greeter")
    assert cli("module", "trust", KEY).code == 0
    assert cli("module", "install", "greeter").code == 0
    record = cli("module", "call", "greeter", "greet", "--input", '{"name":"Ada"}', "--json").json["record"]
    return cli, str(record)


def test_an_erased_call_says_so_to_whoever_runs_it_again(called):
    """If it failed, what a person typed into a module would stay for ever, or its absence look like damage."""
    cli, record = called
    assert cli("module", "replay", record).code == 0
    looked = cli("ledger", "erase", "--record", record, "--dry-run", "--json").json
    assert (looked["erased"], looked["subjects"][0]["calls"], looked["subjects"][0]["blobs"]) == (
        False,
        [int(record)],
        3,
    )
    assert cli("module", "replay", record).code == 0
    done = cli("ledger", "erase", "--record", record, "--yes")
    assert (done.code, "3 blobs destroyed, of 1 calls" in done.out) == (0, True)
    ran = cli("module", "replay", record, "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "blob-erased")
    assert cli("ledger", "prove", record).code == 0
    assert cli("ledger", "verify").code == 0
    assert cli("module", "call", "greeter", "greet").code == 0


def test_no_byte_of_an_erased_calls_key_is_left_in_the_blobs(called, folder):
    """If it failed, a copy of the file made afterwards would open what was erased."""
    import sqlite3

    cli, record = called
    path = folder / ".bailiwick" / "tenants" / "local" / "blobs.db"
    with sqlite3.connect(path) as database:
        (key,) = database.execute("SELECT key FROM subjects WHERE name LIKE 'call/%'").fetchone()
    assert cli("ledger", "erase", "--record", record, "--yes").code == 0
    left = b"".join(each.read_bytes() for each in path.parent.glob("blobs.db*"))
    assert key not in left


def test_a_hold_stops_the_erasure_of_calls(called):
    """If it failed, a person could destroy what a court asked for."""
    cli, record = called
    assert cli("ledger", "hold", "add", "--resource", "call", "--reason", "case-7").code == 0
    ran = cli("ledger", "erase", "--record", record, "--yes", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (3, "hold-stands")
    assert cli("module", "replay", record).code == 0


def test_a_record_that_keeps_nothing_is_refused_at_the_terminal(called):
    """If it failed, naming the wrong record would seem to have erased something."""
    cli, _ = called
    cli("module", "stop", "greeter")
    assert cli("module", "call", "greeter", "greet").code == 3
    (last,) = [each for each in cli("ledger", "tail", "--json").lines if each["event_type"] == "module.denied"]
    ran = cli("ledger", "erase", "--record", str(last["index"]), "--yes", "--json")
    assert (ran.code, json.loads(ran.err)["error"]["code"]) == (4, "record-keeps-nothing")
