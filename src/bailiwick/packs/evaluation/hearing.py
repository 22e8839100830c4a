"""One case while it is judged: its facts on a sheet, and the record of every rule so far."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from bailiwick.model import JsonValue, Measurement, ModuleRef, Read, Status, TraceEntry
from bailiwick.packs.evaluation.known import Known
from bailiwick.packs.format.pack import ModuleUse
from bailiwick.packs.language.expressions import CAUSES_MAX

COMPUTED, INDETERMINATE, SKIPPED = Status.COMPUTED, Status.INDETERMINATE, Status.SKIPPED


@dataclass(frozen=True, slots=True, kw_only=True)
class ModuleAnswer:
    """What a module answered: a value, or the code of its refusal; and the fuel that it used."""

    value: Any = None
    refusal: str | None = None
    fuel: int = 0


CallModule: TypeAlias = Callable[[ModuleUse, bytes], ModuleAnswer]
"""Runs a function of a pinned module on canonical JSON. Raises ``ModuleFailed`` and ``Unavailable``."""


class Hearing:
    """What one decision is made of while it is made."""

    __slots__ = (
        "call_module",
        "facts",
        "fuel",
        "known",
        "known_at",
        "legal_date",
        "measurements",
        "modules",
        "open_paths",
        "trace",
    )

    def __init__(
        self,
        facts: Mapping[str, JsonValue],
        known: Known,
        legal_date: str,
        known_at: str | None,
        *,
        open_paths: frozenset[str],
        call_module: CallModule | None,
    ) -> None:
        self.facts, self.known, self.legal_date, self.known_at = facts, known, legal_date, known_at
        self.open_paths, self.call_module = open_paths, call_module
        self.trace: list[TraceEntry] = []
        self.measurements: list[Measurement] = []
        self.modules: dict[str, ModuleRef] = {}
        """The modules that were called, by digest."""
        self.fuel = 0

    def conclude(
        self,
        *,
        rule: str,
        kind: str,
        measure: tuple[str, str, str | None],
        expression: str,
        value: JsonValue,
        causes: Sequence[str],
        cite: tuple[str, ...],
        reads: tuple[Read, ...],
        because: str | None,
        says: str | None,
    ) -> None:
        """Keep what a measure came to: for the rules after it, for the reader, and in the trace.

        Args:
            rule: The rule's id.
            kind: As the trace says it.
            measure: The measure's id, its type and its unit.
            expression: What was judged.
            value: What came of it; None where there are causes.
            causes: Why there is no value.
            cite: The texts it rests on.
            reads: What was read.
            because: Why it came to that, where there is a value.
            says: The rule's sentence, where it applies.
        """
        name, type_of, unit = measure
        cause = "; ".join(causes) if causes else None
        status = INDETERMINATE if causes else COMPUTED
        self.known.measured("m." + name, type_of, unit, value, tuple(causes))
        self.measurements.append(Measurement(id=name, status=status, value=value, unit=unit, cause=cause))
        self.trace.append(
            TraceEntry(
                rule=rule,
                kind=kind,
                status=status,
                expression=expression,
                value=value,
                unit=unit,
                cite=cite,
                reads=reads,
                because=cause or because,
                says=says,
            )
        )

    def waits(self, causes: Sequence[str]) -> bool:
        """Say whether a fact that may still come is among the causes, or may be behind the last one that is named."""
        is_open = any(cause.removeprefix("missing: ") in self.open_paths for cause in causes)
        return is_open or len(causes) == CAUSES_MAX
