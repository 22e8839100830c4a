"""Choosing, moving and probing the place of a ledger, as a person does it at the terminal."""

from __future__ import annotations

import json
import shutil

import pytest

from bailiwick.adapters import ledgerstore_s3
from bailiwick.cli.commands import COMMANDS

PROBE = next(command for command in COMMANDS if command.words == "ledger worm-probe")
DAY = "2024-01-01"


@pytest.fixture
def elsewhere(request, monkeypatch):
    """Say in the environment where Postgres and the bucket are."""
    monkeypatch.setenv("BAILIWICK_LEDGER_URL", request.getfixturevalue("postgres_url"))
    monkeypatch.setenv("BAILIWICK_LEDGER_BUCKET", request.getfixturevalue("s3_bucket"))


def test_a_ledger_moves_through_every_store_and_keeps_its_head(decided, elsewhere):
    """Wrong if a person could not take a ledger from a laptop to a cluster and home again."""
    head = decided("ledger", "checkpoint").out
    for there in ("sqlite", "postgres", "s3", "files"):
        ran = decided("ledger", "move", "--to", there, "--json")
        assert ran.code == 0, ran.err
        assert ran.json["to"] == there
        assert decided("ledger", "checkpoint").out == head
        assert decided("ledger", "verify", "--json").json["verdict"] == "ok"
        assert decided("replay", "--all", "--json").json["differing"] == []


@pytest.mark.parametrize("there", ["sqlite", "postgres", "s3"])
def test_a_new_ledger_is_made_where_the_settings_say(cli, injuries, elsewhere, monkeypatch, there):
    """Wrong if a setting were read and not followed, or the ledger lost when the setting is gone."""
    monkeypatch.setenv("BAILIWICK_LEDGER_STORE", there)
    assert cli("init").code == 0
    monkeypatch.delenv("BAILIWICK_LEDGER_STORE")
    assert cli("init").code == 0
    assert cli("decide", "us-osha-1904", injuries, "--legal-date", DAY).code == 0
    assert cli("ledger", "verify", "--json").json["verdict"] == "ok"
    refused = cli("ledger", "move", "--to", there)
    assert (refused.code, "already" in refused.err) == (2, True)


def test_settings_in_the_file_are_followed(cli, folder, elsewhere):
    """Wrong if a home could not say where its next tenant's ledger goes."""
    assert cli("init").code == 0
    text = (folder / ".bailiwick" / "node.toml").read_text()
    (folder / ".bailiwick" / "node.toml").write_text(f'{text}\n[ledger]\nstore = "sqlite"\n')
    assert cli("init", "--tenant", "second").code == 0
    ledger = folder / ".bailiwick" / "tenants" / "second" / "ledger"
    assert (ledger / "PLACE").read_text() == "sqlite\n"
    assert (ledger / "ledger.db").exists()
    assert not (folder / ".bailiwick" / "tenants" / "local" / "ledger" / "PLACE").exists()


def test_a_place_that_the_environment_does_not_name_is_refused_with_the_variable(decided, monkeypatch):
    """Wrong if a person had to guess what to set."""
    for there, variable in (("postgres", "BAILIWICK_LEDGER_URL"), ("s3", "BAILIWICK_LEDGER_BUCKET")):
        monkeypatch.delenv(variable, raising=False)
        ran = decided("ledger", "move", "--to", there)
        assert (ran.code, variable in ran.err) == (2, True)
    assert decided("ledger", "verify", "--json").json["verdict"] == "ok"


@pytest.fixture
def lost(decided, folder):
    """Give a terminal on a home whose ledger is gone, with a bundle of it, and the checkpoint that it had."""
    head = decided("ledger", "checkpoint", "--json").json
    assert decided("ledger", "export", "--out", "bundle").code == 0
    shutil.rmtree(folder / ".bailiwick/tenants/local")
    return decided, head


@pytest.mark.parametrize("there", [None, "files", "sqlite", "postgres", "s3"])
def test_a_lost_ledger_comes_back_into_any_store_with_the_same_head(lost, folder, elsewhere, there):
    """Wrong if a node could lose its disk and come back to files alone, or as another ledger."""
    cli, head = lost
    ran = cli("ledger", "restore", "bundle", *(["--to", there] if there else []), "--json")
    assert ran.code == 0, ran.err
    assert (ran.json["records"], ran.json["root"]) == (head["size"], head["root"])
    assert (folder / ".bailiwick/tenants/local/ledger/PLACE").read_text() == f"{there or 'files'}\n"
    assert cli("ledger", "verify", "--json").json["verdict"] == "ok"
    assert cli("ledger", "export", "--out", "again").code == 0
    assert cli("verify", "again", "--since", "bundle").code == 0
    types = [each["event_type"] for each in cli("ledger", "tail", "--json").lines]
    assert types.count("ledger.restored") == 1


@pytest.mark.parametrize("there", ["sqlite", "postgres", "s3"])
def test_a_lost_ledger_comes_back_where_the_settings_say_and_stays_there(lost, elsewhere, monkeypatch, there):
    """Wrong if a restore went elsewhere than the ledger was, or a second one made a second ledger."""
    cli, _ = lost
    monkeypatch.setenv("BAILIWICK_LEDGER_STORE", there)
    assert cli("ledger", "restore", "bundle").code == 0
    monkeypatch.delenv("BAILIWICK_LEDGER_STORE")
    elsewhere_again = cli("ledger", "restore", "bundle", "--to", "files")
    assert (elsewhere_again.code, f"is {there}, not files" in elsewhere_again.err) == (2, True)
    assert cli("ledger", "restore", "bundle").code == 2, "what was recorded since is not the bundle's"
    assert cli("ledger", "verify", "--json").json["verdict"] == "ok"


def test_a_damaged_bundle_leaves_no_place_behind(lost, folder):
    """Wrong if a restore that was refused had settled where the ledger is."""
    cli, _ = lost
    tile = next(path for path in sorted((folder / "bundle").rglob("*")) if "entries" in path.parts and path.is_file())
    tile.write_bytes(tile.read_bytes().replace(b"decision", b"Decision", 1))
    assert cli("ledger", "restore", "bundle", "--to", "sqlite").code in {10, 11, 12, 13, 14}
    assert not (folder / ".bailiwick/tenants/local/ledger").exists()


def test_a_ledger_that_does_not_verify_is_not_moved(decided, folder):
    """Wrong if a move spread damage to a place where it looks new."""
    path = next((folder / ".bailiwick" / "tenants" / "local" / "ledger" / "seg").iterdir())
    path.write_bytes(path.read_bytes().replace(b'"outcome":"report', b'"outcome":"Report', 1))
    ran = decided("ledger", "move", "--to", "sqlite")
    assert ran.code in {10, 11, 12, 13, 14}, ran.err
    assert not (path.parent.parent / "PLACE").exists()


@pytest.mark.parametrize("word", ["", "tape\n", "sqlite sqlite\n", "\x00" * 100])
def test_a_garbled_place_is_refused_and_not_guessed(decided, folder, word):
    """Wrong if a damaged word made a second, empty ledger under the same key."""
    (folder / ".bailiwick" / "tenants" / "local" / "ledger" / "PLACE").write_text(word)
    assert decided("ledger", "stats").code == 3
    assert decided("init").code == 3


@pytest.fixture
def locked(decided, elsewhere):
    """Give a terminal on a home whose ledger is in a bucket that locks."""
    assert decided("ledger", "move", "--to", "s3").code == 0
    return decided


@pytest.mark.parametrize("example", PROBE.examples)
def test_a_lock_that_does_not_hold_is_said_recorded_and_exits_one(locked, example):
    """Wrong if a server that lets anybody shorten a lock passed: moto does, and no proof can rest on it."""
    ran = locked(*example.split())
    assert ran.code == 1
    assert "shorten-retention" in ran.out
    record = locked("ledger", "tail", "--count", "5", "--json").lines
    probed = [each["detail"] for each in record if each["event_type"] == "ledger.worm-probed"]
    assert [each["held"] for each in probed] == [False]
    broken = {attempt["name"] for attempt in probed[0]["attempts"] if not attempt["held"]}
    assert "shorten-retention" in broken
    assert "delete-version" not in broken
    assert locked("ledger", "verify", "--json").json["verdict"] == "ok"


def test_a_lock_that_holds_exits_zero(locked, monkeypatch):
    """Wrong if nobody could ever pass."""
    from botocore.exceptions import ClientError

    connect = ledgerstore_s3.connect

    class Strict:
        """A client whose bucket never gives up a lock."""

        def __init__(self):
            self._client = connect()

        def __getattr__(self, name):
            return getattr(self._client, name)

        def put_object_retention(self, **_words):
            answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "PutObjectRetention")

    monkeypatch.setattr("bailiwick.adapters.ledgerstore_worm.connect", Strict)
    ran = locked("ledger", "worm-probe", "--json")
    assert ran.code == 0, ran.out
    assert (ran.json["held"], ran.json["is_proved"]) == (True, True)
    assert json.loads(ran.out)["record"] > 0
    assert "lock held against these credentials" in locked("ledger", "worm-probe").out


def test_refusals_that_may_not_be_the_lock_s_are_no_proof(locked, monkeypatch):
    """Wrong if credentials that may do nothing made any bucket look write-once."""
    from botocore.exceptions import ClientError

    connect = ledgerstore_s3.connect

    class Powerless:
        """A client that may write and read, and nothing else."""

        def __init__(self):
            self._client = connect()

        def __getattr__(self, name):
            return getattr(self._client, name)

        def _refuse(self, **words):
            if "VersionId" not in words:
                return self._client.delete_object(**words)
            answer = {"Error": {"Code": "AccessDenied"}, "ResponseMetadata": {"HTTPStatusCode": 403}}
            raise ClientError(answer, "refused")

        delete_object = put_object_retention = _refuse

    monkeypatch.setattr("bailiwick.adapters.ledgerstore_worm.connect", Powerless)
    ran = locked("ledger", "worm-probe", "--json")
    assert (ran.code, ran.json["held"], ran.json["is_proved"]) == (0, True, False), ran.out
    said = locked("ledger", "worm-probe").out
    assert "this proves no lock" in said
    assert "lock held" not in said


def test_a_probe_of_a_ledger_in_files_is_refused(decided):
    """Wrong if a person were told that their own disk is write-once."""
    ran = decided("ledger", "worm-probe")
    assert (ran.code, "kept in files" in ran.err) == (2, True)
