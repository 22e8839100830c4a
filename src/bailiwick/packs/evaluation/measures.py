"""Measures: each becomes a value with its unit, or says why it has none."""

from __future__ import annotations

from bailiwick.packs.evaluation.hearing import Hearing
from bailiwick.packs.format.pack import Measure
from bailiwick.packs.language.together import Judged, Run, taking


class MeasureRule:
    """A measure, ready to be judged as a member of its level."""

    __slots__ = ("_is", "_judged", "_measure", "_take")

    def __init__(self, measure: Measure, judged: Judged) -> None:
        self._measure, self._judged = measure, judged
        self._is = (measure.id, measure.type, measure.unit)
        self._take = taking(measure.expression.reads)

    def judge(self, hearing: Hearing, run: Run) -> None:
        """Conclude the measure."""
        measure = self._measure
        value, causes = self._judged.answer(run)
        hearing.conclude(
            rule=measure.id,
            kind="measure",
            measure=self._is,
            expression=measure.expression.text,
            value=value,
            causes=causes,
            cite=measure.cite,
            reads=self._take(hearing.known.reads),
            because=self._judged.failed(run) if value is False else None,
            says=measure.says if value not in (False, None) else None,
        )
