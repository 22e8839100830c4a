"""The theme of looking after a node: one check for each part that it needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from bailiwick.adapters.packsource_builtin import builtin_module
from bailiwick.errors import BailiwickError
from bailiwick.ledger import Ledger
from bailiwick.node.acting import Acting
from bailiwick.node.deciding import engine_versions
from bailiwick.node.packs import Packing


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that the doctor looked at: whether it is well, what was seen, and what to try."""

    name: str
    ok: bool
    detail: str
    hint: str = ""

    def to_json(self) -> dict[str, Any]:
        """Give the check as JSON."""
        return {"name": self.name, "ok": self.ok, "detail": self.detail, "hint": self.hint}


class Checking(Packing, Acting):
    """What a node finds out about itself."""

    def doctor(self, tenant: str) -> list[Check]:
        """Look at everything that this node needs, and say of each part whether it is well."""
        return [
            _checked("key", lambda: self.ledger(tenant).verifier_key()),
            _checked("keys", lambda: self._keys.report().text()),
            _checked("ledger", lambda: _ledger_state(self.ledger(tenant))),
            _checked("packs", lambda: ", ".join(f"{pack.name} {pack.version}" for pack in self.packs())),
            _checked("modules", lambda: ", ".join(self._module_checks())),
            _checked("panic", lambda: "frozen" if self.panic_state(tenant)["frozen"] else "free"),
            _checked("effects", lambda: f"{sum(each.state.is_open for each in self.effects(tenant))} waiting"),
            _checked("engines", lambda: ", ".join(f"{name} {each}" for name, each in engine_versions().items())),
        ]

    def _module_checks(self) -> list[str]:
        found = {reader.module for pack in self.packs() for reader in pack.intake.values()}
        seen = []
        for name in sorted(found):
            reference, wasm = builtin_module(name)
            self.engine.load(wasm)
            seen.append(f"{name} {reference.digest[:19]}")
        return seen


def _ledger_state(ledger: Ledger) -> str:
    if ledger.failure is not None:
        raise ledger.failure
    return f"{ledger.size()} records, opened and recovered"


def _checked(name: str, look: Callable[[], str]) -> Check:
    """Run one check; what it raises is its finding."""
    try:
        return Check(name=name, ok=True, detail=look())
    except BailiwickError as error:
        return Check(name=name, ok=False, detail=f"{error.code}: {error.message}", hint=error.hint)
