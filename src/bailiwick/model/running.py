"""What the engine runs: budgets, a finished call, and what it asked of the host."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from bailiwick.model.words import JsonValue


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """What one run may use: fuel units, bytes of linear memory, milliseconds of wall time."""

    fuel: int
    memory_bytes: int
    deadline_ms: int


class Tier(StrEnum):
    """The three sizes of budget that a module may ask for."""

    LIGHTWEIGHT = "lightweight"
    STANDARD = "standard"
    HEAVY = "heavy"

    @property
    def budget(self) -> Budget:
        """Fuel, memory and wall time of the tier."""
        return TIER_BUDGETS[self]


TIER_BUDGETS = {
    Tier.LIGHTWEIGHT: Budget(fuel=100_000_000, memory_bytes=16 << 20, deadline_ms=5_000),
    Tier.STANDARD: Budget(fuel=1_000_000_000, memory_bytes=64 << 20, deadline_ms=30_000),
    Tier.HEAVY: Budget(fuel=10_000_000_000, memory_bytes=256 << 20, deadline_ms=120_000),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """One question of a guest to the host, its ``output`` or ``error`` (code, message), and the ``fuel`` it cost."""

    interface: str
    function: str
    input: JsonValue
    output: JsonValue = None
    error: Mapping[str, JsonValue] | None = None
    fuel: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One finished call of one module, and what it asked of the host. One that failed raises ``ModuleFailed``."""

    output: bytes
    fuel: int
    memory_bytes: int
    transcript: tuple[HostCall, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleRef:
    """Which code took part in a decision: its name, and the SHA-256 of its binary, which identifies it."""

    name: str
    digest: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give the reference as JSON."""
        return {"name": self.name, "digest": self.digest}
