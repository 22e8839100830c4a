"""A sealed decision, explained: as JSON of a versioned form (contract ``explanation``), and as a tree drawn from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bailiwick.decisions.explaining.reading import NO_ROW, Sealed, is_table, stood_for
from bailiwick.decisions.explaining.reasons import Reasons
from bailiwick.decisions.explaining.sayings import Sayings
from bailiwick.decisions.explaining.tree import Branch, draw
from bailiwick.errors import BailiwickError
from bailiwick.model import Record, Status
from bailiwick.packs import INDETERMINATE, Judged, Speech

EXPLANATION_FORMAT = "bailiwick-explanation/2"

_POLICY = "policy-"


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """A sealed decision with all that it rested on; the digest of the evidence was checked against the record.

    ``speech`` is of the very pack that decided, or None where it is not kept any more; ``lost`` then says why. ``leaf``
    is the digest of the record in the ledger's tree, where the caller knows it; ``superseded_by`` the version that
    corrects the one that decided, as the contract has it, or None.
    """

    record: Record
    evidence: Mapping[str, Any]
    speech: Speech | None = None
    lost: BailiwickError | None = None
    leaf: str | None = None
    superseded_by: Mapping[str, Any] | None = None

    @cached_property
    def _told(self) -> dict[str, Any]:
        return _Telling(self).tell()

    def to_json(self) -> dict[str, Any]:
        """Give the explanation as JSON, in a versioned form."""
        return self._told

    def tree(self) -> Branch:
        """Give the explanation as a tree: outcome, duties, rules with values and citations, assumptions, origin."""
        return draw(self._told)


class _Telling:
    """One explanation in the making."""

    def __init__(self, explanation: Explanation) -> None:
        self._explanation = explanation
        self._evidence = explanation.evidence
        self._speech = explanation.speech
        types = explanation.speech.types() if explanation.speech is not None else {}
        self._sealed = Sealed(explanation.evidence, types)
        self._sayings = Sayings(self._sealed, explanation.speech)
        self._reasons = Reasons(self._sealed, self._sayings)

    def tell(self) -> dict[str, Any]:
        """Give the whole explanation as JSON."""
        record, evidence = self._explanation.record, self._evidence
        rules = [self._rule(entry) for entry in evidence["trace"] if entry["kind"] != "assumption"]
        assumptions = [self._assumption(entry) for entry in evidence["trace"] if entry["kind"] == "assumption"]
        receipt: dict[str, Any] = {"index": record.index}
        if self._explanation.leaf is not None:
            receipt["leaf"] = self._explanation.leaf
        return {
            "format": EXPLANATION_FORMAT,
            "language": self._speech.language if self._speech is not None else None,
            "record": record.index,
            "sealed_at": record.timestamp,
            "decided_at": evidence["decided_at"],
            "legal_date": evidence["legal_date"],
            "impact": self._impact(),
            "rules": rules,
            "assumptions": [each for each in assumptions if not each["rule"].startswith(_POLICY)],
            "policies": self._policies(),
            "effects": evidence["effects"],
            "facts": evidence["facts"],
            "pack": self._pack(),
            "modules": evidence["modules"],
            "recomputed": _tally([*rules, *assumptions]),
            "observation": evidence["observation"],
            "evidence": record.detail["evidence"],
            "receipt": receipt,
        }

    # --- rules --------------------------------------------------------------------------------------------------------

    def _rule(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        judged = self._judged(entry)
        kind = {"impact": "row"}.get(entry["kind"], entry["kind"])
        told = {name: entry[name] for name in ("rule", "kind", "status", "value", "expression")}
        more = {
            "unit": entry.get("unit"),
            "text": self._sayings.text(kind, entry["rule"], entry.get("says")),
            "because": entry.get("because"),
        }
        told |= {name: value for name, value in more.items() if value is not None}
        told["cite"] = self._sayings.cites(entry["cite"])
        told["reads"] = [self._sayings.read(each) for each in entry["reads"]]
        rows = self._reasons.rows(f"m.{entry['rule']}", (entry["rule"],)) if kind == "measure" else None
        why = [] if rows is not None else self._reasons.why(entry, judged)
        told["recomputed"] = self._compared(entry, judged, rows)
        return told | ({"rows": rows} if rows is not None else {}) | ({"why": why} if why else {})

    def _judged(self, entry: Mapping[str, Any]) -> Judged | None:
        if not entry["expression"] or entry["status"] == Status.SKIPPED or entry["kind"] == "call":
            return None
        return self._sealed.judge_entry(entry)

    def _compared(self, entry: Mapping[str, Any], judged: Judged | None, rows: list[dict[str, Any]] | None) -> str:
        """Say whether judging again by what was read gives what was sealed."""
        if judged is None:
            is_rule = entry["status"] != Status.SKIPPED and entry["kind"] != "call" and entry["expression"]
            return "not-possible" if is_rule else "not-tried"
        value = judged.value if judged.is_known else None
        expected = entry["value"]
        if entry["kind"] == "impact":
            # A row that holds may still be undecided: the period of one of its duties is not known.
            return _same(value is True or (expected is None and not judged.is_known))
        if entry["kind"] == "measure" and (rows is not None or is_table(entry)):
            return self._compared_table(entry, judged, rows)
        if entry["status"] == Status.INDETERMINATE and judged.is_known and self._speech is None:
            return "not-possible"  # it may be a table, of which the evidence shows the first row alone
        if entry["status"] == Status.INDETERMINATE:
            # An assumption may apply and still give no value: what it would stand for is not known.
            return _same(not judged.is_known or (entry["kind"] == "assumption" and value is True))
        return _same(judged.is_known and type(value) is type(expected) and value == expected)

    def _compared_table(self, entry: Mapping[str, Any], judged: Judged, rows: list[dict[str, Any]] | None) -> str:
        """Compare a table: the rows that are named hold; without the pack, the condition that was sealed of them."""
        if rows is None:
            return "not-possible" if str(entry["because"]).startswith(NO_ROW) else _same(judged.value is True)
        holds = any(row["holds"] is True for row in rows)
        return _same(entry["value"] is None or holds != str(entry.get("because", "")).startswith(NO_ROW))

    def _assumption(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        told = self._rule(entry)
        found = stood_for(entry)
        return told | ({"stands_for": found[0]} if found else {})

    # --- the rest -----------------------------------------------------------------------------------------------------

    def _impact(self) -> dict[str, Any]:
        impact = self._evidence["impact"]
        row = next((each["rule"] for each in self._evidence["trace"] if each["kind"] == "impact"), "")
        is_decided = impact["outcome"] != INDETERMINATE
        told = {
            "outcome": impact["outcome"],
            "severity": impact["severity"],
            "reason": self._sayings.say(f"row {row}", impact["reason"]) if is_decided else impact["reason"],
            "decided_by": row,
            "obligations": [
                {
                    **each,
                    "text": self._sayings.say(f"obligation {row}/{each['id']}", each["text"]),
                    "source": self._sayings.cite(each["cite"]).get("source"),
                }
                for each in impact["obligations"]
            ],
        }
        return told | ({"text": self._speech.outcome(impact["outcome"])} if self._speech is not None else {})

    def _policies(self) -> list[dict[str, Any]]:
        """Tell which readings of disputed texts were followed; without the pack, which switch stood how."""
        if self._speech is None:
            entries = [each for each in self._evidence["trace"] if each["rule"].startswith(_POLICY)]
            return [self._switch(each) for each in entries if each["kind"] == "assumption"]
        known = self._sealed.values()
        for entry in self._evidence["trace"]:
            found = stood_for(entry)
            if found is not None:
                known.setdefault(*found)
        told = [
            (policy, self._speech.reading(policy, str(known[policy.path])))
            for policy in self._speech.pack.policies
            if policy.path in known
        ]
        return [
            {**reading, "cite": self._sayings.cites(reading["cite"]), "chosen_by": self._chosen(policy.path)}
            for policy, reading in told
            if reading is not None
        ]

    def _switch(self, entry: Mapping[str, Any]) -> dict[str, Any]:
        found = stood_for(entry)
        return {
            "id": entry["rule"].removeprefix(_POLICY),
            "reading": found[1] if found else None,
            "text": entry.get("says"),
            "cite": self._sayings.cites(entry["cite"]),
            "status": "unknown",
            "chosen_by": "default",
        }

    def _chosen(self, path: str) -> str:
        return "facts" if path in self._sealed.given else "default"

    def _pack(self) -> dict[str, Any]:
        pack = dict(self._evidence["pack"])
        if self._explanation.superseded_by is not None:
            pack["superseded_by"] = dict(self._explanation.superseded_by)
        if self._speech is not None:
            return {**pack, "kept": True, "title": self._speech.title(), "languages": list(self._speech.languages)}
        lost = self._explanation.lost
        code, message = (lost.code, lost.message) if lost is not None else ("pack-not-read", "nobody looked for it")
        return {**pack, "kept": False, "lost": {"code": code, "message": message}}


def _same(is_same: bool) -> str:
    return "same" if is_same else "differs"


def _tally(rules: list[dict[str, Any]]) -> dict[str, Any]:
    """Count how many rules came out the same when judged again, and name those that did not."""
    return {
        "same": sum(each["recomputed"] == "same" for each in rules),
        "differing": [each["rule"] for each in rules if each["recomputed"] == "differs"],
        "not_possible": [each["rule"] for each in rules if each["recomputed"] == "not-possible"],
    }
