"""A new version on probation: the first call that it fails and the old one does not takes the swap back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bailiwick.errors import BailiwickError, ModuleRefused, NotFound, NotTrusted, Unavailable
from bailiwick.supervisor.binaries import kept_binary, kept_manifest, kept_runner, kept_texts
from bailiwick.supervisor.check import admit
from bailiwick.supervisor.kept import kept_parts
from bailiwick.supervisor.loaded import Loaded
from bailiwick.supervisor.registry import Registry
from bailiwick.supervisor.rehearse import run_again
from bailiwick.supervisor.state import FleetState, Installed
from bailiwick.supervisor.swap import SwapDone, Swapper
from bailiwick.supervisor.swapstate import HEALTH

REGRESSION = "regression"
"""Why a version was taken back: it failed a call that the one before it does not fail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Probation:
    """Watches new versions of one tenant's modules."""

    registry: Registry
    swapper: Swapper

    def judge(self, name: str, record: int) -> SwapDone | None:
        """Take a swap back where a call failed that the version before does not fail.

        Args:
            name: The module.
            record: The call that failed.

        Returns:
            What was brought back; None where the old version fails as well, asks the host something else, cannot be
            asked any more, is not trusted any more, or calls in flight did not end in time, so that the next
            failure is judged anew; and where the module is pinned, or somebody else was first.
        """
        now = self.registry.state.now()
        before = now.previous.get(name)
        if before is None or not now.swaps.is_on_probation(name):
            return None
        try:
            if self._fails(before, record):
                return None
            return self._take_back(name, now, REGRESSION)
        except (ModuleRefused, NotFound, NotTrusted, Unavailable):
            return None

    def unwell(self, name: str) -> SwapDone | None:
        """Take a swap back where the new version, asked how it is, says that it is not well.

        Returns:
            What was brought back; None where nothing can be, as ``judge`` says.
        """
        now = self.registry.state.now()
        if name not in now.previous or not now.swaps.is_on_probation(name):
            return None
        try:
            return self._take_back(name, now, HEALTH)
        except (ModuleRefused, NotFound, NotTrusted, Unavailable):
            return None

    def _take_back(self, name: str, now: FleetState, code: str) -> SwapDone:
        failed = now.modules[name].manifest
        return self.swapper.roll_back(name, self.registry.state.ledger.node, code, of=failed)

    def _fails(self, before: Installed, index: int) -> bool:
        """Say whether the version before does no better with the input of a recorded call."""
        tenant, blobs, engine = self.registry.tenant, self.registry.blobs, self.registry.engine
        record = self.registry.state.ledger.read(index)
        given, _, transcript = kept_parts(tenant, blobs, record)
        manifest = kept_manifest(tenant, blobs, before)
        runner = kept_runner(tenant, blobs, before)
        guest = admit(manifest, kept_binary(tenant, blobs, before), engine, runner, kept_texts(tenant, blobs, manifest))
        loaded = Loaded(installed=before, manifest=manifest, guest=guest)
        function: Any = record.detail["function"]
        try:
            kind, _, _ = run_again(loaded, engine, function, given["input"], transcript["run"]["calls"])
        except BailiwickError:
            return True
        return kind not in ("answer", "refusal")
