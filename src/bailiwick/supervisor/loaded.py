"""Modules that are compiled and ready: loaded when first called, kept until they are unloaded or replaced."""

from __future__ import annotations

import threading
from collections import OrderedDict
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from bailiwick.engine import Engine, Guest
from bailiwick.errors import ModuleFailed, NotFound, SchemaViolated, UsageRefused
from bailiwick.ports import BlobStore
from bailiwick.schema import Contract
from bailiwick.supervisor.binaries import kept_binary, kept_manifest, kept_runner, kept_texts
from bailiwick.supervisor.check import admit
from bailiwick.supervisor.manifest import Function, Manifest
from bailiwick.supervisor.state import Installed

LOADED_MAX = 64
"""Most modules of one tenant that are kept ready, in number; the least recently called is unloaded."""
SLOW_BYTES_MIN = 4 << 20
"""Size from which a component starts slowly, in bytes of binary: those that carry Python have 19 MB."""
STOCK_COUNT = 2
"""Sandboxes that are made in advance for a module that starts slowly, once it is called a second time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loaded:
    """A module that is compiled, with the contracts of its functions."""

    installed: Installed
    manifest: Manifest
    guest: Guest = field(repr=False)
    contracts: dict[tuple[str, str], Contract] = field(default_factory=dict, repr=False)

    def function(self, name: str) -> Function:
        """Give one of its functions.

        Raises:
            NotFound: it has none of that name (code ``function-not-found``).
        """
        found = self.manifest.functions.get(name)
        if found is None:
            raise NotFound(
                f"module {self.manifest.name} has no function {name[:100]!r}",
                hint=f"it has {', '.join(sorted(self.manifest.functions)[:20])}",
                code="function-not-found",
            )
        return found

    def check_input(self, function: str, value: Any) -> None:
        """Refuse an input that the function's contract refuses.

        Raises:
            SchemaViolated: carries every violation.
        """
        self._contract(function, "input").check(value, subject=f"the input of {self.manifest.name}.{function}")

    def check_output(self, function: str, value: Any) -> None:
        """Refuse an answer that the function's own contract refuses.

        Raises:
            ModuleFailed: code ``module-output``.
        """
        subject = f"the answer of {self.manifest.name}.{function}"
        try:
            self._contract(function, "output").check(value, subject=subject)
        except SchemaViolated as error:
            raise ModuleFailed(
                error.message, hint="its author mends the function, or its output schema", code="module-output"
            ) from error

    def _contract(self, function: str, side: str) -> Contract:
        found = self.contracts.get((function, side))
        if found is None:
            found = self.contracts[function, side] = self.manifest.contract(function, side)
        return found


class Shelf:
    """The loaded modules of one tenant. Thread-safe."""

    def __init__(self, tenant: str, blobs: BlobStore, engine: Engine) -> None:
        self._tenant = tenant
        self._blobs = blobs
        self._engine = engine
        self._lock = threading.Lock()
        self._loaded: OrderedDict[str, Loaded] = OrderedDict()
        self._stocked: set[str] = set()

    def get(self, installed: Installed) -> Loaded:
        """Give a module ready to be called; it is checked against its manifest once more when it is loaded.

        Raises:
            ModuleRefused: the engine refuses now what it admitted when the module was installed.
            Unavailable: its binary is not what was installed, or the engine is short of something.

        Cost: nothing where it is loaded, else compiling.
        """
        with self._lock:
            found = self._loaded.get(installed.name)
            if found is None or found.installed.manifest != installed.manifest:
                self._release(found)
                manifest = kept_manifest(self._tenant, self._blobs, installed)
                wasm = kept_binary(self._tenant, self._blobs, installed)
                runner = kept_runner(self._tenant, self._blobs, installed)
                texts = kept_texts(self._tenant, self._blobs, manifest)
                guest = admit(manifest, wasm, self._engine, runner, texts)
                found = Loaded(installed=installed, manifest=manifest, guest=guest)
                self._loaded[installed.name] = found
            elif installed.name not in self._stocked:
                self._keep_ready(found)
            self._loaded.move_to_end(installed.name)
            while len(self._loaded) > LOADED_MAX:
                self._release(self._loaded.popitem(last=False)[1])
            return found

    def drop(self, name: str) -> bool:
        """Unload a module, and say whether it was loaded; calls that are running end as they would."""
        with self._lock:
            gone = self._loaded.pop(name, None)
            self._release(gone)
            return gone is not None

    def names(self) -> list[str]:
        """List what is loaded, sorted."""
        with self._lock:
            return sorted(self._loaded)

    def _keep_ready(self, loaded: Loaded) -> None:
        """Have sandboxes of a slow starter made in advance; where the engine keeps its most already, it starts cold."""
        self._stocked.add(loaded.installed.name)
        if loaded.guest.form == "core-json/1" or loaded.guest.size < SLOW_BYTES_MIN:
            return
        with suppress(UsageRefused):
            self._engine.keep_ready(loaded.guest, loaded.manifest.budget, STOCK_COUNT)

    def _release(self, loaded: Loaded | None) -> None:
        if loaded is not None and loaded.installed.name in self._stocked:
            self._stocked.discard(loaded.installed.name)
            self._engine.release(loaded.guest)
