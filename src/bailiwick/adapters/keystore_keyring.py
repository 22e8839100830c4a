"""The keyring of the operating system as the lock of a home's keys: macOS Keychain, Windows, Secret Service, KWallet.

The package ``keyring`` (extra ``keyring``) finds the one there is. It keeps one random secret a home, under the home's
opaque id; the keys themselves stay in the home, wrapped.
"""

from __future__ import annotations

import hmac
from types import ModuleType

from bailiwick.adapters.keystore_envelope import KEY_BYTES
from bailiwick.adapters.keystore_locks import KEYRING
from bailiwick.errors import NotFound, Unavailable
from bailiwick.ports import Entropy

SERVICE = "bailiwick"


class KeyringLock:
    """A random secret in the keyring of the logged-in user."""

    kind = KEYRING

    def __init__(self, home_id: str, entropy: Entropy) -> None:
        self._home_id = home_id
        self._entropy = entropy

    def secret(self) -> bytes:
        """Give the secret of a home.

        Raises:
            NotFound: the keyring has none for it (code ``key-locked``).
            Unavailable: there is no keyring, or it stays closed (code ``keyring``).
        """
        keyring = _package()
        try:
            found = keyring.get_password(SERVICE, self._home_id)
        except keyring.errors.KeyringError as error:
            raise _closed(error) from error
        if found is None:
            raise NotFound(
                f"the keyring of this user has no entry {SERVICE} {self._home_id}",
                hint="log in as the user who locked the keys, or restore the keyring",
                code="key-locked",
            )
        try:
            secret = bytes.fromhex(found)
        except ValueError:
            secret = b""
        if len(secret) != KEY_BYTES:
            raise Unavailable(
                f"the keyring's entry {SERVICE} {self._home_id} was changed",
                hint="restore the keyring from a copy",
                code="key-damaged",
            )
        return secret

    def new_secret(self) -> bytes:
        """Keep a new secret for a home, and give it back as the keyring does.

        An entry that is there stays: a killed ``key wrap`` may have put it there, and its keys may rest on it.
        """
        keyring = _package()
        try:
            if keyring.get_password(SERVICE, self._home_id) is None:
                keyring.set_password(SERVICE, self._home_id, self._entropy.take(KEY_BYTES).hex())
        except keyring.errors.KeyringError as error:
            raise _closed(error) from error
        secret = self.secret()
        if not hmac.compare_digest(secret, self.secret()):
            raise Unavailable("the keyring does not keep what it is given", hint="choose another lock", code="keyring")
        return secret


def _package() -> ModuleType:
    try:
        import keyring
        import keyring.errors
    except ImportError as error:
        raise Unavailable(
            "the package keyring is not installed", hint="pip install 'bailiwick[keyring]'", code="keyring"
        ) from error
    module: ModuleType = keyring
    return module


def _closed(error: Exception) -> Unavailable:
    return Unavailable(
        f"the keyring cannot be used: {type(error).__name__}",
        hint="unlock it, or use another lock: bailiwick key wrap --with passphrase",
        code="keyring",
    )
