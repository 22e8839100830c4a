"""What the keys of a home are locked with: a passphrase, or a key in a file of this machine that is outside the home.

A lock gives the secret from which the key around all keys is made. ``keystore_keyring`` has a third.
"""

from __future__ import annotations

import getpass
import hashlib
import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Protocol

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.keystore_envelope import KEY_BYTES
from bailiwick.errors import NotFound, NotTrusted, Unavailable, UsageRefused
from bailiwick.ports import Disk, Entropy

PASSPHRASE = "passphrase"  # noqa: S105 - a word, not a secret
MACHINE = "machine"
KEYRING = "keyring"

PASSPHRASE_VARIABLE = "BAILIWICK_PASSPHRASE"  # noqa: S105 - a name, not a secret
PASSPHRASE_FILE_VARIABLE = "BAILIWICK_PASSPHRASE_FILE"  # noqa: S105 - a name, not a secret
NEW_PASSPHRASE_VARIABLE = "BAILIWICK_NEW_PASSPHRASE"  # noqa: S105 - a name, not a secret
NEW_PASSPHRASE_FILE_VARIABLE = "BAILIWICK_NEW_PASSPHRASE_FILE"  # noqa: S105 - a name, not a secret
"""Where one passphrase takes the place of another, the old and the new need names of their own."""
PASSPHRASE_CHARACTERS_MIN = 12
"""Shortest passphrase that new keys are locked with, in characters."""
PASSPHRASE_BYTES_MAX = 4_096
"""Longest passphrase, in bytes of UTF-8."""
MACHINE_FILE = "machine.key"
OWNER_ONLY = 0o600


class Lock(Protocol):
    """Where the secret around the keys comes from. ``kind`` is written beside the keys, the secret never."""

    kind: str

    def secret(self) -> bytes:
        """Give the secret that this home was locked with.

        Raises:
            NotFound: it is not here (code ``key-locked``).
        """
        ...

    def new_secret(self) -> bytes:
        """Give the secret to lock a home with, made where there is none yet, and kept where ``secret`` finds it.

        Raises:
            UsageRefused: it is no good (code ``passphrase``).
        """
        ...


class PassphraseLock:
    """A passphrase: from the environment, from a file that it names, or typed at the terminal."""

    kind = PASSPHRASE

    def __init__(self, environ: Mapping[str, str] | None = None, ask: Callable[[str], str] | None = None) -> None:
        """Look for the passphrase when it is asked for.

        Args:
            environ: The environment; None for the process's own.
            ask: Asks a person with a prompt; None for the terminal, where there is one.
        """
        self._environ = os.environ if environ is None else environ
        self._ask = ask or (getpass.getpass if sys.stdin is not None and sys.stdin.isatty() else None)

    def is_given(self) -> bool:
        """Say whether the environment has a passphrase, so that nobody needs to be asked."""
        return bool(self._environ.get(PASSPHRASE_VARIABLE) or self._environ.get(PASSPHRASE_FILE_VARIABLE))

    def secret(self) -> bytes:
        """Give the passphrase as UTF-8."""
        given = self._given(PASSPHRASE_VARIABLE, PASSPHRASE_FILE_VARIABLE)
        if given is None and self._ask is not None:
            given = self._ask("passphrase of the keys: ").encode()
        if given is None:
            raise NotFound(
                "the keys are locked with a passphrase, and none was given",
                hint=f"set {PASSPHRASE_FILE_VARIABLE} to its file, or {PASSPHRASE_VARIABLE}, or use a terminal",
                code="key-locked",
            )
        return _checked_passphrase(given, 1)

    def new_secret(self) -> bytes:
        """Give a new passphrase as UTF-8; a person types it twice."""
        given = self._given(NEW_PASSPHRASE_VARIABLE, NEW_PASSPHRASE_FILE_VARIABLE)
        if given is None:
            given = self._given(PASSPHRASE_VARIABLE, PASSPHRASE_FILE_VARIABLE)
        if given is None and self._ask is not None:
            given = self._ask("new passphrase for the keys: ").encode()
            if self._ask("the same again: ").encode() != given:
                raise UsageRefused("the two differ", hint="type the same passphrase twice", code="passphrase")
        if given is None:
            raise UsageRefused(
                "there is no passphrase to lock the keys with",
                hint=f"set {PASSPHRASE_FILE_VARIABLE} or {PASSPHRASE_VARIABLE}, or use a terminal",
                code="passphrase",
            )
        return _checked_passphrase(given, PASSPHRASE_CHARACTERS_MIN)

    def _given(self, variable: str, file_variable: str) -> bytes | None:
        """Give what the environment says; a file's last line break is not part of it."""
        if text := self._environ.get(variable):
            return text.encode(errors="surrogateescape")
        if not (name := self._environ.get(file_variable)):
            return None
        try:
            with Path(name).open("rb") as file:
                return file.read(PASSPHRASE_BYTES_MAX + 3).removesuffix(b"\n").removesuffix(b"\r")
        except OSError as error:
            raise Unavailable(
                f"the passphrase file {name} cannot be read: {error.strerror}",
                hint=f"mend {file_variable}",
                code="passphrase-file",
            ) from error


class MachineLock:
    """32 random bytes in a file outside the home, for its owner alone: a copy of the home holds no usable key."""

    kind = MACHINE

    def __init__(self, path: Path, disk: Disk, entropy: Entropy) -> None:
        self._path = path
        self._disk = disk
        self._entropy = entropy

    def secret(self) -> bytes:
        """Give the machine's key.

        Raises:
            NotFound: it is not here: another machine, or another user (code ``key-locked``).
            NotTrusted: others may read its file (code ``key-readable``).
            Unavailable: the file cannot be read, or is cut.
        """
        try:
            mode, secret = self._disk.mode(self._path), self._disk.read(self._path, 0, KEY_BYTES + 1)
        except FileNotFoundError:
            raise NotFound(
                f"the keys of this home are locked with a machine's key, and there is none at {self._path}",
                hint=f"bring {self._path} from the machine and user that made the home, or lock the keys there "
                "with a passphrase first: bailiwick key wrap --with passphrase",
                code="key-locked",
            ) from None
        except OSError as error:
            raise _no_machine_key(self._path, error) from error
        if mode & 0o077:
            raise NotTrusted(
                f"{self._path} may be read by others than its owner (mode {mode:04o})",
                hint=f"chmod 600 {self._path}, and ask who may have read it",
                code="key-readable",
            )
        if len(secret) != KEY_BYTES:
            raise Unavailable(
                f"{self._path} holds {len(secret)} bytes, not {KEY_BYTES}",
                hint="restore it from a copy: without it the keys of this machine's homes cannot be read",
                code="key-damaged",
            )
        return secret

    def new_secret(self) -> bytes:
        """Give the machine's key, made where there is none."""
        try:
            self._disk.make_folder(self._path.parent)
            with self._disk.lock(self._path.with_name(".lock")):
                if self._path.name not in self._disk.names(self._path.parent):
                    replace_file(self._disk, self._path, self._entropy.take(KEY_BYTES), OWNER_ONLY)
        except OSError as error:
            raise _no_machine_key(self._path, error) from error
        return self.secret()


def machine_key_path(environ: Mapping[str, str] | None = None) -> Path:
    """Say where the machine's key is kept: in the user's folder of settings.

    Source: XDG Base Directory Specification, ``XDG_CONFIG_HOME``.
    """
    given = (os.environ if environ is None else environ).get("XDG_CONFIG_HOME", "")
    try:
        folder = Path(given) if given and Path(given).is_absolute() else Path.home() / ".config"
    except RuntimeError as error:
        raise Unavailable(
            "this user has no home folder to keep the machine's key in",
            hint=f"set XDG_CONFIG_HOME to a folder, or lock the keys with a passphrase: {PASSPHRASE_FILE_VARIABLE}",
            code="key-unwritable",
        ) from error
    return folder / "bailiwick" / MACHINE_FILE


def key_name(secret: bytes) -> str:
    """Name a random secret without telling it: 16 hexadecimal digits."""
    return hashlib.sha256(b"bailiwick-machine-key\n" + secret).hexdigest()[:16]


def _no_machine_key(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"the machine's key {path} cannot be used: {error.strerror}",
        hint=f"let this user write there, set XDG_CONFIG_HOME, or lock the keys with a passphrase: "
        f"{PASSPHRASE_FILE_VARIABLE}",
        code="key-unwritable",
    )


def _checked_passphrase(given: bytes, characters_min: int) -> bytes:
    """Refuse what cannot be, or is too easily guessed; the passphrase itself is never shown."""
    count = len(given.decode(errors="replace"))
    if len(given) > PASSPHRASE_BYTES_MAX or count < characters_min:
        raise UsageRefused(
            f"the passphrase has {count} characters",
            hint=f"use at least {characters_min} characters, and at most {PASSPHRASE_BYTES_MAX} bytes",
            code="passphrase",
        )
    return given
