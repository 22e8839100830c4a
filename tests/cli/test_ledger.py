"""`bailiwick ledger` and `bailiwick verify`: what was sealed can be seen, proved, taken away and checked."""

from __future__ import annotations

import json
import shutil

import pytest


@pytest.fixture
def bundle(decided, folder):
    """Give the folder of an exported ledger, and its verifier key."""
    key = decided("ledger", "export", "--out", "bundle", "--json").json["key"]
    return folder / "bundle", key


def test_the_tail_ends_with_the_newest_record(decided):
    """If it failed, a person would look at old records and take them for the newest."""
    size = decided("ledger", "stats", "--json").json["records"]
    shown = decided("ledger", "tail", "--count", "3", "--json").lines
    assert [record["index"] for record in shown] == [size - 3, size - 2, size - 1]


def test_a_record_is_shown_as_it_is_stored(decided):
    """If it failed, what people see would not be what is hashed."""
    ran = decided("ledger", "show", "0", "--json")
    assert ran.json["event_type"] == "ledger.genesis"
    assert decided("ledger", "show", "0").code == 0


def test_a_record_that_is_not_there_exits_4(decided):
    """If it failed, asking past the end would look like an answer."""
    assert decided("ledger", "show", "1000000").code == 4
    assert decided("ledger", "prove", "1000000").code == 4
    assert decided("explain", "1000000").code == 4


def test_a_proof_is_the_standard_text(decided, folder):
    """If it failed, nobody else's tool could read our receipts."""
    proof = decided("ledger", "prove", "1", "--json").json["proof"]
    assert proof.startswith("c2sp.org/tlog-proof@v1\n")
    decided("ledger", "prove", "1", "--out", "one.proof")
    assert (folder / "one.proof").read_text() == proof


def test_a_file_that_is_there_is_not_written_over(decided, folder):
    """If it failed, a slip of the fingers would destroy somebody's file."""
    (folder / "mine.txt").write_text("precious")
    assert decided("ledger", "prove", "1", "--out", "mine.txt").code == 2
    assert (folder / "mine.txt").read_text() == "precious"


def test_the_ledger_verifies_and_so_does_the_bundle(decided, bundle):
    """If it failed, an honest ledger would be called broken."""
    place, key = bundle
    own = decided("ledger", "verify", "--json")
    assert (own.code, own.json["verdict"]) == (0, "ok")
    given = decided("verify", str(place), "--key", key, "--json")
    assert (given.code, given.json["verdict"], given.json["anchor"]) == (0, "ok", "given")


def test_without_a_key_the_verdict_says_that_nobody_vouches(decided, bundle):
    """If it failed, a bundle that a stranger made up would look as good as a real one."""
    ran = decided("verify", str(bundle[0]))
    assert ran.code == 0
    assert "nothing says who wrote it" in ran.out
    assert decided("verify", str(bundle[0]), "--json").json["anchor"] == "bundle"


def test_another_signer_is_untrusted(decided, bundle, folder):
    """If it failed, a bundle re-signed by anybody would pass for the one whose key was given."""
    place, _ = bundle
    assert decided("init", "--home", "other").code == 0
    other = json.loads(decided("init", "--home", "other", "--json").out)["verifier_key"]
    ran = decided("verify", str(place), "--key", other, "--json")
    assert (ran.code, ran.json["verdict"]) == (15, "untrusted-key")


def test_a_flipped_byte_is_named_by_verdict_and_exit_code(decided, bundle, folder):
    """If it failed, a script that reads the exit code would accept an altered bundle."""
    place, key = bundle
    entries = next(path for path in sorted(place.rglob("*")) if path.is_file() and "entries" in path.parts)
    raw = bytearray(entries.read_bytes())
    raw[len(raw) // 2] ^= 1
    entries.chmod(0o600)
    entries.write_bytes(raw)
    ran = decided("verify", str(place), "--key", key, "--json")
    assert 10 <= ran.code <= 16
    assert ran.json["verdict"] != "ok"
    assert ran.json["problems"]


def test_a_ledger_that_only_grew_verifies_since_an_older_checkpoint(decided, folder, injuries):
    """If it failed, keeping checkpoints elsewhere, the one remedy against the key's holder, would be useless."""
    note = decided("ledger", "checkpoint", "--json").json["note"]
    (folder / "kept.checkpoint").write_text(note)
    decided("decide", "us-osha-1904", injuries, "--legal-date", "2024-01-01")
    key = decided("ledger", "export", "--out", "later", "--json").json["key"]
    assert decided("verify", "later", "--key", key, "--since", "kept.checkpoint").code == 0
    shutil.rmtree(".bailiwick")
    assert decided("init").code == 0
    decided("decide", "us-osha-1904", injuries, "--legal-date", "2024-01-01")
    decided("ledger", "export", "--out", "rewritten")
    assert decided("verify", "rewritten", "--since", "kept.checkpoint").code >= 10


def test_a_bundle_that_is_not_there_exits_4(cli):
    """If it failed, a wrong path would look like a broken ledger."""
    assert cli("verify", "absent").code == 4
