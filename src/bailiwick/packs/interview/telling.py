"""Questions and conclusions as JSON, in one of the pack's languages: what a terminal or a console shows."""

from __future__ import annotations

from typing import Any

from bailiwick.model import JsonValue, TraceEntry
from bailiwick.packs.format.pack import Assumption, Call, EffectRule, ImpactRow, Measure, Pack, Table
from bailiwick.packs.interview.interview import Asked, Finished
from bailiwick.packs.interview.needs import Rule
from bailiwick.packs.interview.session import LEGAL_DATE
from bailiwick.packs.telling.texts import Texts

LEGAL_DATE_ASK = {
    "en": "By the law of which day is this to be judged?",
    "es": "¿Según la ley de qué día se juzga esto?",
}
"""The one question that is ours and no pack's, by language; another language gets the first."""

_BOUNDS = ("minimum", "maximum", "minLength", "maxLength", "pattern", "format", "maxItems")
"""What of an answer's schema a form can show."""


class Teller:
    """Says in one language what a pack asks and concludes."""

    def __init__(self, pack: Pack, texts: Texts) -> None:
        self._pack, self._texts = pack, texts

    def question(self, asked: Asked) -> dict[str, Any]:
        """Give a question as JSON: words, type, options, why it is asked, what is taken as given where nobody knows."""
        found: dict[str, Any] = {
            "path": asked.path,
            **self._words(asked),
            "type": asked.askable.type,
            "required": asked.is_required,
            "needed_by": [self._rule(each) for each in asked.needed_by],
            "if_unknown": self._if_unknown(asked.path),
            "progress": asked.progress.to_json(),
        }
        bounds = {name: asked.askable.schema[name] for name in _BOUNDS if name in asked.askable.schema}
        optional = {
            "unit": self._unit(asked.askable.unit),
            "options": self._options(asked),
            "bounds": bounds or None,
            "section": self._section(asked.path),
            "answer": asked.answer,
            "skipped": asked.is_skipped or None,
        }
        return found | {name: value for name, value in optional.items() if value is not None}

    def conclusion(self, finished: Finished) -> dict[str, Any]:
        """Give what follows as JSON: outcome, reason, duties, what is asked for, what was taken as given."""
        impact, trace = finished.decision.impact, finished.decision.trace
        row = next((each.rule for each in trace if each.kind == "impact"), "")
        return {
            "outcome": impact.outcome,
            "outcome_text": self.outcome(impact.outcome),
            "severity": impact.severity,
            "reason": impact.reason if impact.outcome == "indeterminate" else self.say(f"row {row}", impact.reason),
            "decided_by": row,
            "legal_date": finished.legal_date,
            "obligations": [
                {**each.to_json(), "text": self.say(f"obligation {row}/{each.id}", each.text)}
                for each in impact.obligations
            ],
            "effects": [each.type for each in finished.decision.effects],
            "assumptions": self._assumptions(trace),
            "policies": self._policies(trace),
            "facts": dict(finished.facts),
            "unused": [{"path": path, "ask": self.ask(path)} for path in finished.unused],
            "violations": [each.to_json() for each in finished.violations],
            "progress": finished.progress.to_json(),
        }

    def say(self, key: str, own: str) -> str:
        """Give a sentence of the pack in the language."""
        return self._texts.say(key, own)

    def outcome(self, word: str) -> str:
        """Say what an outcome means."""
        return self.say(f"outcome {word}", str(self._pack.outcomes.get(word, word)))

    def ask(self, path: str) -> str:
        """Give the words of a question, or the path of what is no question."""
        if path == LEGAL_DATE:
            return LEGAL_DATE_ASK.get(self._texts.language, LEGAL_DATE_ASK["en"])
        question = self._pack.questions.get(path)
        return path if question is None else self.say(f"question {path}", question.ask)

    def _words(self, asked: Asked) -> dict[str, Any]:
        question = asked.askable.question
        if question is None:
            return {"ask": self.ask(asked.path), "cite": [], "pii": "none"}
        optional = {
            "help": self._texts.find(f"help {asked.path}", question.help),
            "why": self._texts.find(f"why {asked.path}", question.why),
        }
        return {
            "ask": self.ask(asked.path),
            **{name: text for name, text in optional.items() if text is not None},
            "cite": list(question.cite),
            "pii": question.pii,
        }

    def _unit(self, unit: str | None) -> dict[str, JsonValue] | None:
        if unit is None:
            return None
        return {"id": unit, "text": self.say(f"unit {unit}", str(self._pack.units.get(unit, unit)))}

    def _options(self, asked: Asked) -> list[dict[str, Any]] | None:
        labels = asked.askable.question.options if asked.askable.question is not None else {}
        values = asked.askable.choices or ((True, False) if labels and asked.askable.type == "boolean" else ())
        if not values:
            return None
        shown = sorted(values, key=lambda value: _place(_key(value), list(labels)))
        return [{"value": value, "label": self._label(asked.path, _key(value), labels)} for value in shown]

    def _label(self, path: str, key: str, labels: Any) -> str:
        return self.say(f"option {path}/{key}", str(labels.get(key, key)))

    def _section(self, path: str) -> dict[str, JsonValue] | None:
        section = next((each for each in self._pack.sections if path in each.asks), None)
        if section is None:
            return None
        return {"id": section.id, "title": self.say(f"section {section.id}", section.title)}

    def _if_unknown(self, path: str) -> list[dict[str, JsonValue]]:
        """Say what the pack takes as given where the person does not know."""
        return [
            {"id": each.id, "text": self.say(f"assumption {each.id}", each.text), "cite": list(each.cite)}
            for each in self._pack.assumptions
            if each.path == path
        ]

    def _rule(self, rule: Rule) -> dict[str, JsonValue]:
        """Name a rule on the way to the conclusion, with its sentence and its citation."""
        kind, own = _kind(rule), _says(rule)
        key = {"impact": "row", "call": "measure", "table": "measure"}.get(kind, kind)
        text = self._texts.find(f"{key} {rule.id}", own)
        cites = [cite for row in rule.rows for cite in row.cite] if isinstance(rule, Table) else list(rule.cite)
        listed: list[JsonValue] = [*dict.fromkeys(cites)]
        return {"rule": rule.id, "kind": kind, "text": text, "cite": listed}

    def _assumptions(self, trace: tuple[TraceEntry, ...]) -> list[dict[str, JsonValue]]:
        """Tell what was taken as given; switches of disputed readings are told apart."""
        switches = {policy.assumption for policy in self._pack.policies}
        held = (each for each in trace if each.kind == "assumption" and each.value is True)
        return [self._assumed(each) for each in held if each.rule not in switches]

    def _assumed(self, entry: TraceEntry) -> dict[str, JsonValue]:
        text = self.say(f"assumption {entry.rule}", entry.says or entry.rule)
        return {"id": entry.rule, "text": text, "cite": [*entry.cite], "because": entry.because}

    def _policies(self, trace: tuple[TraceEntry, ...]) -> list[dict[str, JsonValue]]:
        """Say of every switch that mattered which reading was taken, and whether it is disputed."""
        values = {read.path: read.value for entry in trace for read in entry.reads if read.is_known}
        found: list[dict[str, JsonValue]] = []
        for policy in self._pack.policies:
            reading = policy.reading(str(values[policy.path])) if policy.path in values else None
            if reading is not None:
                found.append(
                    {
                        "id": policy.id,
                        "title": self.say(f"policy {policy.id}", policy.title),
                        "reading": reading.id,
                        "text": self.say(f"reading {policy.id}/{reading.id}", reading.text),
                        "cite": [*reading.cite],
                        "status": reading.status,
                    }
                )
        return found


def _key(value: Any) -> str:
    """Write a value as JSON does, as the labels of options are keyed.

    >>> _key(True), _key("large"), _key(3)
    ('true', 'large', '3')
    """
    return str(value).lower() if isinstance(value, bool) else str(value)


def _place(key: str, order: list[str]) -> int:
    return order.index(key) if key in order else len(order)


def _kind(rule: Rule) -> str:
    if isinstance(rule, Table):
        return "table"
    kinds = {Measure: "measure", Call: "call", ImpactRow: "impact", EffectRule: "effect", Assumption: "assumption"}
    return kinds[type(rule)]


def _says(rule: Rule) -> str | None:
    if isinstance(rule, Assumption):
        return rule.text
    return None if isinstance(rule, Table) else rule.says
