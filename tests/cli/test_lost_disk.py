"""`docs/howto/a-node-lost-its-disk.md`, followed: two machines, a witness between them, and a disk that is gone."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).resolve().parents[2] / "docs" / "howto" / "a-node-lost-its-disk.md"
BEFORE = (
    "bailiwick ledger witness add https://witness.example/api KEY",
    "bailiwick ledger checkpoint",
    "bailiwick ledger export --out mirror-2026-11-21",
)
LOCK = "bailiwick key wrap --with passphrase"
AFTER = "bailiwick ledger restore mirror --witness https://witness.example/api"
HOME = Path(".bailiwick")


class Machines:
    """Machines to be at, each with a folder and a user's settings of its own."""

    def __init__(self, cli, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._cli, self.folder, self._patch = cli, folder, monkeypatch
        self.stands_for: dict[str, str] = {}

    def go(self, name: str) -> Path:
        """Be at a machine."""
        place = self.folder / name
        place.mkdir(exist_ok=True)
        self._patch.chdir(place)
        self._patch.setenv("XDG_CONFIG_HOME", str(place / "settings"))
        return place

    def run(self, line: str):
        """Type a line of the page, with what stands for its examples."""
        return self._cli(*[self.stands_for.get(word, word) for word in line.split()[1:]])


@pytest.fixture
def machines(cli, folder, monkeypatch, injuries):
    """Give machines, one of which is a witness that serves."""
    made = Machines(cli, folder, monkeypatch)
    made.go("old")
    log = cli("init", "--json").json["verifier_key"]
    made.go("hub")
    assert cli("init").code == 0
    key = cli("ledger", "witness", "key", "--json").json["key"]
    assert cli("ledger", "witness", "trust", log).code == 0
    command = [sys.executable, "-m", "bailiwick.cli", "ledger", "witness", "serve", "--listen", "127.0.0.1:0", "--json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        url = json.loads(process.stdout.readline())["url"]
        made.stands_for = {"https://witness.example/api": url, "KEY": key, "VKEY": log}
        yield made
        process.kill()


def live(machines: Machines, cli, *, lock: str) -> str:
    """Do on the old machine what the page says to do before; then its disk is gone. Give a decision's explanation."""
    old = machines.go("old")
    assert cli("decide", "us-osha-1904", str(machines.folder / "injuries.csv"), "--legal-date", "2024-01-01").code == 0
    if lock == "passphrase":
        assert machines.run(LOCK).code == 0
    for line in BEFORE:
        assert machines.run(line).code == 0
    explained = cli("explain", "3").out
    safe = machines.folder / "safe"
    shutil.copytree(HOME / "keys", safe / "keys")
    shutil.copy(HOME / "node.toml", safe)
    shutil.copy(HOME / "tenants/local/blobs.db", safe)
    shutil.copytree("mirror-2026-11-21", safe / "mirror")
    if lock == "machine":
        shutil.copy("settings/bailiwick/machine.key", safe)
    machines.go("new")
    shutil.rmtree(old)
    return explained


def bring(machines: Machines, name: str, to: Path) -> None:
    """Bring something from the safe place."""
    to.mkdir(parents=True, exist_ok=True)
    source = machines.folder / "safe" / name
    (shutil.copytree if source.is_dir() else shutil.copy)(source, to / name)


@pytest.mark.parametrize("lock", ["machine", "passphrase"])
def test_a_ledger_comes_back_on_another_machine_with_what_the_page_says_to_copy(machines, cli, monkeypatch, lock):
    """Wrong if the page left out something without which nothing comes back."""
    monkeypatch.setenv("BAILIWICK_PASSPHRASE", "correct horse battery" if lock == "passphrase" else "")
    explained = live(machines, cli, lock=lock)
    for name in ("keys", "node.toml"):
        bring(machines, name, HOME)
    bring(machines, "mirror", Path())
    if lock == "machine":
        missing = machines.run(AFTER)
        assert (missing.code, "key-locked" in missing.err) == (4, True)
        assert not (HOME / "tenants/local/ledger").exists()
        bring(machines, "machine.key", Path("settings/bailiwick"))
    assert machines.run("bailiwick verify mirror --key VKEY").code == 0
    assert machines.run(AFTER).code == 0
    lost = cli("explain", "3")
    assert (lost.code, "blob-not-found" in lost.err) == (4, True)
    (HOME / "tenants/local/blobs.db").unlink(missing_ok=True)
    bring(machines, "blobs.db", HOME / "tenants/local")
    assert cli("explain", "3").out == explained
    assert machines.run(BEFORE[0]).code == 0
    assert cli("ledger", "checkpoint", "--json").json["quorum"]
    assert cli("ledger", "verify").code == 0
    assert cli("panic", "status", "--json").json["frozen"] is True
    assert cli("panic", "off").code == 0
    assert cli("effects", "run").code == 3, "the node's own switch is missing still"
    assert cli("panic", "off", "--everywhere").code == 0
    assert cli("effects", "run").code == 0


def test_another_machines_key_opens_nothing_and_nothing_is_written(machines, cli):
    """Wrong if a wrong lock began a second past, or looked like a lost ledger."""
    live(machines, cli, lock="machine")
    assert cli("init", "--home", "another").code == 0
    for name in ("keys", "node.toml"):
        bring(machines, name, HOME)
    bring(machines, "mirror", Path())
    ran = machines.run(AFTER)
    assert (ran.code, "key-passphrase" in ran.err) == (3, True)
    assert not (HOME / "tenants/local/ledger").exists()


def test_every_command_of_the_page_is_followed_here():
    """Wrong if the page gained a step that nobody tried."""
    lines = {line.split("#")[0].strip() for line in re.findall(r"^ {4,}(bailiwick .*)$", PAGE.read_text(), re.M)}
    assert lines == {*BEFORE, LOCK, AFTER}
