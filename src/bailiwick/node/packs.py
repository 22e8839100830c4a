"""The theme of packs: which are installed, their cases, and the modules that read rows for them."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.adapters.packsource_builtin import builtin_packs, pack_files
from bailiwick.decisions import ReadRow
from bailiwick.engine import Guest
from bailiwick.errors import UsageRefused
from bailiwick.model import ModuleRef, Run, Tier
from bailiwick.node.parts import Parts
from bailiwick.packs import CaseReport, Pack, load_pack, run_cases


class Packing(Parts):
    """What a node does with packs, without deciding anything by them."""

    @staticmethod
    def packs() -> list[Pack]:
        """Load every installed pack, by name."""
        source = builtin_packs()
        return [load_pack(name, source.files(name)) for name in source.names()]

    @staticmethod
    def pack(name: str) -> Pack:
        """Load one pack: an installed name, or the path of a folder.

        Raises:
            NotFound: neither an installed pack nor a folder with a ``pack.yaml``.
            PackRefused: it does not load; every fault is named.
        """
        return load_pack(*pack_files(name))

    @staticmethod
    def run_cases(name: str) -> CaseReport:
        """Run the cases of a pack, an installed name or a folder."""
        return run_cases(Packing.pack(name))

    def _kept_reader(self, tenant: str, pack: Pack) -> ReadRow:
        """Give the reader of a pack from the modules that were kept with it."""
        modules = {
            reader.digest: (ModuleRef(name=reader.module, digest=reader.digest), self._blobs.get(tenant, reader.digest))
            for reader in pack.intake.values()
        }
        return self._reader(pack, modules)

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
