"""Erase a subject: destroy the key of everything that is kept for it, and record that this was done.

A subject is what decisions are about, or one call of a module, with what it took, gave and was told.

The records stay: they hold digests of salted bytes and a keyed name, which tell nothing once the bytes are gone. Replay
and explanation then say that the evidence was erased. The key goes first, the record comes after: killed in between,
the next call finds the key gone and writes the record. What was delivered to receivers is theirs, and is not reached.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from bailiwick.decisions.intake import OBSERVATION_FORMAT
from bailiwick.decisions.seal import EVIDENCE_FORMAT, SEALED
from bailiwick.errors import BailiwickError, HoldStands, NotFound
from bailiwick.ledger import ERASED, Ledger, keeps_something, unnamed_digests
from bailiwick.model import Actor, Draft, JsonValue, Record, check_subject
from bailiwick.ports import BlobStore
from bailiwick.schema import parse_document

SUBJECTS_MAX = 1_000
"""Subjects that one call erases, in number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Erasure:
    """What became of one subject: its records, the blobs that were destroyed (or would be), and the record of that.

    ``record`` is the index of the ``subject.erased`` record: of this erasure, of the earlier one where nothing was left
    to do, or None where nothing was done yet.
    """

    subject: str
    decisions: tuple[int, ...]
    calls: tuple[int, ...]
    blobs: int
    record: int | None

    def to_json(self) -> dict[str, Any]:
        """Give the erasure as JSON."""
        return {
            "subject": self.subject,
            "decisions": list(self.decisions),
            "calls": list(self.calls),
            "blobs": self.blobs,
            "record": self.record,
        }


@dataclass(slots=True)
class _Traces:
    """What the ledger says of one subject."""

    decisions: list[int] = field(default_factory=list)
    calls: list[int] = field(default_factory=list)
    digests: list[str] = field(default_factory=list)
    erased: int | None = None


def subject_of(record: Record) -> str:
    """Give the subject of a decision or of a call of a module.

    Raises:
        NotFound: nothing is kept beside such a record (code ``record-keeps-nothing``).
    """
    if not keeps_something(record):
        raise NotFound(
            f"record {record.index} is {record.event_type}, beside which nothing is kept that could be erased",
            hint="bailiwick ledger find --type decision.sealed, or --type module.called",
            code="record-keeps-nothing",
        )
    return check_subject(record.resource)


@dataclass(frozen=True, slots=True, kw_only=True)
class Eraser:
    """Erases subjects of one tenant."""

    tenant: str
    ledger: Ledger
    blobs: BlobStore
    actor: Actor

    def find(self, subjects: Iterable[str], progress: Callable[[int], None] = lambda _: None) -> list[Erasure]:
        """Say what erasing would destroy, and touch nothing.

        Args:
            subjects: At most ``SUBJECTS_MAX``.
            progress: Called with 1 after each record.

        Raises:
            NotFound: the ledger knows no such subject (code ``subject-not-found``); nothing was erased.
        """
        found = self._traces(subjects, progress)
        return [
            Erasure(
                subject=subject,
                decisions=tuple(traces.decisions),
                calls=tuple(traces.calls),
                blobs=len({*self.blobs.kept_for(self.tenant, subject), *self.unnamed(traces.digests)}),
                record=traces.erased,
            )
            for subject, traces in found.items()
        ]

    def erase(self, subjects: Iterable[str], progress: Callable[[int], None] = lambda _: None) -> list[Erasure]:
        """Destroy what is kept for subjects, durably, and record each; one that was erased before costs nothing.

        Raises:
            NotFound: as ``find``.
            HoldStands: a legal hold covers one of them; nothing was erased.
            Unavailable: a store failed; asking again finishes.
        """
        found = self._traces(subjects, progress)
        for subject in found:
            hold = self.ledger.keeping.held(subject)
            if hold is not None:
                raise HoldStands(
                    f"hold {hold.id} covers {subject}; nothing was erased",
                    hint=f"where the matter is closed: bailiwick ledger hold release {hold.id}",
                    hold=hold.id,
                )
        return [self._erase(subject, traces) for subject, traces in found.items()]

    def _erase(self, subject: str, traces: _Traces) -> Erasure:
        blobs = self.blobs.erase(self.tenant, subject, self.unnamed(traces.digests))
        record = traces.erased
        if blobs or record is None:
            detail: dict[str, JsonValue] = {"subject": subject, "blobs": blobs}
            draft = Draft(event_type=ERASED, resource=subject, detail=detail, actor=self.actor)
            record = self.ledger.record(self.tenant, draft).index
        told = {"decisions": tuple(traces.decisions), "calls": tuple(traces.calls)}
        return Erasure(subject=subject, **told, blobs=blobs, record=record)

    def _traces(self, subjects: Iterable[str], progress: Callable[[int], None]) -> dict[str, _Traces]:
        """Read the ledger once for all subjects."""
        found = {check_subject(subject): _Traces() for subject in subjects}
        if len(found) > SUBJECTS_MAX:
            raise AssertionError(f"at most {SUBJECTS_MAX} subjects at once")
        for record in self.ledger.records():
            progress(1)
            traces = found.get(record.resource)
            if traces is None:
                continue
            if record.event_type == ERASED:
                traces.erased = record.index
            elif keeps_something(record):
                (traces.decisions if record.event_type == SEALED else traces.calls).append(record.index)
                traces.digests += unnamed_digests(record)
                traces.erased = None
        for subject, traces in found.items():
            if not traces.decisions and not traces.calls:
                raise NotFound(
                    f"no decision or call of tenant {self.tenant} is about {subject}",
                    hint="bailiwick ledger erase --record N --dry-run names the subject of record N",
                    code="subject-not-found",
                )
        return found

    def unnamed(self, digests: Sequence[str]) -> list[str]:
        """Keep the digests under which a decision's own blobs are kept; a record could name a pack's, say."""
        return [digest for digest in digests if self._is_personal(digest)]

    def _is_personal(self, digest: str) -> bool:
        try:
            document: Any = parse_document(self.blobs.get(self.tenant, digest))
        except BailiwickError:
            return False  # gone, damaged or no document: there is nothing to tell it from others by
        return isinstance(document, dict) and document.get("format") in (OBSERVATION_FORMAT, EVIDENCE_FORMAT)
