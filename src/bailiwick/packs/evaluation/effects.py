"""Effects that a decision asks for: acts in the world, with their parameters and the key that makes two of them one."""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.model import Effect, Impact, JsonValue, Read, Status, TraceEntry
from bailiwick.packs.evaluation.hearing import COMPUTED, INDETERMINATE, SKIPPED, Hearing
from bailiwick.packs.format.pack import Approval, EffectRule
from bailiwick.packs.language.together import Judged, Run, taking

VIOLATIONS_TOLD_MAX = 3
"""Most violations of an effect's schema that a trace tells."""


class AskedEffect:
    """One effect rule, its expressions among those that are judged together."""

    __slots__ = ("_key", "_parameters", "_rule", "_take", "_when")

    def __init__(self, rule: EffectRule, members: Mapping[int, Judged]) -> None:
        self._rule = rule
        self._take = taking(tuple(dict.fromkeys(path for each in rule.expressions for path in each.reads)))
        self._when = members[id(rule.when)] if rule.when is not None else None
        self._key = members[id(rule.key)] if rule.key is not None else None
        self._parameters = {name: members[id(each)] for name, each in rule.parameters.items()}

    def ask(self, hearing: Hearing, run: Run, impact: Impact) -> Effect | None:
        """Give the effect if it is asked for, and note either way."""
        rule = self._rule
        if impact.outcome not in rule.outcomes:
            self._note(hearing, SKIPPED, None, f"the outcome is {impact.outcome}")
            return None
        if self._when is not None:
            holds, causes = self._when.answer(run)
            if holds is not True:
                status = INDETERMINATE if causes else COMPUTED
                self._note(hearing, status, holds, "; ".join(causes) or self._when.failed(run))
                return None
        notes: list[str] = []
        key = _text(self._key, "key", run, notes) if self._key is not None else None
        parameters = {name: _text(each, name, run, notes) for name, each in self._parameters.items()}
        broken = _broken(rule, parameters)
        if broken is not None:
            self._note(hearing, COMPUTED, False, "; ".join([broken, *notes]))
            return None
        self._note(hearing, COMPUTED, True, "; ".join(notes) or None)
        approval = None if rule.approval is None else _terms(rule.approval)
        return Effect(type=rule.type, key=None if key is None else str(key), parameters=parameters, approval=approval)

    def _note(self, hearing: Hearing, status: Status, value: JsonValue, because: str | None) -> None:
        rule = self._rule
        reads: tuple[Read, ...] = self._take(hearing.known.reads) if status is not SKIPPED else ()
        hearing.trace.append(
            TraceEntry(
                rule=rule.id,
                kind="effect",
                status=status,
                expression=rule.when.text if rule.when is not None else "true",
                value=value,
                cite=rule.cite,
                reads=reads,
                because=because,
                says=rule.says if value is True else None,
            )
        )


def _broken(rule: EffectRule, parameters: Mapping[str, JsonValue]) -> str | None:
    """Say how parameters break the schema of their effect, or None; such an effect is not asked for."""
    if rule.contract is None:
        return None
    told = [f"{each.path or '/'}: {each.message}" for each in rule.contract.violations(dict(parameters))]
    return f"the parameters break {rule.schema}: " + "; ".join(told[:VIOLATIONS_TOLD_MAX]) if told else None


def _terms(approval: Approval) -> dict[str, int]:
    return {} if approval.within_minutes is None else {"within_minutes": approval.within_minutes}


def _text(judged: Judged, name: str, run: Run, notes: list[str]) -> JsonValue:
    """Give the value of a key or parameter; None, with a note, where it has none."""
    value, causes = judged.answer(run)
    if causes:
        notes.append(f"no {name}: {', '.join(causes)}")
    return value
