"""The main job, one way through: intake, decide, seal, ledger; ``execute`` follows the ledger on its own. Start here.

    raw text ─▶ intake ─▶ decide ─▶ seal ─▶ blobs, then ledger ─▶ receipt

Inputs go through in batches: one flush of the blobs, then one of the ledger, and only then does any answer leave. Blobs
come first, so that a record never stands for evidence that a crash has lost.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from bailiwick.canonical import time_text
from bailiwick.decisions.decide import decide
from bailiwick.decisions.intake import Moment, RawInput, ReadRow, intake
from bailiwick.decisions.seal import seal
from bailiwick.errors import BailiwickError, InputRefused, LedgerPoisoned, ModuleFailed, Unavailable
from bailiwick.model import SALT_BYTES, Actor, JsonValue, Receipt, Sealed
from bailiwick.packs import Pack
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
class Loop:
    """Everything that deciding for one tenant by one pack needs."""

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

    def run(
        self,
        inputs: Iterable[RawInput | InputRefused],
        *,
        legal_date: str | None = None,
        batch: int = BATCH_MAX,
    ) -> Iterator[Decided | Refused]:
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

    def _decide_batch(self, taken: list[RawInput | InputRefused], legal_date: str | None) -> list[Decided | Refused]:
        prepared = [self._prepare(each, legal_date) for each in taken]
        sealed = [each for each, _ in prepared if isinstance(each, Sealed)]
        receipts = iter(self._keep(sealed))
        return [
            Refused(error=each, line=line)
            if isinstance(each, BailiwickError)
            else Decided(
                outcome=each.decision.impact.outcome,
                evidence=each.evidence.digest,
                receipt=next(receipts),
                line=line,
            )
            for each, line in prepared
        ]

    def _keep(self, sealed: list[Sealed]) -> list[Receipt]:
        if not sealed:
            return []
        self.blobs.put_many(
            self.tenant,
            [blob for each in sealed for blob in (each.observation.blob, each.evidence.blob)],
            [each.draft.resource for each in sealed for _ in range(2)],
        )
        return self.recorder.record_many(self.tenant, [each.draft for each in sealed])

    def _prepare(
        self, each: RawInput | InputRefused, legal_date: str | None
    ) -> tuple[Sealed | BailiwickError, int | None]:
        """Take one input up to its seal; whatever is wrong with it stays its own."""
        if isinstance(each, InputRefused):
            return each, None
        try:
            return self._seal(each, legal_date), each.line
        except LedgerPoisoned:
            raise
        except (InputRefused, ModuleFailed, Unavailable) as error:
            return error, each.line

    def _seal(self, raw: RawInput, legal_date: str | None) -> Sealed:
        observation = intake(
            self.tenant, raw, self.pack, legal_date=legal_date, moment=self.moment(), read_row=self.read_row
        )
        decision = decide(observation, self.pack)
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
