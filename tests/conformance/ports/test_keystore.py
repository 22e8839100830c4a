"""Every key store keeps a secret once, under its tenant, and never gives it to another."""

import errno

import pytest

from bailiwick.adapters.disk_memory import MemoryDisk
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.keystore_envelope import Stretching
from bailiwick.adapters.keystore_files import SECRET_BYTES_MAX, FileKeyStore
from bailiwick.adapters.keystore_locks import MachineLock, PassphraseLock
from bailiwick.adapters.keystore_memory import MemoryKeyStore
from bailiwick.adapters.keystore_wrapped import WrappedKeyStore
from bailiwick.errors import NotFound, NotTrusted, Unavailable, UsageRefused
from bailiwick.testing import FaultyDisk, MemoryEntropy, fail

QUICK = Stretching(work=16)


def wrapped(folder, disk, kind):
    """Give a store of wrapped keys, locked with a passphrase or a machine's key."""
    entropy = MemoryEntropy()
    locks = {
        "passphrase": PassphraseLock({"BAILIWICK_PASSPHRASE": "correct horse battery"}),
        "machine": MachineLock(folder.parent / "settings" / "machine.key", disk, entropy),
    }
    keys = WrappedKeyStore(folder, disk, entropy, lambda kind, _: locks[kind], stretching=QUICK)
    keys.start(kind)
    return keys


@pytest.fixture(
    params=[
        "files on the system",
        "files in memory",
        "memory",
        "wrapped by a passphrase on the system",
        "wrapped by a machine's key in memory",
    ]
)
def keys(request, tmp_path):
    """Each key store in turn."""
    disk = SystemDisk() if "system" in request.param else MemoryDisk()
    if "wrapped" in request.param:
        yield wrapped(tmp_path / "keys", disk, "machine" if "machine" in request.param else "passphrase")
    else:
        yield MemoryKeyStore() if request.param == "memory" else FileKeyStore(tmp_path / "keys", disk)
    disk.close()


def test_a_secret_comes_back_byte_for_byte(keys):
    """Otherwise a key would change on its way through the store."""
    secret = bytes(range(256))
    keys.put("local", "ledger", secret)
    assert keys.get("local", "ledger") == secret


def test_a_secret_is_never_overwritten(keys):
    """Otherwise a second init would replace the key that a ledger is signed with."""
    keys.put("local", "ledger", b"first")
    for again in (b"second", b"first"):
        with pytest.raises(UsageRefused) as refused:
            keys.put("local", "ledger", again)
        assert refused.value.code == "key-exists"
    assert keys.get("local", "ledger") == b"first"


def test_another_tenant_or_name_has_no_such_secret(keys):
    """Otherwise tenants would share keys."""
    keys.put("local", "ledger", b"secret")
    for tenant, name in (("other", "ledger"), ("local", "pseudonym")):
        with pytest.raises(NotFound) as missing:
            keys.get(tenant, name)
        assert missing.value.code == "key-missing"


@pytest.mark.parametrize("name", ["../other", "", "a/b", ".hidden", "LEDGER", "a\x00"])
def test_a_name_that_leaves_its_place_is_refused(keys, name):
    """Otherwise a name could read or write any file."""
    for use in (lambda: keys.get("local", name), lambda: keys.put(name, "ledger", b"secret")):
        with pytest.raises(UsageRefused):
            use()


def test_a_key_file_that_others_may_read_is_refused_with_the_command(tmp_path):
    """Otherwise a key that anybody may have copied would go on signing."""
    keys = FileKeyStore(tmp_path, SystemDisk())
    keys.put("local", "ledger", b"secret")
    path = tmp_path / "local" / "ledger"
    assert path.stat().st_mode & 0o777 == 0o600
    for mode in (0o640, 0o604, 0o620):
        path.chmod(mode)
        with pytest.raises(NotTrusted) as refused:
            keys.get("local", "ledger")
        assert refused.value.code == "key-readable"
        assert f"chmod 600 {path}" in refused.value.hint
        assert "secret" not in str(refused.value)


def test_a_secret_that_is_too_large_is_refused(tmp_path):
    """Otherwise a slip of a path would be kept as a key."""
    keys = FileKeyStore(tmp_path, MemoryDisk())
    with pytest.raises(UsageRefused):
        keys.put("local", "ledger", bytes(SECRET_BYTES_MAX + 1))


def test_a_failure_at_any_change_leaves_the_whole_secret_or_none(tmp_path):
    """Otherwise a crash during init would leave half a key, which can neither be used nor made again."""
    counting = FaultyDisk(MemoryDisk(), after=0, fault=fail(errno.EIO))
    FileKeyStore(tmp_path, counting).put("local", "ledger", b"secret")
    assert counting.count >= 4
    for after in range(1, counting.count + 1):
        disk = MemoryDisk()
        with pytest.raises(Unavailable):
            FileKeyStore(tmp_path, FaultyDisk(disk, after=after, fault=fail(errno.EIO))).put(
                "local", "ledger", b"secret"
            )
        keys = FileKeyStore(tmp_path, disk)
        try:
            assert keys.get("local", "ledger") == b"secret"
        except NotFound:
            keys.put("local", "ledger", b"secret")
        assert keys.get("local", "ledger") == b"secret"
