"""Letting old records and old evidence go without breaking what is not done yet.

The ledger knows ages, policies and holds; this file knows what its records mean: which effects wait, which results must
outlive their decisions, and whose evidence a decision rests on. Evidence is destroyed for whole subjects, once the time
of every decision about them is over, and what a call of a module keeps once the time of its record is. The record of
that comes first: nothing is destroyed that no record tells of.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bailiwick.decisions.effects.folding import NEVER, RESULT, WORDS, ask, asked_by, follow
from bailiwick.decisions.erase import Eraser
from bailiwick.decisions.waiting import TAKEN
from bailiwick.errors import BailiwickError, Unavailable, UsageRefused
from bailiwick.ledger import EXPIRED, QUEUED, Ledger, Needs, Plan, keeps_something, unnamed_digests
from bailiwick.model import Actor, Draft, JsonValue, QueuedEffect, Receipt, check_subject
from bailiwick.ports import BlobStore


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruning:
    """What pruning would do: to the records, and to the evidence of ``subjects``, each with the blobs it names.

    ``size`` is how many records the ledger had, ``policy`` the record of the newest policy.
    """

    records: Plan
    subjects: Mapping[str, tuple[str, ...]]
    blobs: int
    policy: int
    size: int

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON; of the subjects only how many there are."""
        return {**self.records.to_json(), "evidence": {"subjects": len(self.subjects), "blobs": self.blobs}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Went:
    """What went: the archive and the record of the records, and the record of the evidence; None where none went."""

    archive: Path | None
    record: int | None
    evidence_record: int | None

    def to_json(self) -> dict[str, Any]:
        """Give it as JSON."""
        archive = None if self.archive is None else str(self.archive)
        return {"archive": archive, "record": self.record, "evidence_record": self.evidence_record}


@dataclass(slots=True)
class _Asked:
    """Who asked for the effect of one key, which records say something about it, and what they make of it."""

    decisions: list[int] = field(default_factory=list)
    waiting: list[int] = field(default_factory=list)
    words: list[int] = field(default_factory=list)
    effect: QueuedEffect | None = None

    @property
    def is_open(self) -> bool:
        """Say whether something can still become of it by itself."""
        return self.effect is not None and self.effect.state.is_open


def find_needs(ledger: Ledger, sent: Mapping[str, int]) -> Needs:
    """Find what effects, inputs that wait, and sinks need of a ledger's records.

    Args:
        ledger: Read from end to end.
        sent: How many records each sink was sent.

    Cost: about 5 µs a record, and some hundred bytes of memory an effect.
    """
    asked: dict[str, _Asked] = {}
    results: dict[int, tuple[int, ...]] = {}
    queued: set[int] = set()
    for record in ledger.records():
        if record.event_type == QUEUED:
            queued.add(record.index)
        elif record.event_type == TAKEN:
            queued.discard(int(str(record.detail["queued"])))
        for effect in asked_by(record):
            of_key = asked.setdefault(effect.key, _Asked())
            of_key.decisions.append(record.index)
            of_key.waiting.append(record.index)
            of_key.effect = ask(of_key.effect, effect)
        if record.event_type not in WORDS:
            continue
        of_key = asked.setdefault(str(record.detail["key"]), _Asked())
        of_key.effect = follow(of_key.effect, record)
        if record.event_type == RESULT and record.detail.get("delivered") == NEVER:
            ended = int(str(record.detail["record"]))
            results[record.index] = (ended,)
            of_key.waiting = [each for each in of_key.waiting[-1:] if each > ended]
        else:
            of_key.words.append(record.index)
    for of_key in asked.values():
        results.update((word, tuple(of_key.decisions)) for word in of_key.words)
    unfinished = (of_key.waiting for of_key in asked.values() if of_key.is_open and of_key.waiting)
    waiting = frozenset(each for found in unfinished for each in (found[0], found[-1]))
    return Needs(waiting=waiting | queued, results=results, sent=dict(sent))


@dataclass(frozen=True, slots=True, kw_only=True)
class Pruner:
    """Prunes the ledger and the evidence of one tenant. ``sent`` says how many records each of its sinks was sent."""

    tenant: str
    ledger: Ledger
    blobs: BlobStore
    sent: Mapping[str, int]
    actor: Actor

    def plan(
        self,
        *,
        before: str | None = None,
        carry: bool = False,
        today: str | None = None,
        without_sinks: frozenset[str] = frozenset(),
    ) -> Pruning:
        """Say what could go, and touch nothing; ``before``, ``carry`` and ``today`` as ``Keeping.plan`` takes them.

        Args:
            before: No record of that time or later goes, and no evidence of a decision of that time.
            carry: Carry on what must be kept.
            today: The day, where the clock alone is not believed.
            without_sinks: Sinks that need not be waited for.

        Where the ledger's store does not prune, its records stay, and evidence goes all the same.

        Raises:
            UsageRefused: as ``Keeping.plan``, or there is no such sink (code ``sink-unknown``).
        """
        if unknown := without_sinks - self.sent.keys():
            raise UsageRefused(
                f"tenant {self.tenant} has no sink {min(unknown)[:80]!r}",
                hint="bailiwick sinks list",
                code="sink-unknown",
            )
        sent = {name: count for name, count in self.sent.items() if name not in without_sinks}
        needs = find_needs(self.ledger, sent)
        asked: dict[str, Any] = {"before": before, "carry": carry, "today": today, "needs": needs}
        try:
            plan = self.ledger.keeping.plan(**asked)
        except Unavailable as error:
            if error.code != "prune-unsupported":
                raise
            plan = self.ledger.keeping.plan(**asked, has_records=False)
        subjects, policy, size = self._expired(plan)
        blobs = sum(len(self._kept_for(subject, named)) for subject, named in subjects.items())
        return Pruning(records=plan, subjects=subjects, blobs=blobs, policy=policy, size=size)

    def run(
        self,
        pruning: Pruning,
        folder: Path,
        *,
        held: bytes | None,
        unheld: bool = False,
        progress: Callable[[int], None] = lambda _: None,
    ) -> Went:
        """Destroy the evidence whose time is over, then archive the records that go, and delete them.

        Interrupted, it is asked for again and goes on. Where a plan has evidence alone, no record is deleted.

        Args:
            pruning: As ``plan`` gave it.
            folder: Where archives are kept.
            held: A checkpoint that somebody else holds.
            unheld: Nobody holds one, and that is accepted.
            progress: Told how many records were archived since it was last told.

        Raises:
            HoldStands, UsageRefused, LedgerBroken, Unavailable: as ``Keeping.archive`` and ``Keeping.prune``.
        """
        keeping, plan = self.ledger.keeping, pruning.records
        has_records = plan.stop > plan.start
        if not has_records and not pruning.subjects:
            keeping.archive(plan, folder)  # says why there is nothing
        if has_records:
            keeping.check_held(plan, held, unheld)
        archive = keeping.archive(plan, folder, progress) if has_records else None
        destroyed = self.expire(pruning)
        receipt = None
        if archive is not None:
            receipt = keeping.prune(plan, archive, self.actor, held=held, unheld=unheld)
        return Went(
            archive=archive.path if archive else None,
            record=receipt.index if receipt else None,
            evidence_record=destroyed.index if destroyed else None,
        )

    def expire(self, pruning: Pruning) -> Receipt | None:
        """Record that the time of evidence is over, then destroy it; None where there is none.

        Raises:
            UsageRefused: a policy or hold was recorded since the plan (code ``prune-changed``).
            Unavailable: a store failed; asking again finishes.
        """
        rules = self.ledger.keeping.rules()
        if rules.changes != pruning.records.changes:
            raise UsageRefused(
                "the ledger is not as it was planned for: a policy or hold was recorded meanwhile",
                hint="plan again",
                code="prune-changed",
            )
        anew = {record.resource for record in self.ledger.records(pruning.size) if keeps_something(record)}
        subjects = {name: named for name, named in pruning.subjects.items() if name not in anew}
        if not subjects:
            return None
        names = "".join(f"{subject}\n" for subject in sorted(subjects))
        detail: dict[str, JsonValue] = {
            "blobs": sum(len(self._kept_for(subject, named)) for subject, named in subjects.items()),
            "digest": f"sha256:{hashlib.sha256(names.encode()).hexdigest()}",
            "policy": pruning.policy,
            "subjects": len(subjects),
            "today": pruning.records.today,
        }
        draft = Draft(event_type=EXPIRED, resource="ledger", detail=detail, actor=self.actor)
        receipt = self.ledger.record(self.tenant, draft)
        for subject, named in subjects.items():
            self.blobs.erase(self.tenant, subject, self._unnamed(named))
        return receipt

    def _expired(self, plan: Plan) -> tuple[dict[str, tuple[str, ...]], int, int]:
        """Find the subjects of which all that is kept is old, and something is kept still."""
        rules, size = self.ledger.keeping.rules(), self.ledger.size()
        found: dict[str, list[str]] = {}
        staying: set[str] = set()
        for record in self.ledger.records(0, size) if rules.policies else ():
            if not keeps_something(record):
                continue
            subject, time = record.resource, record.timestamp
            is_old = rules.is_evidence_expired(record.event_type, time, record.index, plan.today)
            is_old = is_old and (plan.before is None or time < plan.before)
            if not is_old or record.index in plan.needs.waiting or rules.hold_of(subject, time) is not None:
                staying.add(subject)
                found.pop(subject, None)
            elif subject not in staying:
                found.setdefault(subject, []).extend(unnamed_digests(record))
        kept = {subject: tuple(named) for subject, named in found.items() if self._kept_for(subject, named)}
        return kept, rules.policies[-1][0] if rules.policies else 0, size

    def _kept_for(self, subject: str, named: list[str] | tuple[str, ...]) -> set[str]:
        """Give the digests of what is kept for a subject; none for what cannot be one."""
        try:
            check_subject(subject)
        except BailiwickError:
            return set()  # a record of another shape than a decision's: nothing was ever kept for it
        return {*self.blobs.kept_for(self.tenant, subject), *self._unnamed(named)}

    def _unnamed(self, named: list[str] | tuple[str, ...]) -> list[str]:
        return Eraser(tenant=self.tenant, ledger=self.ledger, blobs=self.blobs, actor=self.actor).unnamed(named)
