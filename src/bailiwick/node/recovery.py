"""The theme of keys and loss: a ledger handed on to a new key, and a lost one brought back from a bundle."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from functools import partial
from pathlib import Path

from bailiwick.errors import Unavailable
from bailiwick.keys import SEED_BYTES, Signer, Verifier, new_secret
from bailiwick.ledger import Cosigner, Restored, restore_ledger
from bailiwick.node.keys import SIGNING_NAME
from bailiwick.node.witnesses import Witnessing


class Recovering(Witnessing):
    """What a node does when a key is to be replaced, or a ledger is gone."""

    def rotate_key(self, tenant: str) -> Verifier:
        """Hand the ledger on to a new key, which is kept durably before; interrupted, the next call finishes."""
        ledger = self.ledger(tenant)
        with self.witnesses(tenant).alone():
            keys = self._keyring(tenant)
            used = ledger.heads.keys()
            fresh = next((each for each in keys.signers if each.verifier not in used), None)
            if fresh is None:
                secret = new_secret(self._entropy.take(SEED_BYTES))
                self._keys.put(tenant, f"{SIGNING_NAME}-{len(keys.signers) + 1}", secret)
                fresh = Signer(keys.first.verifier.name, secret)
            ledger.heads.rotate(fresh)
        return fresh.verifier

    def restore(
        self,
        tenant: str,
        bundle: Path,
        witnesses: Sequence[str] = (),
        *,
        to: str | None = None,
        ca_file: Path | None = None,
    ) -> Restored:
        """Bring a tenant's ledger back from a bundle; see ``restore_ledger``.

        Args:
            tenant: Whose ledger.
            bundle: What ``Ledger.export`` wrote.
            witnesses: Addresses of witnesses, asked first how much of the ledger they stand for.
            to: Store that it goes to, one of ``LEDGER_STORES``; None: where its place is, or where the settings say.
            ca_file: PEM certificates of authorities by which the witnesses' addresses are believed too.

        Raises:
            UsageRefused: the ledger's place is another store (code ``ledger-place``).
            Unavailable: a witness does not answer: without its word nothing is restored.
        """
        keys = self._keyring(tenant)
        self._make_room(tenant)
        side = self.witnesses(tenant)
        if ca_file is not None:
            side.believe(ca_file)
        sizes = [
            Cosigner.size_of(side.at(url).checkpoint(keys.first.verifier.name), keys.verifiers) for url in witnesses
        ]
        with side.alone(), ExitStack() as closing:
            place = self.places.choose(tenant, to)
            store = self.places.named(tenant, place)
            closing.callback(store.close)
            return restore_ledger(
                tenant,
                store,
                keys,
                bundle,
                clock=self._clock,
                node_id=self.node_id,
                settle=partial(self.places.settle, tenant, place),
                witnessed=max(sizes) if sizes else None,
            )

    def _make_room(self, tenant: str) -> None:
        """Make a tenant's folder where it was lost."""
        folder = self.places.folder(tenant).parent
        try:
            self._disk.make_folder(folder)
        except OSError as error:
            raise Unavailable(
                f"{folder} cannot be made: {error.strerror or error}",
                hint="check the disk, and who owns the home; then restore again",
                code="home-unwritable",
            ) from error
