"""The side door: a home's witnesses, the witness that a home can be, its ledger's keys, and a ledger brought back.

Joins ports to adapters, as ``node.py`` does; no use case lives here.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Self

from bailiwick.adapters.clock_system import SystemClock
from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.entropy_system import SystemEntropy
from bailiwick.adapters.keystore_wrapped import system_keys
from bailiwick.adapters.ledgerstore_files import FileLedgerStore
from bailiwick.adapters.witness_http import HttpWitness
from bailiwick.adapters.witness_httpserver import WitnessServer, read_address
from bailiwick.adapters.witnessmemory_folder import FolderWitnessMemory
from bailiwick.errors import NotFound, Unavailable, UsageRefused
from bailiwick.keys import COSIGNATURE, SEED_BYTES, Signer, Verifier, check_name, new_secret
from bailiwick.ledger import (
    Cosigner,
    Keyring,
    KnownWitness,
    Ledger,
    Policy,
    Restored,
    WitnessReport,
    restore_ledger,
    witness_policy,
)
from bailiwick.model import check_tenant
from bailiwick.settings import Settings

SIGNING_NAME = "ledger"
ORIGIN_NAME = "origin"
WITNESS_NAME = "witness"
"""Name of the key that this home cosigns with, and of what it is called, with ``-name``."""
WITNESSES_FILE = "witnesses"
LOGS_FILE = "logs"
FILE_BYTES_MAX = 262_144
"""Longest file of witnesses or logs that is read, in bytes."""
ID_BYTES = 8


class Witnesses:
    """One tenant of a home, and who stands for its ledger. A context manager."""

    def __init__(self, settings: Settings, tenant: str) -> None:
        self.tenant = check_tenant(tenant)
        self._settings = settings
        self._closing = ExitStack()
        self._disk = SystemDisk()
        self._closing.callback(self._disk.close)
        self._clock = SystemClock()
        self._entropy = SystemEntropy()
        self._keys = system_keys(settings.home / "keys", self._disk, self._entropy)
        self._folder = settings.home / "tenants" / tenant

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.close()

    # --- asking witnesses -------------------------------------------------------------------------------------------

    def asked(self) -> Policy:
        """Give whom this tenant asks, and how many of them are enough."""
        return self._read_policy(self._folder / WITNESSES_FILE)

    def add(self, ledger: Ledger, url: str, key: str) -> KnownWitness:
        """Ask one more witness from now on; the ledger's records name its key.

        Raises:
            UsageRefused: address or key are none, or the witness is there already (code ``witness-known``).
        """
        verifier = Verifier.read(key, COSIGNATURE)
        known = KnownWitness(name=verifier.name.encode(), verifier=verifier, url=HttpWitness(url).url)
        with self._alone():
            asked = self.asked().witnesses
            if any(known.name == each.name or verifier.public == each.verifier.public for each in asked):
                raise UsageRefused(
                    f"{verifier.name} is asked already", hint="bailiwick ledger witness list", code="witness-known"
                )
            ledger.heads.name_witness(verifier)
            self._write_policy(self._folder / WITNESSES_FILE, witness_policy([], [*asked, known]))
        return known

    def remove(self, name: str) -> None:
        """Ask a witness no more; what it cosigned stays as it is.

        Raises:
            NotFound: there is none of that name (code ``witness-missing``).
        """
        with self._alone():
            asked = self.asked().witnesses
            left = [each for each in asked if each.name != name.encode()]
            if len(left) == len(asked):
                raise NotFound(
                    f"no witness is named {name[:80]}", hint="bailiwick ledger witness list", code="witness-missing"
                )
            self._write_policy(self._folder / WITNESSES_FILE, witness_policy([], left))

    def ask(self, ledger: Ledger) -> WitnessReport:
        """Sign a checkpoint where one is due, and ask every witness for its line; see ``Heads.ask``."""
        asked = self.asked()
        return ledger.heads.ask([(each, HttpWitness(each.url)) for each in asked.witnesses], asked)

    def auditor_policy(self, ledger: Ledger, *, least: int | None = None) -> Policy:
        """Give the policy to hand to an auditor: every key of the ledger with its sizes, and the witnesses."""
        keys = ledger.heads.keys()
        return witness_policy(list(keys), self.asked().witnesses, least=least, signs=keys)

    # --- being one --------------------------------------------------------------------------------------------------

    def witness_key(self, name: str | None = None) -> Verifier:
        """Give the key that this tenant cosigns with, made when first asked for, under the name that is given then.

        Raises:
            UsageRefused: it has another name already (code ``witness-name``).
        """
        with self._alone():
            chosen = check_name(name) if name else f"bailiwick-witness/{self._entropy.take(ID_BYTES).hex()}"
            self._ensure(f"{WITNESS_NAME}-name", chosen.encode())
            self._ensure(WITNESS_NAME, new_secret(self._entropy.take(SEED_BYTES)))
        verifier = self._witness_signer().verifier
        if name is not None and verifier.name != name:
            raise UsageRefused(f"this witness is named {verifier.name}", hint="leave the name out", code="witness-name")
        return verifier

    def trusted(self) -> Sequence[Verifier]:
        """Give the keys of the logs that this tenant is a witness of."""
        return self._read_policy(self._folder / WITNESS_NAME / LOGS_FILE).logs

    def trust(self, key: str) -> Verifier:
        """Be a witness of one more log, or of one more key of a log.

        Raises:
            UsageRefused: it is not a verifier key.
        """
        verifier = Verifier.read(key)
        with self._alone():
            logs = self.trusted()
            if verifier not in logs:
                self._write_policy(self._folder / WITNESS_NAME / LOGS_FILE, witness_policy([*logs, verifier], []))
        return verifier

    def server(self, listen: str) -> WitnessServer:
        """Give the door of the witness that this tenant is, on ``HOST:PORT``; it knows the logs of this moment."""
        host, port = read_address(listen)
        self.witness_key()
        memory = FolderWitnessMemory(self._folder / WITNESS_NAME / "heads", self._disk)
        cosigner = Cosigner(memory, self._witness_signer(), self.trusted(), clock=self._clock)
        return WitnessServer(cosigner, cosigner.origins(), host=host, port=port)

    # --- keys and loss ----------------------------------------------------------------------------------------------

    def rotate_key(self, ledger: Ledger) -> Verifier:
        """Hand the ledger on to a new key, which is kept durably before; interrupted, the next call finishes."""
        with self._alone():
            keys = Keyring.load(self._keys, self.tenant, origin_name=ORIGIN_NAME, key_name=SIGNING_NAME)
            used = ledger.heads.keys()
            fresh = next((each for each in keys.signers if each.verifier not in used), None)
            if fresh is None:
                secret = new_secret(self._entropy.take(SEED_BYTES))
                self._keys.put(self.tenant, f"{SIGNING_NAME}-{len(keys.signers) + 1}", secret)
                fresh = Signer(keys.first.verifier.name, secret)
            ledger.heads.rotate(fresh)
        return fresh.verifier

    def restore(self, bundle: Path, witnesses: Sequence[str] = ()) -> Restored:
        """Bring the tenant's ledger back from a bundle; see ``restore_ledger``.

        Args:
            bundle: What ``Ledger.export`` wrote.
            witnesses: Addresses of witnesses, asked first how much of the ledger they stand for.

        Raises:
            Unavailable: a witness does not answer: without its word nothing is restored.
        """
        keys = Keyring.load(self._keys, self.tenant, origin_name=ORIGIN_NAME, key_name=SIGNING_NAME)
        sizes = [
            Cosigner.size_of(HttpWitness(url).checkpoint(keys.first.verifier.name), keys.verifiers) for url in witnesses
        ]
        store = FileLedgerStore(self._folder / "ledger", self._disk)
        self._disk.make_folder(self._folder / "ledger")
        return restore_ledger(
            self.tenant,
            store,
            keys,
            bundle,
            clock=self._clock,
            node_id=self._settings.node_id(),
            witnessed=max(sizes) if sizes else None,
        )

    # --- files ------------------------------------------------------------------------------------------------------

    def _witness_signer(self) -> Signer:
        name = self._keys.get(self.tenant, f"{WITNESS_NAME}-name").decode()
        return Signer(name, self._keys.get(self.tenant, WITNESS_NAME), COSIGNATURE)

    def _ensure(self, name: str, secret: bytes) -> None:
        try:
            self._keys.get(self.tenant, name)
        except NotFound:
            self._keys.put(self.tenant, name, secret)

    def _alone(self) -> ExitStack:
        """Hold this tenant's files of witnesses alone, among all processes."""
        if not self._folder.is_dir():
            raise NotFound(
                f"{self._settings.home} has no tenant {self.tenant}",
                hint=f"bailiwick init --home {self._settings.home} --tenant {self.tenant}",
                code="tenant-not-found",
            )
        holding = ExitStack()
        self._disk.make_folder(self._folder / WITNESS_NAME)
        holding.enter_context(self._disk.lock(self._folder / "witnesses.lock"))
        return holding

    def _read_policy(self, path: Path) -> Policy:
        try:
            return Policy.read(self._disk.read(path, 0, FILE_BYTES_MAX + 1))
        except FileNotFoundError:
            return witness_policy([], [])
        except OSError as error:
            raise _unusable(path, error) from error

    def _write_policy(self, path: Path, policy: Policy) -> None:
        try:
            replace_file(self._disk, path, policy.text().encode("utf-8", "surrogateescape"), 0o644)
        except OSError as error:
            raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be used: {error.strerror or error}", hint="check who owns it", code="witness-file"
    )
