"""What a lint of a pack finds: how grave, which check, where, about what, and what to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from bailiwick.model import JsonValue
from bailiwick.packs.trying.places import Place


class Level(StrEnum):
    """How grave a finding is: a fault is to be mended before anybody decides by the pack, advice makes it better."""

    FAULT = "fault"
    ADVICE = "advice"


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """What a check found, before it is known where that stands. ``subject`` names it as ``Places`` does."""

    level: Level
    check: str
    subject: str
    message: str
    hint: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One finding: the remark, and the place of its subject."""

    remark: Remark
    place: Place

    @property
    def is_fault(self) -> bool:
        """Whether it is to be mended before anybody decides by the pack."""
        return self.remark.level is Level.FAULT

    def to_json(self) -> dict[str, JsonValue]:
        """Give the finding as JSON."""
        return {
            "level": str(self.remark.level),
            "check": self.remark.check,
            **self.place.to_json(),
            "rule": self.remark.subject,
            "message": self.remark.message,
            "hint": self.remark.hint,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class LintReport:
    """Everything that a lint found, faults first, and what it tried: how many inputs, drawn from which seed."""

    findings: tuple[Finding, ...]
    inputs: int
    seed: int

    @property
    def faults(self) -> int:
        """How many of the findings are faults."""
        return sum(finding.is_fault for finding in self.findings)

    def to_json(self) -> dict[str, JsonValue]:
        """Give the report as JSON."""
        return {
            "faults": self.faults,
            "advice": len(self.findings) - self.faults,
            "findings": [finding.to_json() for finding in self.findings],
            "inputs": self.inputs,
            "seed": self.seed,
        }


def fault(check: str, subject: str, message: str, hint: str) -> Remark:
    """Say that something must be mended."""
    return Remark(level=Level.FAULT, check=check, subject=subject, message=message, hint=hint)


def advice(check: str, subject: str, message: str, hint: str) -> Remark:
    """Say that something would be better otherwise."""
    return Remark(level=Level.ADVICE, check=check, subject=subject, message=message, hint=hint)


def example(facts: Mapping[str, JsonValue], legal_date: str) -> str:
    """Write an input as a case would, in one bounded line."""
    told = ", ".join(f"{name}: {_plain(value)}" for name, value in sorted(facts.items()))
    return f"{{{told[:300]}}} by the law of {legal_date}"


def _plain(value: JsonValue) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name}: {_plain(item)}" for name, item in sorted(value.items())) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(_plain, value)) + "]"
    return str(value)


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Sort findings: faults first, then by file and line."""
    return tuple(
        sorted(
            findings,
            key=lambda each: (
                not each.is_fault,
                each.place.file,
                each.place.line or 0,
                each.remark.check,
                each.remark.subject,
                each.remark.message,
            ),
        )
    )
