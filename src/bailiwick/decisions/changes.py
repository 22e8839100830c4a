"""What would differ: every decision that some law made, decided again by another law, and compared.

History is replayed from the stored raw text through the new pack, its reader and its schema, as of the same legal date
and with the same salts and times; nothing is recorded. What a decision was is read from its kept evidence. Memory stays
bounded however long the ledger is: changes are given one by one, and only counts are kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

import msgspec

from bailiwick.decisions.decide import decide
from bailiwick.decisions.intake import ReadRow, intake, restore
from bailiwick.decisions.seal import SEALED
from bailiwick.errors import BailiwickError, InputRefused, NotFound, Unavailable
from bailiwick.model import Decision, JsonValue, Record
from bailiwick.packs import CallModule, Pack
from bailiwick.ports import BlobStore

KINDS = ("outcome", "severity", "measures", "obligations", "effects", "refused")
"""In what a decision can differ, the weightiest first; ``refused``: the new law does not accept the input at all."""
RECORDS_PER_GROUP = 64
"""Records between two reports of progress, in number: the most that is held at once."""

_OBLIGATION = ("id", "within_minutes", "due_at")
"""What of an obligation is compared: its duty and its time. Its wording and citation may be mended freely."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """The decisions that are meant: those of a pack by name, of one version or digest where that is given.

    ``since`` and ``until`` bound when they were sealed, as canonical times (UTC, nine digits), the latter not included.
    """

    name: str
    version: str | None = None
    digest: str | None = None
    since: str | None = None
    until: str | None = None

    def has(self, record: Record) -> bool:
        """Say whether a record is one of these decisions."""
        if record.event_type != SEALED:
            return False
        pack: Any = record.detail["pack"]
        return (
            pack["name"] == self.name
            and self.version in (None, pack["version"])
            and self.digest in (None, pack["digest"])
            and (self.since is None or record.timestamp >= self.since)
            and (self.until is None or record.timestamp < self.until)
        )

    def to_json(self) -> dict[str, JsonValue]:
        """Give the selection as JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "digest": self.digest,
            "since": self.since,
            "until": self.until,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A decision that would differ: its record, what it was and would be, and in what it differs.

    ``after`` is None, and ``refusal`` says why, where the new law does not accept the input. ``differences`` has, for
    each kind but ``refused``, the values before and after.
    """

    record: int
    version: str
    before: str
    after: str | None
    kinds: tuple[str, ...]
    differences: Mapping[str, JsonValue]
    refusal: Mapping[str, JsonValue] | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the change as JSON."""
        answer: dict[str, JsonValue] = {
            "record": self.record,
            "version": self.version,
            "before": self.before,
            "after": self.after,
            "kinds": list(self.kinds),
            "differences": dict(self.differences),
        }
        return answer if self.refusal is None else {**answer, "refusal": dict(self.refusal)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """A decision that cannot be compared now: its record, and what is not there."""

    record: int
    why: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give it as JSON."""
        return {"record": self.record, "unavailable": self.why}


@dataclass(slots=True, kw_only=True)
class Tally:
    """What has been counted so far: decisions compared, those that differ, by kind and by outcome."""

    compared: int = 0
    differing: int = 0
    unavailable: int = 0
    kinds: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[tuple[str, str]] = field(default_factory=Counter)

    def count(self, found: Change | Missing | None) -> None:
        """Count one decision: how it differs, that it cannot be compared, or, with None, that it stays as it is."""
        if isinstance(found, Missing):
            self.unavailable += 1
            return
        self.compared += 1
        if found is not None:
            self.differing += 1
            self.kinds.update(found.kinds)
            if "outcome" in found.kinds or "refused" in found.kinds:
                self.outcomes[found.before, found.after or "refused"] += 1

    def to_json(self) -> dict[str, JsonValue]:
        """Give the counts as JSON; ``outcomes`` lists the moves from one outcome to another, most frequent first."""
        moves = sorted(self.outcomes.items(), key=lambda each: (-each[1], each[0]))
        return {
            "compared": self.compared,
            "differing": self.differing,
            "unavailable": self.unavailable,
            "kinds": {kind: self.kinds[kind] for kind in KINDS if self.kinds[kind]},
            "outcomes": [{"before": before, "after": after, "count": count} for (before, after), count in moves],
        }


class Kept(msgspec.Struct, kw_only=True, frozen=True):
    """What is compared of kept evidence: our own bytes, whose digest the record holds. The rest is not even read."""

    measurements: list[dict[str, Any]]
    impact: dict[str, Any]
    effects: list[Any]


_read_kept = msgspec.json.Decoder(Kept).decode


@dataclass(slots=True, kw_only=True)
class Comparer:
    """Compares decisions of one tenant with what a pack would decide; ``tally`` counts as they go by."""

    tenant: str
    pack: Pack
    read_row: ReadRow
    blobs: BlobStore
    call_module: CallModule | None = None
    tally: Tally = field(default_factory=Tally)

    def run(
        self, records: Iterable[Record], selection: Selection, progress: Callable[[int], None] = lambda _: None
    ) -> Iterator[Change | Missing]:
        """Give every selected decision that would differ, or that cannot be compared, in the order of the records.

        Args:
            records: Of the tenant's ledger, in any order; what is not selected is passed over.
            selection: Which decisions.
            progress: Called with the number of records just looked at.
        """
        source = iter(records)
        while group := list(islice(source, RECORDS_PER_GROUP)):
            for record in group:
                if selection.has(record):
                    found = self._compare(record)
                    self.tally.count(found)
                    if found is not None:
                        yield found
            progress(len(group))

    def _compare(self, record: Record) -> Change | Missing | None:
        detail: Any = record.detail
        try:
            raw, legal_date, moment = restore(self.blobs.get(self.tenant, detail["observation"], record.resource))
            kept = _read_kept(self.blobs.get(self.tenant, detail["evidence"], record.resource))
        except (InputRefused, NotFound, Unavailable) as error:
            return Missing(record=record.index, why=error.message)
        except msgspec.MsgspecError as error:
            return Missing(record=record.index, why=f"its evidence is of no known form: {error}")
        try:
            observation = intake(
                self.tenant, raw, self.pack, legal_date=legal_date, moment=moment, read_row=self.read_row
            )
            decision = decide(observation, self.pack, self.call_module)
        except (NotFound, Unavailable) as error:
            return Missing(record=record.index, why=error.message)
        except BailiwickError as error:
            return self._refused(record, error)
        return self._change(record, differences(kept, decision), after=decision.impact.outcome)

    def _refused(self, record: Record, error: BailiwickError) -> Change:
        detail: Any = record.detail
        return Change(
            record=record.index,
            version=detail["pack"]["version"],
            before=detail["outcome"],
            after=None,
            kinds=("refused",),
            differences={},
            refusal={"code": error.code, "message": error.message},
        )

    def _change(self, record: Record, found: dict[str, JsonValue], *, after: str) -> Change | None:
        if not found:
            return None
        detail: Any = record.detail
        return Change(
            record=record.index,
            version=detail["pack"]["version"],
            before=detail["outcome"],
            after=after,
            kinds=tuple(found),
            differences=found,
        )


def differences(kept: Kept, decision: Decision) -> dict[str, JsonValue]:
    """Say in what a decision differs from kept evidence, by kind; empty where it is the same.

    Compared are outcome, severity, the measures that both have, obligations by duty and time, and effects with key and
    parameters. Wording, citations and the trace are not: a text that was mended changes no decision.
    """
    impact = decision.impact
    before = kept.impact
    found: dict[str, JsonValue] = {}
    for kind, after in (("outcome", impact.outcome), ("severity", impact.severity)):
        if before[kind] != after:
            found[kind] = {"before": before[kind], "after": after}
    measures = _measures(kept.measurements, decision)
    if measures:
        found["measures"] = measures
    duties_before: list[Any] = [{name: each[name] for name in _OBLIGATION} for each in before["obligations"]]
    duties_after: list[Any] = [{name: each.to_json()[name] for name in _OBLIGATION} for each in impact.obligations]
    if duties_before != duties_after:
        found["obligations"] = {"before": duties_before, "after": duties_after}
    effects_after: list[Any] = [each.to_json() for each in decision.effects]
    if not _is_same(kept.effects, effects_after):
        found["effects"] = {"before": kept.effects, "after": effects_after}
    return found


def _measures(kept: list[dict[str, Any]], decision: Decision) -> list[JsonValue]:
    """List the measures that both have and that differ in value, unit, or in whether they are known."""
    before = {each["id"]: each for each in kept}
    found: list[JsonValue] = []
    for each in decision.measurements:
        was = before.get(each.id)
        if was is None:
            continue
        after = {"value": each.value, "unit": each.unit}
        earlier = {"value": was["value"], "unit": was.get("unit")}
        if was["status"] != each.status.value or not _is_same(earlier, after):
            found.append({"id": each.id, "before": earlier, "after": after})
    return found


def _is_same(before: Any, after: Any) -> bool:
    """Compare as JSON does: true is not 1.

    >>> _is_same({"late": True}, {"late": 1})
    False
    """
    if type(before) is not type(after):
        return False
    if isinstance(before, dict):
        return before.keys() == after.keys() and all(_is_same(before[key], after[key]) for key in before)
    if isinstance(before, list):
        return len(before) == len(after) and all(map(_is_same, before, after))
    return bool(before == after)
