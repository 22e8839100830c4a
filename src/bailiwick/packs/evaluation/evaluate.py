"""Facts and a date become a decision: pure, the same each time, with a trace of every rule.

    inputs ─▶ parameters of the day ─▶ assumptions ─▶ measures, level by level ─▶ impact rows ─▶ effects

A value that is absent, ill-typed or not yet law makes whatever needs it indeterminate, with the cause; it is never
taken for false, and no later row is taken past a row that could not be decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from bailiwick.model import (
    INTEGER_MAX,
    Decision,
    Effect,
    Impact,
    JsonValue,
    Measurement,
    Obligation,
    Read,
    Status,
    TraceEntry,
)
from bailiwick.packs.format.pack import (
    INDETERMINATE,
    Assumption,
    Duty,
    EffectRule,
    ImpactRow,
    InputField,
    Measure,
    Pack,
    Table,
    TableRow,
)
from bailiwick.packs.format.parameters import in_force, not_yet
from bailiwick.packs.language.dates import check_date, due_at
from bailiwick.packs.language.expressions import CAUSES_MAX, Answer, Expression, is_of_type

WITHIN_MINUTES_MAX = 52_596_000
"""Longest period of an obligation: 100 years of 365.25 days, in minutes."""

UNKNOWN_SEVERITY = "unknown"

_TYPE_WORDS = {bool: "boolean", int: "integer", str: "string", list: "list", dict: "object"}


def evaluate(
    pack: Pack,
    facts: Mapping[str, JsonValue],
    legal_date: str,
    known_at: str | None = None,
    *,
    open_paths: frozenset[str] = frozenset(),
) -> Decision:
    """Judge facts by a pack.

    Args:
        pack: Loaded and checked.
        facts: JSON without floats; normally what ``pack.check_input`` accepted. No fault in them raises.
        legal_date: ``YYYY-MM-DD``: by the law of which day.
        known_at: RFC 3339: when whoever owes the duty learned of it; gives obligations their moment.
        open_paths: Absent facts that may still come (``in.…``): not even their absence is known, and no assumption
            stands for them. What is decided nevertheless stays so, whatever they turn out to be.

    Raises:
        UsageRefused: ``legal_date`` is not a date.

    Cost: about 10 microseconds a rule, most of it the trace.
    """
    return _Evaluation(pack, facts, check_date(legal_date), known_at, open_paths).decide()


class _Evaluation:
    """One decision in the making."""

    __slots__ = (
        "absent",
        "causes",
        "known_at",
        "legal_date",
        "measurements",
        "open_paths",
        "pack",
        "reads",
        "scope",
        "trace",
        "values",
    )

    def __init__(
        self,
        pack: Pack,
        facts: Mapping[str, JsonValue],
        legal_date: str,
        known_at: str | None,
        open_paths: frozenset[str],
    ) -> None:
        self.pack, self.legal_date, self.known_at, self.open_paths = pack, legal_date, known_at, open_paths
        self.values: dict[str, JsonValue] = {}
        """What is known, by the engine's names."""
        self.causes: dict[str, tuple[str, ...]] = {}
        """Why a path has no value."""
        self.reads: dict[str, Read] = {}
        self.absent: set[str] = set()
        self.trace: list[TraceEntry] = []
        self.measurements: list[Measurement] = []
        for field in pack.inputs:
            self._bind_input(field, facts)
        self._bind_parameters()
        self.scope: Any = None

    def decide(self) -> Decision:
        self._enter(self.pack.assumption_names)
        self._assume()
        for level in self.pack.levels:
            self._enter(level.names)
            for rule in level.rules:
                if isinstance(rule, Measure):
                    self._measure(rule)
                else:
                    self._table(rule)
        self._enter(self.pack.impact_names)
        impact = self._impact()
        effects = tuple(effect for rule in self.pack.effects if (effect := self._effect(rule, impact)) is not None)
        return Decision(measurements=tuple(self.measurements), impact=impact, effects=effects, trace=tuple(self.trace))

    def _enter(self, names: frozenset[str]) -> None:
        """Bind what the next rules read, as far as it is known."""
        values = self.values
        self.scope = self.pack.language.scope({name: values[name] for name in names if name in values})

    # --- what is known ------------------------------------------------------------------------------------------------

    def _bind_input(self, field: InputField, facts: Mapping[str, JsonValue]) -> None:
        value: Any = facts
        for key in field.keys:
            value = value.get(key) if isinstance(value, Mapping) else None
        path = field.path
        if value is None and path in self.open_paths:
            self.causes[path] = field.missing
            self.reads[path] = field.unknown
            return
        self.values[field.asking_name] = value is not None
        if value is None:
            self.absent.add(path)
            self.causes[path] = field.missing
            self.reads[path] = field.unknown
        elif fault := _input_fault(field, value):
            self.causes[path] = (fault,)
            self.reads[path] = field.unknown
        else:
            self.values[field.engine_name] = value
            self.reads[path] = Read(path=path, value=value, unit=field.unit)

    def _bind_parameters(self) -> None:
        for parameter in self.pack.parameters:
            path = parameter.path
            dated = in_force(parameter, self.legal_date)
            if dated is None:
                self.causes[path] = (not_yet(parameter, self.legal_date),)
                self.reads[path] = Read(path=path, value=None, is_known=False, unit=parameter.unit)
            else:
                self.values[path] = dated.value
                self.reads[path] = dated.read

    # --- assumptions --------------------------------------------------------------------------------------------------

    def _assume(self) -> None:
        """Apply assumptions. All see the facts as given, so that their order does not matter."""
        pack = self.pack
        assumed: dict[str, tuple[str, JsonValue]] = {}
        applied = pack.assumption_conditions.answers(self.scope, self.causes)
        for assumption, (holds, causes) in zip(pack.assumptions, applied, strict=True):
            path = assumption.path
            if path is None:
                if holds is not False:
                    self._note_assumption(assumption, holds, "; ".join(causes) or None)
            elif path in self.absent and path not in assumed:
                if holds is not True or assumption.value is None:
                    self._do_without(assumption, path, holds, causes)
                    continue
                value, unknown = assumption.value.answer(self.scope, self.causes)
                if unknown:
                    self._do_without(assumption, path, None, unknown)
                    continue
                assumed[path] = (assumption.id, value)
                self._note_assumption(assumption, True, f"stands for {path}: {_told(value)}")
        self._adopt(assumed)

    def _do_without(self, assumption: Assumption, path: str, holds: JsonValue, causes: tuple[str, ...]) -> None:
        """Keep that an assumption gives an absent input no value; where it may yet, no later one stands before it."""
        self._note_assumption(assumption, holds, "; ".join(causes) or None)
        self.causes[path] = causes or self.causes[path]
        if self.open_paths and self._waits(causes):
            self.absent.discard(path)

    def _waits(self, causes: tuple[str, ...]) -> bool:
        """Say whether a fact that may still come is among the causes, or may be behind the last one that is named."""
        is_open = any(cause.removeprefix("missing: ") in self.open_paths for cause in causes)
        return is_open or len(causes) == CAUSES_MAX

    def _adopt(self, assumed: Mapping[str, tuple[str, JsonValue]]) -> None:
        """Let what was assumed stand for the inputs; every read of one says so."""
        for field in self.pack.inputs:
            if field.path in assumed:
                name, value = assumed[field.path]
                self.values[field.engine_name] = value
                self.reads[field.path] = Read(path=field.path, value=value, unit=field.unit, cite=f"assumption {name}")
                del self.causes[field.path]

    def _note_assumption(self, assumption: Assumption, holds: JsonValue, because: str | None) -> None:
        self.trace.append(
            TraceEntry(
                rule=assumption.id,
                kind="assumption",
                status=Status.INDETERMINATE if holds is None else Status.COMPUTED,
                expression=assumption.when.text,
                value=holds,
                unit=None,
                cite=assumption.cite,
                reads=self._read(assumption.when),
                because=because,
                says=assumption.text if holds is True else None,
            )
        )

    # --- measures and tables ------------------------------------------------------------------------------------------

    def _measure(self, measure: Measure) -> None:
        expression = measure.expression
        answer = expression.answer(self.scope, self.causes)
        because = expression.failed(self.scope) if answer[0] is False else None
        says = measure.says if answer[0] not in (False, None) else None
        self._conclude(measure, expression, answer, measure.cite, because=because, says=says)

    def _table(self, table: Table) -> None:
        row, causes = self._hit(table)
        if row is None:
            first = table.rows[0]
            self._conclude(table, first.when, (None, causes), first.cite, because=None, says=None)
            return
        answer = row.value.answer(self.scope, self.causes)
        because = f"row {row.id}: {row.value.text}"
        self._conclude(table, row.when, answer, row.cite, because=because, says=row.says)

    def _hit(self, table: Table) -> tuple[TableRow | None, tuple[str, ...]]:
        """Find the row that decides, or why none does."""
        hits: list[TableRow] = []
        for row, (holds, causes) in zip(table.rows, table.conditions.answers(self.scope, self.causes), strict=True):
            if causes:
                return None, causes
            if holds is True:
                hits.append(row)
                if table.hit == "first":
                    break
        if not hits:
            return None, (f"table-gap: no row of {table.path} holds",)
        if len(hits) > 1:
            return None, (f"table-overlap: rows {', '.join(row.id for row in hits)} of {table.path} hold at once",)
        return hits[0], ()

    def _conclude(
        self,
        rule: Measure | Table,
        expression: Expression,
        answer: Answer,
        cite: tuple[str, ...],
        *,
        because: str | None,
        says: str | None,
    ) -> None:
        """Keep what a measure came to: for the rules after it, for the reader, and in the trace."""
        value, causes = answer
        path = rule.path
        cause = "; ".join(causes) if causes else None
        status = Status.INDETERMINATE if causes else Status.COMPUTED
        if causes:
            self.causes[path] = causes
        else:
            self.values[path] = value
        self.reads[path] = Read(path=path, value=value, is_known=not causes, unit=rule.unit)
        self.measurements.append(Measurement(id=rule.id, status=status, value=value, unit=rule.unit, cause=cause))
        self.trace.append(
            TraceEntry(
                rule=rule.id,
                kind="measure",
                status=status,
                expression=expression.text,
                value=value,
                unit=rule.unit,
                cite=cite,
                reads=self._read(expression),
                because=cause or because,
                says=says,
            )
        )

    def _read(self, expression: Expression) -> tuple[Read, ...]:
        reads = self.reads
        return tuple([reads[path] for path in expression.reads])

    # --- impact -------------------------------------------------------------------------------------------------------

    def _impact(self) -> Impact:
        outside = self._outside()
        if outside is not None:
            return self._undecided(None, (outside,))
        rows = self.pack.rows
        answers = self.pack.conditions.answers(self.scope, self.causes)
        for position, (row, (holds, causes)) in enumerate(zip(rows, answers, strict=True)):
            if causes:
                return self._undecided(row, causes, after=rows[position + 1 :])
            if holds is True:
                return self._take(row, after=rows[position + 1 :])
            self._note_row(row, Status.COMPUTED, False, row.when.failed(self.scope))
        raise AssertionError("the last row of a pack holds always")

    def _outside(self) -> str | None:
        """Say why the pack has no law for this day, or None."""
        law = self.pack.law
        if self.legal_date < law.valid_from:
            return f"law-not-yet: the pack knows the law from {law.valid_from}, the legal date is {self.legal_date}"
        if law.valid_to is not None and self.legal_date > law.valid_to:
            return f"law-no-more: the pack knows the law until {law.valid_to}, the legal date is {self.legal_date}"
        return None

    def _take(self, row: ImpactRow, after: Sequence[ImpactRow]) -> Impact:
        obligations: list[Obligation] = []
        for duty in row.duties:
            within, causes = duty.within.answer(self.scope, self.causes)
            if type(within) is int and not 0 <= within <= WITHIN_MINUTES_MAX:
                causes = (f"overflow: {duty.within.text} is {within} minutes, not 0 to {WITHIN_MINUTES_MAX}",)
            if causes or type(within) is not int:
                return self._undecided(row, causes, after=after)
            obligations.append(self._obligation(duty, within))
        self._note_row(row, Status.COMPUTED, row.outcome, self._open_end(row), kind="impact")
        self._skip(after)
        return Impact(outcome=row.outcome, severity=row.severity, reason=row.says, obligations=tuple(obligations))

    def _obligation(self, duty: Duty, within: int) -> Obligation:
        due = due_at(self.known_at, within) if self.known_at is not None else None
        return Obligation(id=duty.id, text=duty.text, cite=duty.cite, within_minutes=within, due_at=due)

    def _open_end(self, row: ImpactRow) -> str | None:
        """Say that obligations have no moment, where ``known_at`` was given and is none."""
        if not row.duties or self.known_at is None or due_at(self.known_at, 0) is not None:
            return None
        return f"due_at stays open: known_at {self.known_at[:40]!r} is not an RFC 3339 moment"

    def _undecided(self, row: ImpactRow | None, causes: tuple[str, ...], after: Sequence[ImpactRow] = ()) -> Impact:
        causes = causes[:CAUSES_MAX]
        if row is None:
            reason = "; ".join(causes)
            self.trace.append(
                TraceEntry(
                    rule="law",
                    kind="impact",
                    status=Status.INDETERMINATE,
                    expression="",
                    value=None,
                    unit=None,
                    cite=(self.pack.law.cite,),
                    reads=(),
                    because=reason,
                )
            )
            after = self.pack.rows
        else:
            reason = f"{row.id} cannot be decided: {'; '.join(causes)}"
            self._note_row(row, Status.INDETERMINATE, None, "; ".join(causes), kind="impact")
        self._skip(after)
        return Impact(outcome=INDETERMINATE, severity=UNKNOWN_SEVERITY, reason=reason)

    def _skip(self, rows: Sequence[ImpactRow]) -> None:
        for row in rows:
            self._note_row(row, Status.SKIPPED, None, None)

    def _note_row(
        self, row: ImpactRow, status: Status, value: JsonValue, because: str | None, kind: str = "row"
    ) -> None:
        self.trace.append(
            TraceEntry(
                rule=row.id,
                kind=kind,
                status=status,
                expression=row.when.text,
                value=value,
                unit=None,
                cite=row.cite,
                reads=self._read(row.when) if status is not Status.SKIPPED else (),
                because=because,
                says=row.says if value == row.outcome else None,
            )
        )

    # --- effects ------------------------------------------------------------------------------------------------------

    def _effect(self, rule: EffectRule, impact: Impact) -> Effect | None:
        if impact.outcome not in rule.outcomes:
            self._note_effect(rule, Status.SKIPPED, None, f"the outcome is {impact.outcome}")
            return None
        if rule.when is not None:
            holds, causes = rule.when.answer(self.scope, self.causes)
            if causes or holds is not True:
                status = Status.INDETERMINATE if causes else Status.COMPUTED
                self._note_effect(rule, status, holds, "; ".join(causes) or rule.when.failed(self.scope))
                return None
        notes: list[str] = []
        key = self._text(rule.key, "key", notes) if rule.key is not None else None
        parameters = {name: self._text(each, name, notes) for name, each in rule.parameters.items()}
        self._note_effect(rule, Status.COMPUTED, True, "; ".join(notes) or None)
        return Effect(type=rule.type, key=None if key is None else str(key), parameters=parameters)

    def _text(self, expression: Expression, name: str, notes: list[str]) -> JsonValue:
        """Give the value of a key or parameter; None, with a note, where it has none."""
        value, causes = expression.answer(self.scope, self.causes)
        if causes:
            notes.append(f"no {name}: {', '.join(causes)}")
        return value

    def _note_effect(self, rule: EffectRule, status: Status, value: JsonValue, because: str | None) -> None:
        expressions = [each for each in (rule.when, rule.key, *rule.parameters.values()) if each is not None]
        paths = dict.fromkeys(path for each in expressions for path in each.reads)
        self.trace.append(
            TraceEntry(
                rule=rule.id,
                kind="effect",
                status=status,
                expression=rule.when.text if rule.when is not None else "true",
                value=value,
                unit=None,
                cite=rule.cite,
                reads=tuple(self.reads[path] for path in paths) if status is not Status.SKIPPED else (),
                because=because,
                says=rule.says if value is True else None,
            )
        )


def _input_fault(field: InputField, value: Any) -> str | None:
    """Say why a given value cannot stand for its input, or None."""
    if not is_of_type(value, field.type):
        given = _TYPE_WORDS.get(type(value), "no JSON value")
        return f"ill-typed: {field.path} is {given}, declared {field.type}"
    for item in value if isinstance(value, list) else (value,):
        if type(item) is int and not -INTEGER_MAX <= item <= INTEGER_MAX:
            return f"overflow: {field.path} is beyond 2^53-1"
        if type(item) is str and not _is_well_formed(item):
            return f"ill-typed: {field.path} holds half a character"
    return None


def _is_well_formed(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _told(value: JsonValue) -> str:
    """Write a value as rules write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
