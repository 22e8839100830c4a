"""The main job, one way through: intake, decide, seal, ledger; ``execute`` follows the ledger on its own. Start here.

    raw text ─▶ intake ─▶ decide ─▶ seal ─▶ blobs, then ledger ─▶ receipt

Inputs go through in batches: one flush of the blobs, then one of the ledger, and only then does any answer leave. Blobs
come first, so that a record never stands for evidence that a crash has lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any, TypeAlias

from bailiwick.canonical import canonical_bytes, time_text
from bailiwick.decisions.decide import decide
from bailiwick.decisions.intake import Moment, RawInput, ReadRow, intake, question_of
from bailiwick.decisions.seal import seal, subject_name
from bailiwick.decisions.waiting import Parked, park, taken
from bailiwick.errors import BailiwickError, InputRefused, LedgerPoisoned, ModuleFailed, Unavailable
from bailiwick.model import SALT_BYTES, Actor, Draft, JsonValue, Receipt, Sealed
from bailiwick.packs import CallModule, Pack
from bailiwick.ports import BlobStore, Clock, Entropy, Recorder

BATCH_MAX = 64
"""Decisions that share one flush, and the most that one batch holds in memory."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """The answer to one input: it is durable, and the receipt says where."""

    outcome: str
    evidence: str
    receipt: Receipt
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the answer as JSON; ``record`` is the receipt's index."""
        answer = {
            "record": self.receipt.index,
            "outcome": self.outcome,
            "evidence": self.evidence,
            "receipt": self.receipt.to_json(),
        }
        return answer if self.line is None else {**answer, "line": self.line}


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """An input that was not decided, and why; nothing of it was kept."""

    error: BailiwickError
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the refusal as JSON."""
        error = self.error.to_json()
        return {"error": error if self.line is None else {**error, "line": self.line}}


@dataclass(frozen=True, slots=True, kw_only=True)
class Queued:
    """An input that waits until its module can run: it is kept, and the receipt says where that is recorded."""

    receipt: Receipt
    line: int | None = None

    def to_json(self) -> dict[str, Any]:
        """Give the answer as JSON; ``queued`` is the receipt's index."""
        answer = {"queued": self.receipt.index, "receipt": self.receipt.to_json()}
        return answer if self.line is None else {**answer, "line": self.line}


Answer: TypeAlias = Decided | Queued | Refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop:
    """Everything that deciding for one tenant by one pack needs.

    ``may_wait`` says that an input whose module cannot run now is kept to be decided later; else it is refused at once.
    """

    tenant: str
    pack: Pack
    read_row: ReadRow
    recorder: Recorder
    blobs: BlobStore
    clock: Clock
    entropy: Entropy
    secret: bytes
    actor: Actor
    versions: Mapping[str, JsonValue]
    call_module: CallModule | None = None
    may_wait: bool = False

    def run(
        self,
        inputs: Iterable[RawInput | InputRefused],
        *,
        legal_date: str | None = None,
        batch: int = BATCH_MAX,
    ) -> Iterator[Answer]:
        """Decide inputs in order and give one answer for each, sealed and durable.

        Args:
            inputs: May be endless; an input that could not even be framed stands as its refusal.
            legal_date: ``YYYY-MM-DD`` to judge by; None takes each input's own.
            batch: How many inputs share a flush, 1 to ``BATCH_MAX``; 1 answers each before the next is read.

        Raises:
            LedgerPoisoned, Unavailable: the batch at hand could not be kept; whether it was is unknown, and nothing
                after it was tried.
        """
        if not 1 <= batch <= BATCH_MAX:
            raise AssertionError(f"a batch holds 1 to {BATCH_MAX} inputs")
        source = iter(inputs)
        while taken := list(islice(source, batch)):
            yield from self._decide_batch(taken, legal_date)

    def _decide_batch(self, taken: list[RawInput | InputRefused], legal_date: str | None) -> list[Answer]:
        prepared = [self._prepare(each, legal_date) for each in taken]
        receipts = iter(self._keep(prepared))
        answers: list[Answer] = []
        for each in prepared:
            came, line = each.came, each.line
            if isinstance(came, BailiwickError):
                answers.append(Refused(error=came, line=line))
            elif isinstance(came, Parked):
                answers.append(Queued(receipt=next(receipts), line=line))
            else:
                outcome, evidence = came.decision.impact.outcome, came.evidence.digest
                answers.append(Decided(outcome=outcome, evidence=evidence, receipt=next(receipts), line=line))
        return answers

    def _keep(self, prepared: list[_Prepared]) -> list[Receipt]:
        """Keep the blobs of a batch, then its records: decisions and inputs that wait, and then what waits no more."""
        kept = [(each, *_kept_of(each.came)) for each in prepared if not isinstance(each.came, BailiwickError)]
        blobs = [(blob, draft.resource) for _, found, draft in kept for blob in found]
        if blobs:
            self.blobs.put_many(self.tenant, [blob for blob, _ in blobs], [subject for _, subject in blobs])
        drafts = [draft for _, _, draft in kept]
        drafts += [each.ended for each in prepared if each.ended is not None]
        return self.recorder.record_many(self.tenant, drafts) if drafts else []

    def _prepare(self, each: RawInput | InputRefused, legal_date: str | None) -> _Prepared:
        """Take one input up to its seal; whatever is wrong with it stays its own."""
        if isinstance(each, InputRefused):
            return _Prepared(came=each)
        try:
            sealed = self._seal(each, legal_date)
        except LedgerPoisoned:
            raise
        except Unavailable as error:
            waits = self.may_wait and each.queued is None
            return _Prepared(came=self._park(each, legal_date) if waits else error, line=each.line)
        except (InputRefused, ModuleFailed) as error:
            return _Prepared(came=error, line=each.line, ended=self._ended(each, error.code))
        return _Prepared(came=sealed, line=each.line, ended=self._ended(each))

    def _park(self, raw: RawInput, legal_date: str | None) -> Parked:
        salt = self.entropy.take(SALT_BYTES).hex()
        given: Any = {"legal_date": legal_date, "salt": salt, "secret": self.secret, "actor": self.actor}
        return park(raw, self.pack.name, **given)

    def _ended(self, raw: RawInput, code: str | None = None) -> Draft | None:
        """Draft the record that an input waits no more, where it did."""
        if raw.queued is None:
            return None
        return taken(raw.queued, subject_name(canonical_bytes(question_of(raw)), self.secret), self.actor, code)

    def _seal(self, raw: RawInput, legal_date: str | None) -> Sealed:
        observation = intake(
            self.tenant, raw, self.pack, legal_date=legal_date, moment=self.moment(), read_row=self.read_row
        )
        decision = decide(observation, self.pack, self.call_module)
        return seal(
            observation,
            decision,
            self.pack,
            secret=self.secret,
            actor=self.actor,
            versions=self.versions,
        )

    def moment(self) -> Moment:
        """Draw the salts and the time of one decision."""
        drawn = self.entropy.take(2 * SALT_BYTES).hex()
        return Moment(
            salt=drawn[: 2 * SALT_BYTES],
            evidence_salt=drawn[2 * SALT_BYTES :],
            decided_at=time_text(self.clock.now_ns()),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Prepared:
    """What one input came to before anything is kept, and the draft that ends its waiting."""

    came: Sealed | Parked | BailiwickError
    line: int | None = None
    ended: Draft | None = None


def _kept_of(came: Sealed | Parked | BailiwickError) -> tuple[tuple[bytes, ...], Draft]:
    """Give the blobs and the draft of what is kept."""
    assert not isinstance(came, BailiwickError)
    if isinstance(came, Parked):
        return (came.blob,), came.draft
    return (came.observation.blob, came.evidence.blob), came.draft
