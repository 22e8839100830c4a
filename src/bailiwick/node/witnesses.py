"""The theme of witnesses: whom a tenant asks to stand for its ledger, and the witness that a tenant can be."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING

from bailiwick.adapters.disk_replace import replace_file
from bailiwick.adapters.witnessmemory_folder import FolderWitnessMemory
from bailiwick.errors import NotFound, Unavailable, UsageRefused
from bailiwick.keys import COSIGNATURE, SEED_BYTES, Signer, Verifier, check_name, new_secret
from bailiwick.ledger import Cosigner, KnownWitness, Ledger, Policy, WitnessReport, witness_policy
from bailiwick.model import check_tenant
from bailiwick.node.keys import ID_BYTES, WITNESS_NAME, keep_secret
from bailiwick.node.parts import Parts
from bailiwick.ports import Clock, Disk, Entropy, KeyStore

if TYPE_CHECKING:
    from bailiwick.adapters.witness_http import HttpWitness
    from bailiwick.adapters.witness_httpserver import WitnessServer

WITNESSES_FILE = "witnesses"
LOGS_FILE = "logs"
CERTIFICATES_FILE = "witnesses.pem"
FILE_BYTES_MAX = 262_144
"""Longest file of witnesses, logs or certificates that is read, in bytes."""


class Witnessing(Parts):
    """What a node does with witnesses."""

    def witnesses(self, tenant: str) -> Witnesses:
        """Give the witnesses of a tenant, and the one that it is; its ledger stays closed."""
        return Witnesses(
            tenant, self.settings.home, disk=self._disk, clock=self._clock, entropy=self._entropy, keys=self._keys
        )


class Witnesses:
    """One tenant of a home, and who stands for its ledger."""

    def __init__(self, tenant: str, home: Path, *, disk: Disk, clock: Clock, entropy: Entropy, keys: KeyStore) -> None:
        self.tenant = check_tenant(tenant)
        self._home = home
        self._disk = disk
        self._clock = clock
        self._entropy = entropy
        self._keys = keys
        self._folder = home / "tenants" / tenant

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
        known = KnownWitness(name=verifier.name.encode(), verifier=verifier, url=self.at(url).url)
        with self.alone():
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
        with self.alone():
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
        return ledger.heads.ask([(each, self.at(each.url)) for each in asked.witnesses], asked)

    def at(self, url: str) -> HttpWitness:
        """Give the witness at an address; certificates are verified by the system's authorities and this tenant's.

        Raises:
            UsageRefused: it is no address (code ``witness-url``).
        """
        from bailiwick.adapters.witness_http import HttpWitness

        return HttpWitness(url, certificates=self._certificates())

    def believe(self, ca_file: Path) -> None:
        """Believe the authorities in a file of PEM certificates too, for every witness of this tenant from now on.

        Raises:
            UsageRefused: the file cannot be read, is too long, or holds no certificates (code ``witness-tls``).
        """
        from bailiwick.adapters.witness_http import read_certificates

        with self.alone():
            known = self._certificates()
            more = read_certificates(self._disk, ca_file, FILE_BYTES_MAX - len(known))
            if more not in known:
                self._write(self._folder / CERTIFICATES_FILE, f"{known}{more}".encode())

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
        with self.alone():
            chosen = check_name(name) if name else f"bailiwick-witness/{self._entropy.take(ID_BYTES).hex()}"
            keep_secret(self._keys, self.tenant, f"{WITNESS_NAME}-name", chosen.encode)
            keep_secret(self._keys, self.tenant, WITNESS_NAME, lambda: new_secret(self._entropy.take(SEED_BYTES)))
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
        with self.alone():
            logs = self.trusted()
            if verifier not in logs:
                self._write_policy(self._folder / WITNESS_NAME / LOGS_FILE, witness_policy([*logs, verifier], []))
        return verifier

    def server(
        self, listen: str, *, certificate: Path | None = None, certificate_key: Path | None = None
    ) -> WitnessServer:
        """Give the door of the witness that this tenant is, on ``HOST:PORT``; it knows the logs of this moment.

        Args:
            listen: Where.
            certificate: Its certificate with the chain, as PEM; None: in the clear.
            certificate_key: The private key of that, as PEM.

        Raises:
            UsageRefused: no address (code ``address``), or no certificate and key (code ``witness-tls``).
            Unavailable: the address cannot be had.
        """
        from bailiwick.adapters.witness_httpserver import WitnessServer, read_address, read_terms

        host, port = read_address(listen)
        tls = read_terms(certificate, certificate_key)
        self.witness_key()
        memory = FolderWitnessMemory(self._folder / WITNESS_NAME / "heads", self._disk)
        cosigner = Cosigner(memory, self._witness_signer(), self.trusted(), clock=self._clock)
        return WitnessServer(cosigner, cosigner.origins(), host=host, port=port, tls=tls)

    # --- files ------------------------------------------------------------------------------------------------------

    def _witness_signer(self) -> Signer:
        name = self._keys.get(self.tenant, f"{WITNESS_NAME}-name").decode()
        return Signer(name, self._keys.get(self.tenant, WITNESS_NAME), COSIGNATURE)

    def alone(self) -> ExitStack:
        """Hold this tenant's files of witnesses alone, among all processes."""
        if not self._folder.is_dir():
            raise NotFound(
                f"{self._home} has no tenant {self.tenant}",
                hint=f"bailiwick init --home {self._home} --tenant {self.tenant}",
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
        self._write(path, policy.text().encode("utf-8", "surrogateescape"))

    def _certificates(self) -> str:
        path = self._folder / CERTIFICATES_FILE
        try:
            return self._disk.read(path, 0, FILE_BYTES_MAX + 1).decode("ascii", "replace")
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise _unusable(path, error) from error

    def _write(self, path: Path, data: bytes) -> None:
        try:
            replace_file(self._disk, path, data, 0o644)
        except OSError as error:
            raise _unusable(path, error) from error


def _unusable(path: Path, error: OSError) -> Unavailable:
    return Unavailable(
        f"{path} cannot be used: {error.strerror or error}", hint="check who owns it", code="witness-file"
    )
