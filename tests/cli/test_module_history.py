"""What the modules of a home are rests on records that are proven, not on whatever lies in the files."""

from __future__ import annotations

import shutil

import pytest

from bailiwick.keys import Signer, new_secret

KEY = Signer("modules/stranger", new_secret(b"s" * 32)).verifier.text()
TENANT = ".bailiwick/tenants/local"


@pytest.fixture
def revoked(cli, folder):
    """Give the ledger's folder of a home that revoked a key, with records after it, and no folded state."""
    assert cli("init").code == 0
    assert cli("module", "trust", KEY).code == 0
    assert cli("module", "untrust", KEY).code == 0
    for _ in range(3):
        assert cli("panic", "on", "--reason", "a test").code == 0
        assert cli("panic", "off").code == 0
    assert cli("ledger", "checkpoint").code == 0
    shutil.rmtree(folder / TENANT / "cursors")
    return folder / TENANT / "ledger"


def alter(ledger, old, new):
    """Change bytes of the same length in the records."""
    changed = 0
    for path in ledger.rglob("*.jsonl"):
        raw = path.read_bytes()
        changed += raw.count(old)
        path.write_bytes(raw.replace(old, new))
    assert changed


def test_a_key_stays_revoked_when_the_state_is_gone(cli, revoked):
    """Wrong if losing a cache brought a key back."""
    ran = cli("module", "trust", KEY, "--json")
    assert ran.code == 3
    assert "key-revoked" in ran.err


@pytest.mark.parametrize(
    ("old", "new"), [(b"module.key-revoked", b"module.key-revokex"), (b"module.key-trusted", b"module.key-trustex")]
)
def test_a_record_that_was_changed_is_found_before_a_module_is_believed(cli, revoked, old, new):
    """Wrong if one changed byte in an old record gave a revoked key its trust back, or took a module away."""
    alter(revoked, old, new)
    for words in (("module", "trust", KEY), ("module", "list")):
        ran = cli(*words, "--json")
        assert ran.code == 12
        assert "altered" in ran.err
