"""Properties: what holds of every input, tried on inputs that nobody wrote; the smallest that breaks one is shown."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from bailiwick.model import JsonValue
from bailiwick.packs.format.pack import Pack
from bailiwick.packs.format.tries import Property
from bailiwick.packs.trying.known import Known

OUTCOME = "out.outcome"
"""The name that properties read the outcome by."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyFailure:
    """A property that does not hold: of which input, by the law of which day, and what it came to.

    ``because`` names the condition that is false.
    """

    id: str
    text: str
    facts: Mapping[str, JsonValue]
    legal_date: str
    because: str

    def to_json(self) -> dict[str, JsonValue]:
        """Give the failure as JSON."""
        return {
            "id": self.id,
            "text": self.text,
            "input": dict(self.facts),
            "legal_date": self.legal_date,
            "because": self.because,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class PropertyReport:
    """How the properties of a pack came out: on how many inputs each was judged, by id, and those that broke."""

    inputs: int
    judged: Mapping[str, int]
    failed: tuple[PropertyFailure, ...]

    def to_json(self) -> dict[str, JsonValue]:
        """Give the report as JSON."""
        return {
            "inputs": self.inputs,
            "judged": dict(self.judged),
            "failed": [failure.to_json() for failure in self.failed],
        }


def check_properties(pack: Pack, decided: Iterable[Known]) -> PropertyReport:
    """Decider every property of a pack by decisions, and keep for each the failure with the fewest facts.

    Where ``when`` or ``holds`` has no value, for a fact that is not known, the property was not judged: it neither held
    nor broke. ``judged`` shows how often it was.
    """
    language = pack.property_language
    if language is None or not pack.properties:
        return PropertyReport(inputs=0, judged={}, failed=())
    inputs = 0
    judged = {each.id: 0 for each in pack.properties}
    failed: dict[str, PropertyFailure] = {}
    for known in decided:
        inputs += 1
        scope = language.scope({**known.values, OUTCOME: known.decision.impact.outcome})
        causes = known.causes()
        for each in pack.properties:
            if each.when is not None and each.when.answer(scope, causes)[0] is not True:
                continue
            holds = each.holds.answer(scope, causes)[0]
            judged[each.id] += holds is not None
            if holds is False:
                because = each.holds.failed(scope) or f"this does not hold: {each.holds.text}"
                _keep_smaller(failed, each, known, because)
    return PropertyReport(inputs=inputs, judged=judged, failed=tuple(failed.values()))


def _keep_smaller(failed: dict[str, PropertyFailure], each: Property, known: Known, because: str) -> None:
    before = failed.get(each.id)
    if before is None or len(str(known.facts)) < len(str(before.facts)):
        failed[each.id] = PropertyFailure(
            id=each.id, text=each.text, facts=known.facts, legal_date=known.legal_date, because=because
        )
