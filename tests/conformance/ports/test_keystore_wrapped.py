"""Wrapped keys: no secret lies on disk in the clear, nothing but its lock opens it, and no crash loses one."""

from __future__ import annotations

import errno
import json
import os
import subprocess
import sys
from functools import partial
from pathlib import Path

import keyring
import keyring.backend
import keyring.errors
import pytest

from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.keystore_envelope import WORK_MAX, EnvelopeBroken, Stretching, open_bytes, seal_bytes
from bailiwick.adapters.keystore_files import FileKeyStore
from bailiwick.adapters.keystore_keyring import KeyringLock
from bailiwick.adapters.keystore_locks import MachineLock, PassphraseLock, machine_key_path
from bailiwick.adapters.keystore_wrapped import FILE, WrappedKeyStore, Wrapping, system_keys
from bailiwick.errors import BailiwickError, NotFound, Unavailable, UsageRefused
from bailiwick.keys import new_secret
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.testing import FaultyDisk, MemoryEntropy, fail

QUICK = Stretching(work=16)
RIGHT, WRONG = "correct horse battery", "wrong horse battery"
SECRETS = {
    ("local", "ledger"): new_secret(bytes(range(32))),
    ("local", "pseudonym"): bytes(range(32)),
    ("other", "ledger"): new_secret(bytes(range(1, 33))),
}
KEYS = Path("/home/keys")
MACHINE = Path("/settings/machine.key")


def store(disk, *, passphrase=RIGHT, new=None, machine=MACHINE, seed=0) -> WrappedKeyStore:
    """Open the keys as another process would, with what it knows."""
    environ = {"BAILIWICK_PASSPHRASE": passphrase} if passphrase else {}
    environ |= {"BAILIWICK_NEW_PASSPHRASE": new} if new else {}
    entropy = MemoryEntropy(seed=seed)
    locks = {"passphrase": PassphraseLock(environ), "machine": MachineLock(machine, disk, entropy)}
    return WrappedKeyStore(KEYS, disk, entropy, lambda kind, _: locks[kind], stretching=QUICK)


def filled(disk, kind: str | None) -> None:
    """Put the secrets into a home that is locked in this way, or not at all."""
    if kind is None:
        keys = FileKeyStore(KEYS, disk)
    else:
        keys = store(disk)
        keys.start(kind)
    for (tenant, name), secret in SECRETS.items():
        keys.put(tenant, name, secret)


def check_all(keys: WrappedKeyStore) -> None:
    assert {place: keys.get(*place) for place in SECRETS} == SECRETS


def code_of(ask) -> str:
    with pytest.raises(BailiwickError) as caught:
        ask()
    assert RIGHT not in f"{caught.value.message}{caught.value.hint}"
    assert WRONG not in f"{caught.value.message}{caught.value.hint}"
    return caught.value.code


@pytest.mark.parametrize("kind", ["passphrase", "machine"])
def test_no_secret_lies_in_the_home_in_the_clear(kind: str):
    """Wrong if a copy of the home were enough to sign, or to tell whose pseudonym is whose."""
    disk = MemoryDisk()
    filled(disk, kind)
    home = [disk.read(KEYS / tenant / name) for tenant, name in SECRETS] + [disk.read(KEYS / FILE)]
    for secret in [*SECRETS.values(), RIGHT.encode()]:
        assert not any(secret[:24] in data or secret.hex().encode() in data for data in home)
    assert all(disk.mode(KEYS / tenant / name) == 0o600 for tenant, name in SECRETS)
    check_all(store(disk))


def test_nobody_opens_them_without_the_lock():
    """Wrong if a stolen copy of the home opened on another machine, or with a guess."""
    disk = MemoryDisk()
    filled(disk, "passphrase")
    assert code_of(lambda: store(disk, passphrase=WRONG).get("local", "ledger")) == "key-passphrase"
    assert code_of(lambda: store(disk, passphrase=None).get("local", "ledger")) == "key-locked"
    locked = MemoryDisk()
    filled(locked, "machine")
    assert code_of(lambda: store(locked, machine=Path("/elsewhere/machine.key")).get("local", "ledger")) == "key-locked"
    other = MachineLock(Path("/elsewhere/machine.key"), locked, MemoryEntropy(seed=9))
    other.new_secret()
    stolen = store(locked, machine=Path("/elsewhere/machine.key"))
    assert code_of(lambda: stolen.get("local", "ledger")) == "key-passphrase"
    check_all(store(locked))


@pytest.mark.parametrize("kind", ["passphrase", "machine"])
def test_every_flipped_byte_and_every_cut_is_told_and_the_rest_stays_usable(kind: str):
    """Wrong if a damaged key were used, or one damaged file took the others with it."""
    disk = MemoryDisk()
    filled(disk, kind)
    path = KEYS / "local" / "pseudonym"
    whole = disk.read(path)
    for damaged in [
        *(flip(whole, at) for at in range(0, len(whole), 3)),
        *(whole[:size] for size in range(0, len(whole), 7)),
    ]:
        rewrite(disk, path, damaged)
        keys = store(disk)
        assert code_of(partial(keys.get, "local", "pseudonym")) in ("key-damaged", "key-swapped")
        assert keys.get("local", "ledger") == SECRETS["local", "ledger"]
    rewrite(disk, path, whole)
    check_all(store(disk))


def test_damage_to_the_wrapping_is_told_from_a_wrong_passphrase():
    """Wrong if people tried passphrase after passphrase on a file that no passphrase opens."""
    disk = MemoryDisk()
    filled(disk, "passphrase")
    path = KEYS / FILE
    whole = disk.read(path)
    for damaged in [
        *(flip(whole, at) for at in range(len(whole))),
        *(whole[:size] for size in range(0, len(whole) - 2, 5)),
    ]:
        rewrite(disk, path, damaged)
        assert code_of(lambda: store(disk).get("local", "ledger")) == "key-damaged"
    disk.unlink(path)
    assert code_of(lambda: store(disk).get("local", "ledger")) == "key-damaged"
    rewrite(disk, path, whole)
    check_all(store(disk))


def test_a_header_cannot_ask_for_all_the_memory_there_is():
    """Wrong if a changed file could stop the machine that opens it."""
    disk = MemoryDisk()
    filled(disk, "passphrase")
    content = json.loads(disk.read(KEYS / FILE))
    for scrypt in ([WORK_MAX * 2, 8, 1], [16, 1000, 1], [16, 8, 1000], [15, 8, 1], [0, 8, 1], [16, 8], "x"):
        rewrite(disk, KEYS / FILE, signed({**content, "scrypt": scrypt}))
        assert code_of(lambda: store(disk).get("local", "ledger")) == "key-damaged", scrypt


def test_files_that_change_places_are_told():
    """Wrong if one tenant could be made to sign with another's key."""
    disk = MemoryDisk()
    filled(disk, "machine")
    mine, others = disk.read(KEYS / "local" / "ledger"), disk.read(KEYS / "other" / "ledger")
    rewrite(disk, KEYS / "local" / "ledger", others)
    assert code_of(lambda: store(disk).get("local", "ledger")) == "key-swapped"
    forged = mine.splitlines()[0] + b"\n" + others.splitlines()[1]
    rewrite(disk, KEYS / "local" / "ledger", forged)
    assert code_of(lambda: store(disk).get("local", "ledger")) == "key-damaged"
    rewrite(disk, KEYS / "local" / "ledger", mine)
    check_all(store(disk))


def test_a_key_of_another_home_is_told():
    """Wrong if copying key files between homes seemed to work."""
    one, two = MemoryDisk(), MemoryDisk()
    filled(one, "machine")
    keys = store(two, seed=5)
    keys.start("machine")
    keys.put("local", "ledger", SECRETS["local", "ledger"])
    rewrite(one, KEYS / "local" / "ledger", two.read(KEYS / "local" / "ledger"))
    assert code_of(lambda: store(one).get("local", "ledger")) == "key-damaged"


# --- wrapping what is there -------------------------------------------------------------------------------------------


def test_keys_in_the_clear_keep_working_and_are_wrapped_on_demand():
    """Wrong if homes of today stopped working, or stayed open for ever."""
    disk = MemoryDisk()
    filled(disk, None)
    keys = store(disk)
    check_all(keys)
    keys.start("machine")
    assert keys.report().to_json() == {"lock": None, "wrapped": 0, "plain": 3}
    keys.put("local", "added", b"also in the clear")
    assert keys.wrap("passphrase").to_json() == {"lock": "passphrase", "wrapped": 4, "plain": 0}
    check_all(keys)
    check_all(store(disk))
    assert code_of(lambda: store(disk, passphrase=WRONG).get("local", "ledger")) == "key-passphrase"


@pytest.mark.parametrize(
    ("before", "after"), [("machine", "passphrase"), ("passphrase", "machine"), ("machine", "machine")]
)
def test_one_lock_takes_the_place_of_another(before: str, after: str):
    """Wrong if moving to another lock left the old one in force, or locked everybody out."""
    disk = MemoryDisk()
    filled(disk, before)
    assert store(disk).wrap(after).lock == after
    check_all(store(disk, passphrase=RIGHT if after == "passphrase" else None))


def test_a_passphrase_is_changed_only_by_who_knows_it():
    """Wrong if somebody who found the terminal open could lock out the owner."""
    disk = MemoryDisk()
    filled(disk, "passphrase")
    assert (
        code_of(lambda: store(disk, passphrase=WRONG, new="another passphrase").wrap("passphrase")) == "key-passphrase"
    )
    check_all(store(disk))
    store(disk, new="another passphrase").wrap("passphrase")
    assert code_of(lambda: store(disk).get("local", "ledger")) == "key-passphrase"
    check_all(store(disk, passphrase="another passphrase"))


@pytest.mark.parametrize("text", ["", "short", "x" * 5_000])
def test_a_passphrase_that_is_too_short_or_too_long_locks_nothing(text: str):
    """Wrong if a slip at the keyboard became the lock."""
    disk = MemoryDisk()
    filled(disk, None)
    assert code_of(lambda: store(disk, passphrase=text).wrap("passphrase")) == "passphrase"
    assert store(disk).report().plain == 3


@pytest.mark.parametrize("before", [None, "machine", "passphrase"])
@pytest.mark.parametrize("stays", [False, True])
def test_a_failure_at_any_change_loses_no_key_and_the_next_wrap_finishes(before: str | None, stays: bool):
    """Wrong if a full disk or a crash half-way through wrapping cost a key."""
    changes = {None: 30, "machine": 6, "passphrase": 6}[before]
    for after in range(1, changes + 2):
        disk = MemoryDisk()
        filled(disk, before)
        MachineLock(MACHINE, disk, MemoryEntropy(seed=3)).new_secret()
        faulty = FaultyDisk(disk, after=after, fault=fail(errno.ENOSPC), stays=stays)
        wrap = partial(store(faulty, seed=after).wrap, "passphrase" if before != "passphrase" else "machine")
        if after > changes:
            wrap()
            break
        assert code_of(wrap) == "key-unwritable"
        check_all(store(disk))
        report = store(disk, seed=77).wrap("passphrase")
        assert (report.wrapped, report.plain) == (3, 0)
        check_all(store(disk))


KILLED = """
import sys
from pathlib import Path
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_wrapped import system_keys
from bailiwick.testing import FaultyDisk, kill
disk = FaultyDisk(SystemDisk(), after=int(sys.argv[2]), fault=kill)
system_keys(Path(sys.argv[1]), disk, SystemEntropy()).wrap("machine")
"""


@pytest.mark.parametrize("after", [1, 3, 7, 11, 13, 16])
def test_killed_while_wrapping_nothing_is_lost(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after: int):
    """Wrong if a process that is killed took a key with it."""
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "settings"))
    disk = SystemDisk()
    plain = FileKeyStore(tmp_path / "keys", disk)
    for (tenant, name), secret in SECRETS.items():
        plain.put(tenant, name, secret)
    ran = subprocess.run(
        [sys.executable, "-c", KILLED, str(tmp_path / "keys"), str(after)], check=False, capture_output=True
    )
    assert ran.returncode == -9, ran.stderr
    check_all(system_keys(tmp_path / "keys", disk, MemoryEntropy()))
    assert system_keys(tmp_path / "keys", disk, MemoryEntropy()).wrap("machine").plain == 0
    check_all(system_keys(tmp_path / "keys", disk, MemoryEntropy()))
    disk.close()


# --- the locks --------------------------------------------------------------------------------------------------------


def test_a_passphrase_comes_from_the_environment_its_file_or_the_terminal(tmp_path: Path):
    """Wrong if a service had to be started by hand, or a passphrase gained a line break on its way."""
    (tmp_path / "passphrase").write_bytes(RIGHT.encode() + b"\r\n")
    assert PassphraseLock({"BAILIWICK_PASSPHRASE": RIGHT}).secret() == RIGHT.encode()
    assert PassphraseLock({"BAILIWICK_PASSPHRASE_FILE": str(tmp_path / "passphrase")}).secret() == RIGHT.encode()
    assert PassphraseLock({}, lambda prompt: RIGHT).new_secret() == RIGHT.encode()
    answers = iter([RIGHT, WRONG])
    assert code_of(PassphraseLock({}, lambda prompt: next(answers)).new_secret) == "passphrase"
    assert code_of(PassphraseLock({"BAILIWICK_PASSPHRASE_FILE": str(tmp_path / "none")}).secret) == "passphrase-file"


def test_a_machine_key_is_made_once_and_for_its_owner_alone(tmp_path: Path):
    """Wrong if a second home locked out the first, or others on the machine could read the key."""
    lock = MachineLock(tmp_path / "a" / "machine.key", SystemDisk(), MemoryEntropy())
    secret = lock.new_secret()
    assert (len(secret), lock.new_secret(), lock.secret()) == (32, secret, secret)
    path = tmp_path / "a" / "machine.key"
    assert path.stat().st_mode & 0o777 == 0o600
    path.chmod(0o644)
    assert code_of(lock.secret) == "key-readable"
    path.chmod(0o600)
    path.write_bytes(secret[:-1])
    assert code_of(lock.secret) == "key-damaged"


def test_the_machine_key_lies_in_the_settings_of_the_user(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Wrong if it lay in the home, where a copy of the home would take it along."""
    assert machine_key_path({"XDG_CONFIG_HOME": str(tmp_path)}) == tmp_path / "bailiwick" / "machine.key"
    monkeypatch.setenv("HOME", str(tmp_path))
    assert machine_key_path({"XDG_CONFIG_HOME": "relative"}) == tmp_path / ".config" / "bailiwick" / "machine.key"
    monkeypatch.setattr(Path, "home", lambda: (_ for _ in ()).throw(RuntimeError))
    assert code_of(lambda: machine_key_path({})) == "key-unwritable"


class Ring(keyring.backend.KeyringBackend):
    """A keyring in memory, that may be shut."""

    priority = 1  # type: ignore[assignment]

    def __init__(self) -> None:
        self.kept: dict[tuple[str, str], str] = {}
        self.is_shut = False

    def get_password(self, service: str, username: str) -> str | None:
        if self.is_shut:
            raise keyring.errors.KeyringLocked
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture
def ring():
    """Give the process a keyring of its own."""
    before, ring = keyring.get_keyring(), Ring()
    keyring.set_keyring(ring)
    yield ring
    keyring.set_keyring(before)


def test_a_keyring_locks_a_home(ring: Ring):
    """Wrong if the system's own keyring could not be used, or keys came out while it is shut."""
    disk = MemoryDisk()
    keys = system_keys(KEYS, disk, MemoryEntropy())
    keys.start("keyring")
    keys.put("local", "ledger", b"secret")
    ((service, home_id),) = ring.kept
    assert (service, len(home_id)) == ("bailiwick", 16)
    again = system_keys(KEYS, disk, MemoryEntropy())
    ring.is_shut = True
    assert code_of(lambda: again.get("local", "ledger")) == "keyring"
    ring.is_shut = False
    assert again.get("local", "ledger") == b"secret"
    ring.kept.clear()
    assert code_of(lambda: system_keys(KEYS, disk, MemoryEntropy()).get("local", "ledger")) == "key-locked"
    ring.kept[service, home_id] = "changed"
    assert code_of(lambda: system_keys(KEYS, disk, MemoryEntropy()).get("local", "ledger")) == "key-damaged"


def test_a_system_without_a_keyring_says_so(monkeypatch: pytest.MonkeyPatch):
    """Wrong if a missing package ended in a traceback."""
    monkeypatch.setitem(sys.modules, "keyring", None)
    with pytest.raises(Unavailable) as caught:
        KeyringLock("0" * 16, MemoryEntropy()).secret()
    assert (caught.value.code, "bailiwick[keyring]" in caught.value.hint) == ("keyring", True)


def test_an_unknown_lock_is_refused():
    """Wrong if a file could name a lock that nobody has."""
    with pytest.raises(UsageRefused):
        system_keys(KEYS, MemoryDisk(), MemoryEntropy()).start("password")


# --- a node -----------------------------------------------------------------------------------------------------------


def test_a_new_home_needs_nobody_and_a_copy_of_it_opens_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Wrong if the demo asked for a passphrase, or a thief of the folder could go on with the ledger."""
    home = tmp_path / "home"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    Node.init(home, "local")
    everything = b"".join(path.read_bytes() for path in home.rglob("*") if path.is_file())
    assert b"PRIVATE KEY" not in everything
    assert (tmp_path / "mine" / "bailiwick" / "machine.key").read_bytes() not in everything
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "thief"))
    with Node.open(Settings.resolve(home=home, environ={})) as stolen, pytest.raises(NotFound) as caught:
        stolen.ledger("local")
    assert caught.value.code == "key-locked"
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "mine"))
    with Node.open(Settings.resolve(home=home, environ={})) as mine:
        assert mine.ledger("local").verify().verdict.value == "ok"


def test_a_home_takes_the_passphrase_that_the_environment_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Wrong if a passphrase that was given locked nothing."""
    monkeypatch.setenv("BAILIWICK_PASSPHRASE", RIGHT)
    Node.init(tmp_path / "home", "local")
    assert Node.keys(tmp_path / "home").report().lock == "passphrase"
    monkeypatch.setenv("BAILIWICK_PASSPHRASE", WRONG)
    with Node.open(Settings.resolve(home=tmp_path / "home", environ={})) as node:
        assert code_of(lambda: node.ledger("local")) == "key-passphrase"


# --- envelopes --------------------------------------------------------------------------------------------------------


def test_an_envelope_opens_only_with_its_key_and_context():
    """Wrong if what was sealed for one place could be opened in another."""
    sealed = seal_bytes(bytes(32), bytes(12), b"secret", b"here")
    assert open_bytes(bytes(32), sealed, b"here") == b"secret"
    for key, data, context in [
        (b"\x01" * 32, sealed, b"here"),
        (bytes(32), sealed, b"there"),
        (bytes(32), flip(sealed, 14), b"here"),
        (bytes(32), sealed[:20], b"here"),
        (bytes(32), b"", b"here"),
    ]:
        with pytest.raises(EnvelopeBroken):
            open_bytes(key, data, context)


def flip(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def rewrite(disk, path: Path, data: bytes) -> None:
    if path.name not in disk.names(path.parent):
        disk.create(path, 0o600)
    disk.truncate(path, 0)
    disk.write(path, 0, data)


def signed(content: dict) -> bytes:
    """Give a ``wrapping.json`` whose digest is right, as an attacker would."""
    import hashlib

    content = {name: value for name, value in content.items() if name != "digest"}
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":")).encode()
    return json.dumps({**content, "digest": hashlib.sha256(canonical).hexdigest()}).encode()


def test_what_the_helper_signs_is_read():
    """Wrong if the test of hostile headers passed because of its digest alone."""
    disk = MemoryDisk()
    filled(disk, "passphrase")
    content = json.loads(disk.read(KEYS / FILE))
    assert Wrapping.read(signed(content)).kind == "passphrase"
    assert os.environ.get("BAILIWICK_PASSPHRASE") is None
