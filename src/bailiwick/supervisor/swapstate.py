"""Which modules are between two versions, which version went before, and which are pinned: a fold over their records.

A version is active exactly while ``FleetState.modules`` names it; this says what is about to change that, and what
would take it back. A module is *draining* from the record that a swap began until it was swapped or given up, and *on
probation* from then until it has answered ``PROBATION_CALLS``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any

from bailiwick.model import Record

SWAP_STARTED, SWAPPED, SWAP_ABANDONED = "module.swap-started", "module.swapped", "module.swap-abandoned"
ROLLED_BACK = "module.rolled-back"
PINNED, UNPINNED = "module.pinned", "module.unpinned"
DRAINING, PROBATION = "draining", "probation"
HEALTH = "health"
"""Export, or function without input, by which a module says that it is well."""
PROBATION_CALLS = 100
"""Calls of a new version after which it has proved itself, in number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Swap:
    """One swap under way: the manifests of both versions, and the record that it began with.

    On probation, ``calls`` counts what the new version answered since.
    """

    phase: str
    old: str
    new: str
    record: int
    calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Swaps:
    """Swaps under way and pins, by name of module."""

    under_way: Mapping[str, Swap] = field(default_factory=dict)
    pins: Mapping[str, str] = field(default_factory=dict)

    def is_draining(self, name: str) -> bool:
        """Say whether new calls of a module wait for the end of a swap."""
        swap = self.under_way.get(name)
        return swap is not None and swap.phase == DRAINING

    def is_on_probation(self, name: str) -> bool:
        """Say whether a new version of a module has yet to prove itself."""
        swap = self.under_way.get(name)
        return swap is not None and swap.phase == PROBATION

    def fold(self, record: Record) -> Swaps:
        """Give the state after one of this file's records."""
        detail: Any = record.detail
        name = str(detail["name"])
        if record.event_type == SWAP_STARTED:
            return self._with(name, Swap(phase=DRAINING, old=detail["old"], new=detail["new"], record=record.index))
        if record.event_type == SWAPPED:
            swap = Swap(phase=PROBATION, old=detail["old"], new=detail["new"], record=detail["started"])
            return self._with(name, swap)
        if record.event_type == PINNED:
            return replace(self, pins={**self.pins, name: str(detail["version"])})
        if record.event_type == UNPINNED:
            return replace(self, pins=_without(self.pins, name))
        return self._with(name, None)

    def called(self, name: str) -> Swaps:
        """Give the state after a call of a module."""
        swap = self.under_way.get(name)
        if swap is None or swap.phase != PROBATION:
            return self
        counted = replace(swap, calls=swap.calls + 1)
        return self._with(name, counted if counted.calls < PROBATION_CALLS else None)

    def without(self, name: str) -> Swaps:
        """Give the state after a module was removed."""
        return Swaps(under_way=_without(self.under_way, name), pins=_without(self.pins, name))

    def to_json(self) -> dict[str, Any]:
        """Write it down."""
        under_way = {
            name: {each.name: getattr(swap, each.name) for each in fields(swap)}
            for name, swap in self.under_way.items()
        }
        return {"under_way": under_way, "pins": dict(self.pins)}

    @classmethod
    def read(cls, stored: Any) -> Swaps:
        """Read back what ``to_json`` wrote."""
        return cls(
            under_way={name: Swap(**each) for name, each in stored["under_way"].items()}, pins=dict(stored["pins"])
        )

    def _with(self, name: str, swap: Swap | None) -> Swaps:
        others = _without(self.under_way, name)
        return replace(self, under_way=others if swap is None else {**others, name: swap})


def _without(mapping: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in mapping.items() if key != name}
