"""Settings: who wins, where each came from, and a file that is not what it should be."""

from __future__ import annotations

from pathlib import Path

import pytest

from bailiwick.errors import NotFound, UsageRefused
from bailiwick.settings import NODE_FILE_BYTES_MAX, Settings


def test_a_flag_wins_over_the_environment(tmp_path: Path):
    """Wrong if what the user typed could be overruled by what they forgot."""
    settings = Settings.resolve(home=tmp_path, tenant="mine", environ={"BAILIWICK_HOME": "/x", "BAILIWICK_TENANT": "y"})
    assert settings.to_json() == {
        "home": {"value": str(tmp_path), "origin": "flag"},
        "tenant": {"value": "mine", "origin": "flag"},
        "ledger_store": {"value": "files", "origin": "default"},
    }


def test_the_environment_wins_over_the_file(tmp_path: Path):
    """Wrong if a deployment could not say whose node this is."""
    (tmp_path / "node.toml").write_text('node_id = "ab"\ntenant = "filed"\n')
    settings = Settings.resolve(environ={"BAILIWICK_HOME": str(tmp_path), "BAILIWICK_TENANT": "given"})
    assert (settings.tenant, settings.origins["tenant"]) == ("given", "environment")
    assert Settings.resolve(home=tmp_path, environ={}).tenant == "filed"


def test_without_anything_the_defaults_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    """Wrong if the first command needed an argument."""
    monkeypatch.chdir(tmp_path)
    settings = Settings.resolve(environ={})
    assert (settings.home, settings.tenant) == (tmp_path / ".bailiwick", "local")
    assert set(settings.origins.values()) == {"default"}


@pytest.mark.parametrize(
    "content",
    [
        b"node_id = ",
        b"\xff\xfe",
        b"node_id = 7",
        b'unknown = "x"',
        b"#" * (NODE_FILE_BYTES_MAX + 1),
        b'tenant = "../x"',
    ],
    ids=["torn", "not text", "wrong type", "unknown key", "too large", "a path for a tenant"],
)
def test_a_file_that_is_not_settings_is_refused(tmp_path: Path, content: bytes):
    """Wrong if a damaged file were read as if it said nothing."""
    (tmp_path / "node.toml").write_bytes(content)
    with pytest.raises(UsageRefused):
        Settings.resolve(home=tmp_path, environ={})


def test_a_folder_without_a_node_is_no_home(tmp_path: Path):
    """Wrong if commands made a home where the user mistyped its path."""
    with pytest.raises(NotFound) as refused:
        Settings.resolve(home=tmp_path, environ={}).node_id()
    assert str(tmp_path) in refused.value.hint


def test_a_store_for_ledgers_is_chosen_in_the_file_and_secrets_come_from_the_environment(tmp_path: Path):
    """Wrong if a password had to stand in a file, or were shown where settings are."""
    (tmp_path / "node.toml").write_text('[ledger]\nstore = "s3"\nretention = "compliance"\nretention_days = 180\n')
    environ = {"BAILIWICK_LEDGER_URL": "postgresql://me:secret@db/x", "BAILIWICK_LEDGER_BUCKET": "proofs"}
    settings = Settings.resolve(home=tmp_path, environ=environ)
    assert (settings.ledger.store, settings.ledger.bucket, settings.ledger.retention_days) == ("s3", "proofs", 180)
    assert settings.to_json()["ledger_store"] == {"value": "s3", "origin": "node.toml"}
    assert settings.ledger.url == environ["BAILIWICK_LEDGER_URL"]
    assert "secret" not in f"{settings!r} {settings.to_json()}"
    given = Settings.resolve(home=tmp_path, environ={"BAILIWICK_LEDGER_STORE": "sqlite"})
    assert (given.ledger.store, given.origins["ledger_store"]) == ("sqlite", "environment")


@pytest.mark.parametrize(
    "table",
    [
        'store = "tape"',
        "store = 7",
        'url = "postgresql://me:secret@db/x"',
        'retention = "compliance"',
        'retention = "compliance"\nretention_days = true',
        "retention_days = 36501",
        "retention_days = -1",
        'retention = "for ever"',
    ],
)
def test_a_store_for_ledgers_that_cannot_be_is_refused(tmp_path: Path, table: str):
    """Wrong if a mistyped word left a ledger unlocked, or a password were welcome in the file."""
    (tmp_path / "node.toml").write_text(f"[ledger]\n{table}\n")
    with pytest.raises(UsageRefused):
        Settings.resolve(home=tmp_path, environ={})
    (tmp_path / "node.toml").write_text("ledger = 7\n")
    with pytest.raises(UsageRefused):
        Settings.resolve(home=tmp_path, environ={})
