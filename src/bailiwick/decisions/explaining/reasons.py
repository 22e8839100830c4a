"""Why a rule does not hold or cannot be judged: the clause that failed, what it read, what that rests on in turn."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bailiwick.decisions.explaining.reading import Sealed
from bailiwick.decisions.explaining.sayings import Sayings
from bailiwick.packs import Judged

DEPTH_MAX = 24
"""Rules behind rules that are followed; a pack has at most so many levels that matter, and forged evidence may run in
circles."""
REASONS_MAX = 2_000
"""Most reasons of one explanation."""

Reason = dict[str, Any]


class Reasons:
    """Follows what failed, or what is not known, from a rule down to the facts."""

    def __init__(self, sealed: Sealed, sayings: Sayings) -> None:
        self._sealed, self._sayings = sealed, sayings
        self._left = REASONS_MAX

    def why(self, entry: Mapping[str, Any], judged: Judged | None, trail: tuple[str, ...] = ()) -> list[Reason]:
        """Say why a rule is false or has no value; nothing where it has one, or cannot be judged again."""
        if judged is None:
            return []
        return self.of(judged, entry, (*trail, entry["rule"]))

    def of(self, judged: Judged, entry: Mapping[str, Any], trail: tuple[str, ...]) -> list[Reason]:
        """Say which clauses made an expression false, or left it without a value."""
        if judged.is_known and judged.value is not False:
            return []
        if judged.joint == "&&" and judged.is_known:
            failed = next((part for part in judged.parts if part.is_known and part.value is False), None)
            return self._clause(judged, entry, trail) if failed is None else self.of(failed, entry, trail)
        if judged.parts:
            parts = [part for part in judged.parts if part.is_known == judged.is_known]
            return [reason for part in parts for reason in self.of(part, entry, trail)]
        return self._clause(judged, entry, trail)

    def _clause(self, judged: Judged, entry: Mapping[str, Any], trail: tuple[str, ...]) -> list[Reason]:
        if not self._left:
            return []
        self._left -= 1
        reads = {read["path"]: read for read in entry["reads"]}
        reason: Reason = {
            "clause": judged.text,
            "holds": judged.value if judged.is_known else None,
            "reads": [self._sayings.read(reads[path]) for path in judged.reads if path in reads],
        }
        causes = self._causes(judged, entry, reads)
        rests_on = [rule for path in judged.reads for rule in self._behind(path, reads.get(path), trail)]
        return [reason | ({"causes": causes} if causes else {}) | ({"rests_on": rests_on} if rests_on else {})]

    def _causes(self, judged: Judged, entry: Mapping[str, Any], reads: Mapping[str, Any]) -> list[str]:
        """Give the causes of a clause without a value: those that the evidence names of what it read, or its own."""
        if judged.is_known:
            return []
        unknown = [path for path in judged.reads if "value" not in reads.get(path, {})]
        if not unknown:
            return list(judged.causes)
        named = str(entry.get("because", "")).split("; ")
        return [cause for cause in named if any(path in cause.replace(",", " ").split() for path in unknown)]

    def _behind(self, path: str, read: Mapping[str, Any] | None, trail: tuple[str, ...]) -> list[Reason]:
        """Tell the rules that a value came from, or that gave none."""
        if path.startswith("m."):
            return [self._measure(path, trail)]
        if path.startswith("in.") and read is not None and "value" not in read:
            return [self._assumption(name, trail) for name in self._sayings.assumptions_of(path)]
        return []

    def _measure(self, path: str, trail: tuple[str, ...]) -> Reason:
        told = self._sayings.measured(path)
        entry = self._sealed.measure(path)
        if entry is None or entry["rule"] in trail or len(trail) >= DEPTH_MAX:
            return told
        told["cite"] = self._sayings.cites(entry["cite"])
        rows = self.rows(path, (*trail, entry["rule"]))
        if rows is not None:
            return {**told, "rows": rows}
        why = self.why(entry, self._sealed.judge_entry(entry), trail)
        return {**told, **({"why": why} if why else {})}

    def rows(self, path: str, trail: tuple[str, ...]) -> list[Reason] | None:
        """Tell a table's rows, and of each that does not hold why."""
        rows = self._sayings.rows(path)
        for row in rows or ():
            judged = self._sayings.judge_row(path, row["row"]) if row["holds"] is not True else None
            if judged is None or not self._left:
                continue
            asked = {"rule": row["row"], "reads": self._sayings.reads_of(judged.reads)}
            why = self.of(judged, asked, trail)
            if why:
                row["why"] = why
        return rows

    def _assumption(self, name: str, trail: tuple[str, ...]) -> Reason:
        entry = self._sealed.entries[("assumption", name)]
        told: Reason = {
            "rule": name,
            "kind": "assumption",
            "status": entry["status"],
            "value": entry["value"],
            "cite": self._sayings.cites(entry["cite"]),
        }
        text = self._sayings.text("assumption", name)
        why = [] if name in trail else self.why(entry, self._sealed.judge_entry(entry), trail)
        return {**told, **({"text": text} if text else {}), **({"why": why} if why else {})}
