"""Keys that lie on disk only in sealed envelopes: ``<keys>/<tenant>/<name>`` as before, and ``<keys>/wrapping.json``.

A random root key seals every secret, under its tenant and name. ``wrapping.json`` holds the root key, itself sealed
under what a lock gives: a passphrase, a file of this machine, a keyring. Another lock means one file replaced. A home
without ``wrapping.json`` has plain files; they keep working until ``wrap`` seals them, each in one step.
"""

from __future__ import annotations

import base64
import hashlib
import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.keystore_envelope import (
    KEY_BYTES,
    NONCE_BYTES,
    SALT_BYTES,
    EnvelopeBroken,
    Stretching,
    derive,
    open_bytes,
    seal_bytes,
    stretch,
)
from bailiwick.adapters.keystore_files import OWNER_ONLY, FileKeyStore
from bailiwick.adapters.keystore_keyring import KeyringLock
from bailiwick.adapters.keystore_locks import (
    KEYRING,
    MACHINE,
    PASSPHRASE,
    Lock,
    MachineLock,
    PassphraseLock,
    key_name,
    machine_key_path,
)
from bailiwick.errors import NotTrusted, Unavailable, UsageRefused
from bailiwick.keys import decode_base64
from bailiwick.model import TENANT_PATTERN, JsonValue, check_tenant
from bailiwick.ports import Disk, Entropy

FORMAT = "bailiwick-wrapping/1"
MAGIC = b"bailiwick-wrapped-key/1 "
FILE = "wrapping.json"
FILE_BYTES_MAX = 4_096
"""Largest ``wrapping.json`` that is read, in bytes."""
_CONTEXT = b"bailiwick-root-key/1\n"

LockFor = Callable[[str, str], Lock]
"""Gives the lock of a kind for the home of an id, when it is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wrapping:
    """What ``wrapping.json`` says: the home's opaque id, the kind of lock, how its secret becomes a key, the root key.

    ``salt``: 16 bytes; ``sealed``: the root key's envelope; ``key_name`` names a secret that is random, and is empty
    for a passphrase. ``is_mixed`` says that keys in the clear may still lie among the others.
    """

    home_id: str
    kind: str
    is_mixed: bool
    salt: bytes
    stretching: Stretching
    key_name: str
    sealed: bytes

    def header(self) -> dict[str, JsonValue]:
        """Give everything but the root key: what its envelope was sealed under."""
        return {
            "format": FORMAT,
            "home": self.home_id,
            "lock": self.kind,
            "mixed": self.is_mixed,
            "salt": self.salt.hex(),
            "scrypt": [self.stretching.work, self.stretching.block, self.stretching.lanes],
            "key_name": self.key_name,
        }

    def to_bytes(self) -> bytes:
        """Give the file's bytes, with a digest that tells damage from a wrong passphrase."""
        whole = {**self.header(), "root": base64.b64encode(self.sealed).decode()}
        digest = hashlib.sha256(_canonical(whole)).hexdigest()
        return json.dumps({**whole, "digest": digest}, indent=1).encode() + b"\n"

    @classmethod
    def read(cls, data: bytes) -> Wrapping:
        """Read what ``to_bytes`` wrote.

        Raises:
            ValueError: it is something else, or not a byte of it is as it was.
        """
        content: Any = json.loads(data)
        digest = content.pop("digest")
        if content["format"] != FORMAT or digest != hashlib.sha256(_canonical(content)).hexdigest():
            raise ValueError("its format or its digest is another")
        work, block, lanes = content["scrypt"]
        return cls(
            home_id=content["home"],
            kind=content["lock"],
            is_mixed=content["mixed"],
            salt=bytes.fromhex(content["salt"]),
            stretching=Stretching(work=work, block=block, lanes=lanes),
            key_name=content["key_name"],
            sealed=decode_base64(content["root"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class KeysReport:
    """How the keys of a home lie on disk: the lock's kind, or "" where nothing is wrapped, and how many of each."""

    lock: str
    wrapped: int
    plain: int

    def to_json(self) -> dict[str, JsonValue]:
        """Give the report as JSON."""
        return {"lock": self.lock or None, "wrapped": self.wrapped, "plain": self.plain}

    def text(self) -> str:
        """Say it for people."""
        locked = f"{self.wrapped} wrapped, locked with {self.lock}" if self.lock else "none wrapped"
        return f"{locked}; {self.plain} in the clear: bailiwick key wrap" if self.plain else locked


class WrappedKeyStore:
    """See ``ports.KeyStore``. Thread-safe; the lock is opened once, when the first wrapped key is asked for."""

    def __init__(
        self,
        folder: Path,
        disk: Disk,
        entropy: Entropy,
        lock_for: LockFor,
        *,
        stretching: Stretching | None = None,
    ) -> None:
        self._folder = folder
        self._disk = disk
        self._entropy = entropy
        self._lock_for = lock_for
        self._stretching = stretching or Stretching()
        self._files = FileKeyStore(folder, disk)
        self._root: bytes | None = None
        self._mutex = threading.Lock()

    def get(self, tenant: str, name: str) -> bytes:
        """Give a secret, unsealed; one that was never wrapped as it lies there.

        Raises:
            NotFound: there is none of that name (``key-missing``), or the lock's secret is not here (``key-locked``).
            NotTrusted: wrong passphrase (``key-passphrase``), a file of another key (``key-swapped``), a file that
                others may read (``key-readable``).
            Unavailable: a file is damaged (``key-damaged``) or cannot be read.
        """
        stored = self._files.get(tenant, name)
        if stored.startswith(MAGIC):
            return self._unseal(stored, tenant, name)
        wrapping = self._wrapping()
        if wrapping is None or wrapping.is_mixed:
            return stored
        raise self._damaged(tenant, name)

    def put(self, tenant: str, name: str, secret: bytes) -> None:
        """Keep a new secret durably; sealed, where this home's keys are wrapped."""
        is_wrapped = self._wrapping() is not None
        self._files.put(tenant, name, self._seal(secret, tenant, name) if is_wrapped else secret)

    # --- wrapping ---------------------------------------------------------------------------------------------------

    def start(self, kind: str) -> None:
        """Lock a home that has no keys yet, so that none of them is ever written in the clear.

        One that has keys, or is locked already, stays as it is.
        """
        with self._failures():
            self._disk.make_folder(self._folder)
        with self._failures(), self._disk.lock(self._folder / ".lock"):
            if self._wrapping() is None and not self._places():
                bare = self._bare(kind, is_mixed=False)
                self._write(bare, self._lock_for(kind, bare.home_id).new_secret(), self._entropy.take(KEY_BYTES))

    def wrap(self, kind: str) -> KeysReport:
        """Lock the home's keys, whatever they are locked with now, and seal those that lie there in the clear.

        Killed anywhere, every key can still be read, and the next call finishes.

        Raises:
            NotFound, NotTrusted: what they are locked with now does not open.
            Unavailable: the disk fails.
        """
        with self._failures(), self._disk.lock(self._folder / ".lock"):
            old = self._wrapping()
            root = self._entropy.take(KEY_BYTES) if old is None else self._open_root()
            bare = replace(old, kind=kind) if old is not None else self._bare(kind, is_mixed=True)
            secret = self._lock_for(kind, bare.home_id).new_secret()
            self._write(bare, secret, root)
            if bare.is_mixed:
                for tenant, name in self._places():
                    self._wrap_one(tenant, name)
                self._write(replace(bare, is_mixed=False), secret, root)
        return self.report()

    def _wrap_one(self, tenant: str, name: str) -> None:
        stored = self._files.get(tenant, name)
        if not stored.startswith(MAGIC):
            sealed = self._seal(stored, tenant, name)
            assert self._unseal(sealed, tenant, name) == stored
            replace_file(self._disk, self._folder / tenant / name, sealed, OWNER_ONLY)

    def report(self) -> KeysReport:
        """Say how the keys lie on disk; opens none of them."""
        wrapping = self._wrapping()
        stored = [self._files.get(tenant, name) for tenant, name in self._places()]
        wrapped = sum(each.startswith(MAGIC) for each in stored)
        return KeysReport(lock=wrapping.kind if wrapping else "", wrapped=wrapped, plain=len(stored) - wrapped)

    def _bare(self, kind: str, *, is_mixed: bool) -> Wrapping:
        """Begin a wrapping under a new opaque id; the root key comes with ``_write``."""
        home_id = self._entropy.take(8).hex()
        return Wrapping(
            home_id=home_id,
            kind=kind,
            is_mixed=is_mixed,
            salt=b"",
            stretching=self._stretching,
            key_name="",
            sealed=b"",
        )

    def _write(self, wrapping: Wrapping, secret: bytes, root: bytes) -> None:
        """Seal the root key under a lock's secret, and put it in place of what was there."""
        bare = replace(
            wrapping,
            salt=self._entropy.take(SALT_BYTES),
            stretching=self._stretching,
            key_name="" if wrapping.kind == PASSPHRASE else key_name(secret),
        )
        sealed = seal_bytes(_key_around(bare, secret), self._entropy.take(NONCE_BYTES), root, _context(bare))
        replace_file(self._disk, self._folder / FILE, replace(bare, sealed=sealed).to_bytes(), OWNER_ONLY)
        self._root = root

    # --- sealing ----------------------------------------------------------------------------------------------------

    def _seal(self, secret: bytes, tenant: str, name: str) -> bytes:
        place = _place(tenant, name)
        return place + base64.b64encode(seal_bytes(self._open_root(), self._entropy.take(NONCE_BYTES), secret, place))

    def _unseal(self, stored: bytes, tenant: str, name: str) -> bytes:
        place = _place(tenant, name)
        if not stored.startswith(place):
            where = stored[len(MAGIC) :].split(b"\n", 1)[0][:130].decode("ascii", "replace")
            raise NotTrusted(
                f"the file of tenant {tenant}'s key {name} holds another key: {where!r}",
                hint="somebody moved key files: restore each to its own folder and name",
                code="key-swapped",
            )
        try:
            return open_bytes(self._open_root(), decode_base64(stored[len(place) :].decode("ascii")), place)
        except (EnvelopeBroken, ValueError) as error:
            raise self._damaged(tenant, name) from error

    def _damaged(self, tenant: str, name: str) -> Unavailable:
        return Unavailable(
            f"tenant {tenant}'s key {name} was cut or changed, or was sealed in another home",
            hint=f"restore {self._folder / tenant / name} from a copy; nothing else is lost",
            code="key-damaged",
        )

    def _open_root(self) -> bytes:
        with self._mutex:
            if self._root is None:
                self._root = self._unlock()
            return self._root

    def _unlock(self) -> bytes:
        wrapping = self._wrapping()
        if wrapping is None:
            raise Unavailable(
                f"the keys are wrapped, and {self._folder / FILE} is gone",
                hint="restore it from a copy: it holds the key that they are sealed under",
                code="key-damaged",
            )
        secret = self._lock_for(wrapping.kind, wrapping.home_id).secret()
        if wrapping.key_name and wrapping.key_name != key_name(secret):
            raise NotTrusted(
                f"the keys are locked with the {wrapping.kind} key {wrapping.key_name}; here is {key_name(secret)}",
                hint="bring the secret of the machine and user that locked them",
                code="key-passphrase",
            )
        try:
            return open_bytes(_key_around(wrapping, secret), wrapping.sealed, _context(wrapping))
        except EnvelopeBroken as error:
            raise NotTrusted(
                f"this {wrapping.kind} does not open the keys",
                hint="try again with the right one; nothing was changed",
                code="key-passphrase",
            ) from error

    # --- files ------------------------------------------------------------------------------------------------------

    def _wrapping(self) -> Wrapping | None:
        path = self._folder / FILE
        try:
            return Wrapping.read(self._disk.read(path, 0, FILE_BYTES_MAX))
        except FileNotFoundError:
            return None
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise Unavailable(
                f"{path} was cut or changed: {type(error).__name__}",
                hint="restore it from a copy: it holds the key that the others are sealed under",
                code="key-damaged",
            ) from error
        except OSError as error:
            raise Unavailable(
                f"{path} cannot be read: {error.strerror}", hint="check who owns it", code="key-unreadable"
            ) from error

    def _places(self) -> list[tuple[str, str]]:
        """List tenant and name of every key there is."""
        found = []
        with suppress(FileNotFoundError):
            for tenant in filter(TENANT_PATTERN.match, self._disk.names(self._folder)):
                with suppress(NotADirectoryError):
                    # What is not named as a key is named is the lock's file, or what a crash left.
                    names = filter(TENANT_PATTERN.match, self._disk.names(self._folder / tenant))
                    found += [(tenant, name) for name in names]
        return found

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Turn what the disk raises while keys are written into an error that says where."""
        try:
            yield
        except OSError as error:
            raise Unavailable(
                f"the keys in {self._folder} cannot be written: {error.strerror}",
                hint="check the folder and the space on its disk, then run the same again; every key can still be read",
                code="key-unwritable",
            ) from error


def system_keys(folder: Path, disk: Disk, entropy: Entropy) -> WrappedKeyStore:
    """Give the keys of a home, with the locks that this system has."""

    def lock_for(kind: str, home_id: str) -> Lock:
        """Give a lock by the word in its file."""
        if kind == PASSPHRASE:
            return PassphraseLock()
        if kind == MACHINE:
            return MachineLock(machine_key_path(), disk, entropy)
        if kind == KEYRING:
            return KeyringLock(home_id, entropy)
        raise UsageRefused(
            f"there is no lock {kind[:40]!r}", hint=f"{PASSPHRASE}, {MACHINE} or {KEYRING}", code="key-lock"
        )

    return WrappedKeyStore(folder, disk, entropy, lock_for)


def first_lock() -> str:
    """Say what a new home is locked with: the passphrase that the environment gives, else this machine's key."""
    return PASSPHRASE if PassphraseLock().is_given() else MACHINE


def _place(tenant: str, name: str) -> bytes:
    return MAGIC + f"{check_tenant(tenant)}/{check_tenant(name)}\n".encode()


def _key_around(wrapping: Wrapping, secret: bytes) -> bytes:
    """Make the key that seals the root key: slowly from a passphrase, at once from what is random already."""
    if wrapping.kind == PASSPHRASE:
        return stretch(secret, wrapping.salt, wrapping.stretching)
    return derive(secret, wrapping.salt, _CONTEXT)


def _context(wrapping: Wrapping) -> bytes:
    return _CONTEXT + _canonical(wrapping.header())


def _canonical(value: Mapping[str, JsonValue]) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":")).encode()
