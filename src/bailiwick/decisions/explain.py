"""Say why: a sealed decision, read back from its record and evidence, as JSON and as a tree for people."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bailiwick.decisions.seal import SEALED
from bailiwick.errors import NotFound
from bailiwick.model import Record
from bailiwick.ports import BlobStore
from bailiwick.schema import parse_document

EXPLANATION_FORMAT = "bailiwick-explanation/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Branch:
    """One line of an explanation, and what it rests on."""

    text: str
    branches: tuple[Branch, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """A sealed decision with all that it rested on; the digest of the evidence was checked against the record."""

    record: Record
    evidence: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        """Give the explanation as JSON, in a versioned form."""
        return {
            "format": EXPLANATION_FORMAT,
            "record": self.record.index,
            "sealed_at": self.record.timestamp,
            **{key: value for key, value in self.evidence.items() if key not in ("format", "salt")},
        }

    def tree(self) -> Branch:
        """Give the explanation as a tree: outcome, duties, rules with values and citations, assumptions, origin."""
        impact = self.evidence["impact"]
        return Branch(
            text=f"record {self.record.index}: {impact['outcome']}, judged as if on {self.evidence['legal_date']}",
            branches=(
                Branch(text=impact["reason"]),
                *(_obligation(each) for each in impact["obligations"]),
                *(Branch(text=f"asks for {each['type']}") for each in self.evidence["effects"]),
                *_rules(self.evidence["trace"]),
                self._origin(),
            ),
        )

    def _origin(self) -> Branch:
        pack = self.evidence["pack"]
        modules = (Branch(text=f"read by module {each['name']} {each['digest']}") for each in self.evidence["modules"])
        return Branch(
            text="origin",
            branches=(
                Branch(text=f"pack {pack['name']} {pack['version']} {pack['digest']}"),
                *modules,
                Branch(text=f"observation {self.evidence['observation']}"),
                Branch(text=f"evidence {self.record.detail['evidence']}"),
                Branch(text=f"decided at {self.evidence['decided_at']}"),
            ),
        )


def explain(tenant: str, record: Record, blobs: BlobStore) -> Explanation:
    """Read a decision's evidence back.

    Raises:
        NotFound: the record is not a decision (code ``record-not-decision``), or its evidence is not kept.
        Unavailable: the evidence was altered after it was kept.
    """
    if record.event_type != SEALED:
        raise NotFound(
            f"record {record.index} is {record.event_type}, not a decision",
            hint="bailiwick ledger tail shows which records are decisions",
            code="record-not-decision",
        )
    evidence: Any = parse_document(blobs.get(tenant, str(record.detail["evidence"]), record.resource))
    return Explanation(record=record, evidence=evidence)


def _obligation(obligation: dict[str, Any]) -> Branch:
    within = obligation["within_minutes"]
    deadline = "" if within is None else f", within {_duration(within)} of learning of it"
    due = f", by {obligation['due_at']}" if obligation["due_at"] else ""
    return Branch(text=f"must: {obligation['text'].rstrip('.')}{deadline}{due} [{obligation['cite']}]")


def _duration(minutes: int) -> str:
    """Write minutes as people do.

    >>> _duration(480), _duration(90)
    ('8 hours', '1 hour 30 minutes')
    """
    hours, rest = divmod(minutes, 60)
    parts = [(hours, "hour"), (rest, "minute")]
    return " ".join(f"{count} {unit}{'' if count == 1 else 's'}" for count, unit in parts if count) or "no time"


_HEADINGS = {
    "impact": "rules tried, in order",
    "measure": "measurements",
    "row": "rules tried, in order",
    "assumption": "assumed, because the facts cannot say",
    "effect": "effects considered",
}
"""What a kind of rule is called, in the order in which people ask for it."""


def _rules(trace: list[dict[str, Any]]) -> tuple[Branch, ...]:
    grouped: dict[str, list[Branch]] = {}
    for entry in trace:
        grouped.setdefault(_HEADINGS.get(entry["kind"], entry["kind"]), []).append(_rule(entry))
    order = dict.fromkeys([*_HEADINGS.values(), *grouped])
    return tuple(Branch(text=heading, branches=tuple(grouped[heading])) for heading in order if heading in grouped)


def _rule(entry: dict[str, Any]) -> Branch:
    unit = f" {entry['unit']}" if "unit" in entry else ""
    value = entry["status"] if entry["status"] != "computed" else f"{_word(entry['value'])}{unit}"
    cites = f" [{'; '.join(entry['cite'])}]" if entry["cite"] else ""
    says = [Branch(text=entry[key]) for key in ("says", "because") if key in entry]
    return Branch(text=f"{entry['rule']} = {value}{cites}", branches=(*says, *(_read(each) for each in entry["reads"])))


def _read(read: dict[str, Any]) -> Branch:
    if read.get("unknown"):
        return Branch(text=f"{read['path']} is not known")
    unit = f" {read['unit']}" if "unit" in read else ""
    since = f", in force from {read['from']}" if "from" in read else ""
    cite = f" [{read['cite']}]" if "cite" in read else ""
    return Branch(text=f"{read['path']} is {_word(read['value'])}{unit}{since}{cite}")


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ", ".join(map(_word, value))
    return "nothing" if value is None else str(value)
