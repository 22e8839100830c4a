"""The private keys that a ledger's owner has for it; which of them signs now, the ledger's own records say."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from bailiwick.errors import NotFound, NotTrusted
from bailiwick.keys import Signer, Verifier
from bailiwick.ledger.rotation import KEYS_MAX
from bailiwick.ports import KeyStore


class Keyring:
    """The keys of one ledger, oldest first. ``load`` reads them again: another process may have changed the key."""

    def __init__(self, signers: Sequence[Signer], load: Callable[[], Sequence[Signer]] | None = None) -> None:
        assert signers
        self._signers = list(signers)
        self._load = load

    @classmethod
    def of(cls, keys: Signer | Keyring) -> Keyring:
        """Give a keyring for one key, or a keyring as it is."""
        return keys if isinstance(keys, Keyring) else cls([keys])

    @classmethod
    def load(cls, store: KeyStore, tenant: str, *, origin_name: str, key_name: str) -> Keyring:
        """Load every key of a tenant's ledger: the first under its name, the others as ``<name>-2`` and so on.

        Raises:
            NotFound: there is no first key, or no origin.
        """

        def load() -> list[Signer]:
            """Read the keys anew, up to the first number that is not there."""
            origin = store.get(tenant, origin_name).decode()
            signers = [Signer(origin, store.get(tenant, key_name))]
            for number in range(2, KEYS_MAX + 1):
                try:
                    signers.append(Signer(origin, store.get(tenant, f"{key_name}-{number}")))
                except NotFound:
                    break
            return signers

        return cls(load(), load)

    @property
    def signers(self) -> list[Signer]:
        """Every key, oldest first. One may be among them that the ledger was never handed on to."""
        return list(self._signers)

    @property
    def first(self) -> Signer:
        """The oldest key."""
        return self._signers[0]

    @property
    def verifiers(self) -> list[Verifier]:
        """What checks the signatures of each key, oldest first."""
        return [signer.verifier for signer in self._signers]

    def add(self, signer: Signer) -> None:
        """Take one more key."""
        if signer.verifier not in self.verifiers:
            self._signers.append(signer)

    def signer(self, verifier: Verifier) -> Signer:
        """Give the private key of a verifier.

        Raises:
            NotTrusted: it is not here, not even after looking again (code ``ledger-key``).
        """
        for attempt in range(2):
            found = next((signer for signer in self._signers if signer.verifier == verifier), None)
            if found is not None:
                return found
            if attempt == 0 and self._load is not None:
                for signer in self._load():
                    self.add(signer)
        raise NotTrusted(
            f"the ledger's key is {verifier.text()}, and there is no private key for it here",
            hint="bring the tenant's folder of keys back from a copy; bailiwick ledger restore says how to go on",
            code="ledger-key",
        )
