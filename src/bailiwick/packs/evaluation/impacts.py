"""Impact rows and effects: the first row that holds decides, and nothing is taken past a row that is not known."""

from __future__ import annotations

from bailiwick.model import Effect, Impact, JsonValue, Obligation, Read, Status, TraceEntry
from bailiwick.packs.evaluation.effects import AskedEffect
from bailiwick.packs.evaluation.hearing import COMPUTED, INDETERMINATE, SKIPPED, Hearing
from bailiwick.packs.format.pack import INDETERMINATE as UNDECIDED
from bailiwick.packs.format.pack import Duty, ImpactRow, Pack
from bailiwick.packs.language.dates import due_at
from bailiwick.packs.language.expressions import CAUSES_MAX
from bailiwick.packs.language.together import Judged, Run, Together, taking

WITHIN_MINUTES_MAX = 52_596_000
"""Longest period of an obligation: 100 years of 365.25 days, in minutes."""

UNKNOWN_SEVERITY = "unknown"


class Conclusion:
    """A pack's impact rows and effects, ready to be judged together."""

    def __init__(self, pack: Pack) -> None:
        expressions = [
            *(each for row in pack.rows for each in row.expressions),
            *(each for effect in pack.effects for each in effect.expressions),
        ]
        self._law = pack.law
        self._together = Together(pack.language, expressions)
        members = dict(zip(map(id, expressions), self._together.members, strict=True))
        self._rows = tuple(_Row(row, members) for row in pack.rows)
        self._effects = tuple(AskedEffect(rule, members) for rule in pack.effects)

    def reach(self, hearing: Hearing) -> tuple[Impact, tuple[Effect, ...]]:
        """Conclude the case: its impact, and the effects that are asked for."""
        known = hearing.known
        run = self._together.judge(known.values, known.unknown, known.causes)
        impact = self._impact(hearing, run)
        effects = [each.ask(hearing, run, impact) for each in self._effects]
        return impact, tuple(effect for effect in effects if effect is not None)

    def _impact(self, hearing: Hearing, run: Run) -> Impact:
        outside = self._outside(hearing.legal_date)
        if outside is not None:
            return self._without_law(hearing, outside)
        for position, row in enumerate(self._rows):
            holds, causes = row.when.answer(run)
            if holds is False:
                row.note(hearing, COMPUTED, False, row.when.failed(run))
                continue
            impact = row.take(hearing, run) if not causes else row.leave(hearing, causes)
            for later in self._rows[position + 1 :]:
                hearing.trace.append(later.skipped)
            return impact
        raise AssertionError("the last row of a pack holds always")

    def _outside(self, legal_date: str) -> str | None:
        """Say why the pack has no law for this day, or None."""
        law = self._law
        if legal_date < law.valid_from:
            return f"law-not-yet: the pack knows the law from {law.valid_from}, the legal date is {legal_date}"
        if law.valid_to is not None and legal_date > law.valid_to:
            return f"law-no-more: the pack knows the law until {law.valid_to}, the legal date is {legal_date}"
        return None

    def _without_law(self, hearing: Hearing, reason: str) -> Impact:
        hearing.trace.append(
            TraceEntry(
                rule="law",
                kind="impact",
                status=INDETERMINATE,
                expression="",
                value=None,
                cite=(self._law.cite,),
                reads=(),
                because=reason,
            )
        )
        hearing.trace.extend(row.skipped for row in self._rows)
        return Impact(outcome=UNDECIDED, severity=UNKNOWN_SEVERITY, reason=reason)


class _Row:
    """One impact row, its condition and the periods of its obligations among those that are judged together."""

    __slots__ = ("_row", "_take", "_within", "skipped", "when")

    def __init__(self, row: ImpactRow, members: dict[int, Judged]) -> None:
        self._row = row
        self._take = taking(row.when.reads)
        self._within = tuple((duty, members[id(duty.within)]) for duty in row.duties)
        self.when = members[id(row.when)]
        self.skipped = self._entry((), SKIPPED, None, None)

    def take(self, hearing: Hearing, run: Run) -> Impact:
        """Give the consequence; it is left where the period of an obligation is not known."""
        row = self._row
        obligations: list[Obligation] = []
        for duty, judged in self._within:
            within, causes = judged.answer(run)
            if type(within) is int and not 0 <= within <= WITHIN_MINUTES_MAX:
                causes = (f"overflow: {duty.within.text} is {within} minutes, not 0 to {WITHIN_MINUTES_MAX}",)
            if causes or type(within) is not int:
                return self.leave(hearing, causes)
            obligations.append(_obligation(duty, within, hearing.known_at))
        self.note(hearing, COMPUTED, row.outcome, self._open_end(hearing.known_at), kind="impact")
        return Impact(outcome=row.outcome, severity=row.severity, reason=row.says, obligations=tuple(obligations))

    def leave(self, hearing: Hearing, causes: tuple[str, ...]) -> Impact:
        """Say that this row cannot be decided, and so nothing can."""
        because = "; ".join(causes[:CAUSES_MAX])
        self.note(hearing, INDETERMINATE, None, because, kind="impact")
        reason = f"{self._row.id} cannot be decided: {because}"
        return Impact(outcome=UNDECIDED, severity=UNKNOWN_SEVERITY, reason=reason)

    def note(self, hearing: Hearing, status: Status, value: JsonValue, because: str | None, kind: str = "row") -> None:
        """Put the row in the trace."""
        hearing.trace.append(self._entry(self._take(hearing.known.reads), status, value, because, kind))

    def _entry(
        self, reads: tuple[Read, ...], status: Status, value: JsonValue, because: str | None, kind: str = "row"
    ) -> TraceEntry:
        row = self._row
        return TraceEntry(
            rule=row.id,
            kind=kind,
            status=status,
            expression=row.when.text,
            value=value,
            cite=row.cite,
            reads=reads,
            because=because,
            says=row.says if value == row.outcome else None,
        )

    def _open_end(self, known_at: str | None) -> str | None:
        """Say that obligations have no moment, where ``known_at`` was given and is none."""
        if not self._within or known_at is None or due_at(known_at, 0) is not None:
            return None
        return f"due_at stays open: known_at {known_at[:40]!r} is not an RFC 3339 moment"


def _obligation(duty: Duty, within: int, known_at: str | None) -> Obligation:
    due = due_at(known_at, within) if known_at is not None else None
    return Obligation(id=duty.id, text=duty.text, cite=duty.cite, within_minutes=within, due_at=due)
