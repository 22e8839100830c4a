"""The theme of packs: which law a name means for a tenant, its cases, and the modules that it rests on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, cached_property, partial
from pathlib import Path

from bailiwick.adapters.cursorstore_files import FileCursorStore
from bailiwick.adapters.packsource_attachments import attached_files
from bailiwick.adapters.packsource_builtin import builtin_module, builtin_packs, pack_files
from bailiwick.adapters.packsource_folder import FolderPackSource
from bailiwick.canonical import digest
from bailiwick.decisions import Attached, Installer, ReadRow, fetch, fetch_files, pinned_modules
from bailiwick.engine import Guest
from bailiwick.errors import NotFound, UsageRefused
from bailiwick.model import JsonValue, ModuleRef, Run, Tier
from bailiwick.node.calling import caller, trying
from bailiwick.node.supervising import Supervising
from bailiwick.packs import CallModule, CaseReport, Pack, check_kernel, content_of, load_pack, run_cases
from bailiwick.supervisor import LedgerState, kept_binary, step_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """A pack that a name or a folder means: loaded, with its files, and where it comes from.

    ``origin`` is ``shipped`` with bailiwick, ``installed`` by the tenant, or a ``folder``.
    """

    pack: Pack
    files: Mapping[str, bytes] = field(repr=False)
    origin: str


class Packing(Supervising):
    """What a node does with packs, without deciding anything by them."""

    @cached_property
    def _states(self) -> dict[str, LedgerState]:
        """What each tenant has installed, folded as far as it was asked for."""
        return {}

    @staticmethod
    def packs() -> list[Pack]:
        """Load every pack that comes with bailiwick, by name."""
        source = builtin_packs()
        return [load_pack(name, source.files(name)) for name in source.names()]

    @staticmethod
    def pack(name: str) -> Pack:
        """Load one pack: the name of one that comes with bailiwick, or the path of a folder.

        Raises:
            NotFound: neither such a pack nor a folder with a ``pack.yaml``.
            PackRefused: it does not load; every fault is named.
        """
        return load_pack(*pack_files(name))

    @staticmethod
    def run_cases(name: str) -> CaseReport:
        """Run the cases of a pack, one that comes with bailiwick or a folder."""
        pack = Packing.pack(name)
        if not pack.calls:
            return run_cases(pack)
        with trying(pack) as decider:
            return run_cases(pack, decider)

    # --- which law ----------------------------------------------------------------------------------------------------

    def installer(self, tenant: str) -> Installer:
        """Give what is done to the packs of a tenant: installed, activated, looked at."""
        with self._lock:
            if tenant not in self._states:
                cursors = FileCursorStore(self._tenants, self._disk)
                self._states[tenant] = LedgerState(self.ledger(tenant), cursors, self._state_secret(tenant))
        state, clock = self._states[tenant], self._clock
        return Installer(tenant=tenant, state=state, blobs=self._blobs, clock=clock, shipped=shipped_version)

    @staticmethod
    def attachments_in(folder: Path | None) -> Mapping[str, bytes]:
        """Give the files of a folder by digest, for packs that pin files and do not hold them; none where it is None.

        Raises:
            NotFound, InputRefused, Unavailable: see ``adapters.packsource_attachments``.
        """
        return attached_files(folder) if folder is not None else {}

    def law(self, tenant: str, name: str, attachments: Mapping[str, bytes] | None = None) -> Law:
        """Give the law that a tenant decides by under a name today; or that of a folder.

        A name that the tenant has installed, or that comes with bailiwick, is taken before a folder. ``attachments``
        are files that the pack pins and does not hold, by digest; an installed pack has had its own since then.

        Raises:
            NotFound: neither such a pack nor a folder (code ``pack-not-found``), or its first day is still to come
                (``pack-not-yet``).
            NotTrusted: the key that signed it was revoked since (code ``key-revoked``).
            PackRefused: it does not load; every fault is named; or it was written for other versions (``pack-kernel``).
        """
        installer = self.installer(tenant)
        used = installer.in_use(name)
        installer.state.keep_up()  # else each process would fold every decision since the last change of law
        if used is None:
            folder, files = pack_files(name)
            pack = load_pack(folder, files, Attached(tenant, self._blobs, attachments))
            return Law(pack=pack, files=content_of(files), origin="folder")
        shipped = shipped_pack(name)
        if shipped is not None and shipped.digest == used.digest:
            files = builtin_packs().files(name)
            if shipped.attachments:
                shipped = load_pack(name, files, Attached(tenant, self._blobs, attachments))
            return Law(pack=shipped, files=content_of(files), origin="shipped")
        kept = self.kept_law(tenant, name, used.digest)
        check_kernel(kept.pack)
        return kept

    def kept_law(self, tenant: str, name: str, pack_digest: str) -> Law:
        """Give a pack that was kept for a tenant, by its digest.

        Raises:
            NotFound: it is not kept.
        """
        files = fetch_files(tenant, pack_digest, self._blobs)
        return Law(pack=fetch(tenant, name, pack_digest, self._blobs), files=files, origin="installed")

    def folder_law(self, tenant: str, folder: Path, attachments: Mapping[str, bytes]) -> Law:
        """Load the pack of a folder, with files that it pins and does not hold; ``files`` has lock and signature too.

        Raises:
            NotFound: there is no pack in that folder (code ``pack-not-found``).
            PackRefused: it does not load; every fault is named.
        """
        where = folder.resolve()
        files = FolderPackSource(where.parent).files(where.name)
        pack = load_pack(where.name, files, Attached(tenant, self._blobs, attachments))
        return Law(pack=pack, files=files, origin="folder")

    def superseding(self, tenant: str, name: str, version: str, digest: str) -> dict[str, JsonValue] | None:
        """Say which version corrects one that decided, installed or shipped, and why; None where none does."""
        later = self.installer(tenant).superseding(name, version)
        pack = shipped_pack(name) if later is None else fetch(tenant, name, later.digest, self._blobs)
        corrects = None if pack is None else pack.supersedes
        if pack is None or corrects is None or corrects.version != version or corrects.digest not in (None, digest):
            return None
        told: dict[str, JsonValue] = {"version": pack.version, "digest": pack.digest, "reason": corrects.reason}
        return told if later is None else {**told, "record": later.record}

    # --- modules ------------------------------------------------------------------------------------------------------

    def modules_of(self, tenant: str, pack: Pack) -> dict[str, tuple[ModuleRef, bytes]]:
        """Find the modules that a pack pins: those that come with bailiwick, and those that the tenant installed.

        What has another digest is given as it is: ``decisions.check_modules`` refuses it.
        """
        found: dict[str, tuple[ModuleRef, bytes]] = {}
        for name, pinned in pinned_modules(pack).items():
            module = self._module(tenant, name, pinned)
            if module is not None:
                found[name] = module
        return found

    def _module(self, tenant: str, name: str, pinned: str) -> tuple[ModuleRef, bytes] | None:
        installed = self.installer(tenant).state.now().modules.get(name)
        if installed is not None and installed.engine:
            step = step_of(tenant, self._blobs, installed)
            if digest(step) == pinned:
                return ModuleRef(name=name, digest=pinned), step
        elif installed is not None and installed.digest == pinned:
            return installed.reference, kept_binary(tenant, self._blobs, installed)
        if self._blobs.has(tenant, pinned):
            return ModuleRef(name=name, digest=pinned), self._blobs.get(tenant, pinned)
        try:
            return builtin_module(name)
        except NotFound:
            return None

    def _kept_reader(self, tenant: str, pack: Pack) -> ReadRow:
        """Give the reader of a pack from the modules that were kept with it."""
        modules = {
            reader.digest: (ModuleRef(name=reader.module, digest=reader.digest), self._blobs.get(tenant, reader.digest))
            for reader in pack.intake.values()
        }
        return self._reader(pack, modules)

    def _kept_caller(self, tenant: str) -> CallModule:
        """Give what runs the modules that rules call, from those that were kept with their packs."""
        kept = partial(self._blobs.get, tenant)
        return caller(lambda: self.engine, kept, kept)

    def _caller_of(self, tenant: str, modules: Mapping[str, tuple[ModuleRef, bytes]]) -> CallModule:
        """Give what runs the modules that a pack's rules call, from those that were found for it."""
        binaries = {reference.digest: raw for reference, raw in modules.values()}
        return caller(lambda: self.engine, binaries.__getitem__, partial(self._blobs.get, tenant))

    def _reader(self, pack: Pack, modules: Mapping[str, tuple[ModuleRef, bytes]]) -> ReadRow:
        """Give a function that runs the pack's CSV reader on one envelope, loading the guest when first needed."""
        guests: dict[str, Guest] = {}

        def read_row(envelope: bytes) -> tuple[Run, ModuleRef]:
            """Run the reader on one envelope."""
            reader = pack.intake.get("csv")
            if reader is None:
                raise UsageRefused(
                    f"pack {pack.name} has no reader for CSV", hint="give it JSON: --format json", code="media"
                )
            reference, wasm = modules[reader.digest]
            if reference.digest not in guests:
                guests[reference.digest] = self.engine.load(wasm)
            run = self.engine.run(guests[reference.digest], reader.function, envelope, Tier.LIGHTWEIGHT.budget)
            return run, reference

        return read_row


@cache
def shipped_pack(name: str) -> Pack | None:
    """Load a pack that comes with bailiwick, or give None; read once in a process."""
    source = builtin_packs()
    return load_pack(name, source.files(name)) if name in source.names() else None


def shipped_version(name: str) -> tuple[str, str] | None:
    """Give version and digest of a pack that comes with bailiwick, or None."""
    pack = shipped_pack(name)
    return None if pack is None else (pack.version, pack.digest)
