"""What the law presumes or excepts stands for what was not given, and every read of it says so."""

from __future__ import annotations

from bailiwick.model import JsonValue, TraceEntry
from bailiwick.packs.evaluation.hearing import COMPUTED, INDETERMINATE, Hearing
from bailiwick.packs.format.pack import Assumption, Pack
from bailiwick.packs.language.expressions import Answer
from bailiwick.packs.language.together import Judged, Run, Together, taking


class Assumptions:
    """A pack's assumptions, ready to be applied. All see the facts as given, so that their order does not matter."""

    def __init__(self, pack: Pack) -> None:
        values = [each.value for each in pack.assumptions if each.value is not None]
        conditions = [each.when for each in pack.assumptions]
        self._together = Together(pack.language, (), whole=[*conditions, *values])
        members = iter(self._together.members[len(conditions) :])
        self._ready = tuple(
            _Ready(each, self._together.members[position], None if each.value is None else next(members))
            for position, each in enumerate(pack.assumptions)
        )
        self._fields = {field.path: field for field in pack.inputs}

    def apply(self, hearing: Hearing) -> None:
        """Let assumptions stand for what is absent, and note which did, which could not, and which are statements."""
        if not self._ready:
            return
        known = hearing.known
        run = self._together.judge(known.values, known.unknown, known.causes)
        assumed: dict[str, tuple[str, JsonValue]] = {}
        for each in self._ready:
            path = each.assumption.path
            if path is None:
                holds, causes = each.when.answer(run)
                if holds is not False:
                    each.note(hearing, holds, "; ".join(causes) or None)
            elif path in known.absent and path not in assumed:
                value, causes = each.stand_in(hearing, run)
                if value is not None:
                    assumed[path] = (each.assumption.id, value)
                elif hearing.open_paths and hearing.waits(causes):
                    known.absent.discard(path)  # it may yet stand here, so no later one stands before it
        for path, (name, value) in assumed.items():
            known.adopt(self._fields[path], value, cite=f"assumption {name}")


class _Ready:
    """One assumption with its condition and value among those that are judged together."""

    __slots__ = ("_take", "_value", "assumption", "when")

    def __init__(self, assumption: Assumption, when: Judged, value: Judged | None) -> None:
        self.assumption, self.when, self._value = assumption, when, value
        self._take = taking(assumption.when.reads)

    def stand_in(self, hearing: Hearing, run: Run) -> Answer:
        """Give what stands for the absent fact, and note it; or the causes why nothing does."""
        holds, causes = self.when.answer(run)
        value: JsonValue = None
        if holds is True and self._value is not None:
            value, causes = self._value.answer(run)
            holds = True if value is not None else None
        if value is not None:
            self.note(hearing, True, f"stands for {self.assumption.path}: {_told(value)}")
        else:
            self.note(hearing, holds, "; ".join(causes) or None)
            assert self.assumption.path is not None
            hearing.known.causes[self.assumption.path] = causes or hearing.known.causes[self.assumption.path]
        return value, causes

    def note(self, hearing: Hearing, holds: JsonValue, because: str | None) -> None:
        """Put the assumption in the trace."""
        assumption = self.assumption
        hearing.trace.append(
            TraceEntry(
                rule=assumption.id,
                kind="assumption",
                status=INDETERMINATE if holds is None else COMPUTED,
                expression=assumption.when.text,
                value=holds,
                cite=assumption.cite,
                reads=self._take(hearing.known.reads),
                because=because,
                says=assumption.text if holds is True else None,
            )
        )


def _told(value: JsonValue) -> str:
    """Write a value as rules write it."""
    return str(value).lower() if isinstance(value, bool) else str(value)
