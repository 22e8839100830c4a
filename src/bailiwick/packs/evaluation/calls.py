"""Measures that a module computes: it is called once with what the pack gives it, and its answer is read by pointers.

Packs run nothing: whoever judges hands in the function that runs the pinned module. A module that refuses, or fails by
its own doing, fails the same way each time: its measures are indeterminate, with the cause. One that was stopped by the
wall clock raises ``Unavailable``, and nothing is decided.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.errors import ModuleFailed, RecordRefused
from bailiwick.model import JsonValue, ModuleRef, Read
from bailiwick.packs.evaluation.facts import INDEX
from bailiwick.packs.evaluation.hearing import Hearing, ModuleAnswer
from bailiwick.packs.evaluation.known import value_fault, within
from bailiwick.packs.format.pack import Call, CallGives
from bailiwick.packs.language.expressions import CAUSES_MAX, Answer, checked
from bailiwick.packs.language.together import Judged, Run, taking


class CallRule:
    """One call, the expressions of what it gives the module among those that are judged together."""

    __slots__ = ("_call", "_facts", "_inputs", "_take")

    def __init__(self, call: Call, judged: Sequence[Judged]) -> None:
        self._call = call
        self._inputs = tuple(zip(call.input, judged, strict=True))
        self._facts = tuple((name, path, tuple(path.split(".")[1:])) for name, path in call.facts.items())
        self._take = taking(tuple(dict.fromkeys(path for each in call.expressions for path in each.reads)))

    def judge(self, hearing: Hearing, run: Run) -> None:
        """Conclude the measures that the call gives."""
        given, causes = self._given(hearing, run)
        answer = ModuleAnswer()
        if not causes:
            answer, causes = self._called(hearing, given)
        facts = (_read_of(path, within(hearing.facts, keys)) for _, path, keys in self._facts)
        reads = (*self._take(hearing.known.reads), *facts)
        for each in self._call.gives:
            value, why = (None, causes) if causes else self._taken(each, answer.value)
            self._conclude(hearing, each, value, why, reads)

    def _given(self, hearing: Hearing, run: Run) -> tuple[dict[str, Any], tuple[str, ...]]:
        """Build what the module is given, or say what is not known of it."""
        given: dict[str, Any] = {}
        causes: dict[str, None] = {}
        for name, judged in self._inputs:
            value, why = judged.answer(run)
            causes.update(dict.fromkeys(why))
            _put(given, name, value)
        for name, path, keys in self._facts:
            causes.update(dict.fromkeys(_still_open(hearing, path)))
            value = within(hearing.facts, keys)
            if value is not None:
                _put(given, name, value)
        return given, tuple(causes)[:CAUSES_MAX]

    def _called(self, hearing: Hearing, given: Mapping[str, Any]) -> tuple[ModuleAnswer, tuple[str, ...]]:
        """Call the module, and say why it gave no answer where it did not."""
        use = self._call.use
        causes: tuple[str, ...] = ()
        if hearing.call_module is None:
            return ModuleAnswer(), (f"module-not-run: {use.module}",)
        try:
            answer = hearing.call_module(use, canonical_bytes(given))
        except ModuleFailed as error:
            answer, causes = ModuleAnswer(fuel=error.fuel), (f"module-failed: {use.module}: {error.code}",)
        except RecordRefused as error:
            return ModuleAnswer(), (f"module-failed: {use.module}: {error.code}",)
        else:
            if answer.refusal is not None:
                causes = (f"module-refused: {use.module}: {answer.refusal}",)
        hearing.modules[use.digest] = ModuleRef(name=use.module, digest=use.digest)
        hearing.fuel += answer.fuel
        return answer, causes

    def _taken(self, gives: CallGives, output: Any) -> Answer:
        """Read one measure from the module's output."""
        value = output
        for part in gives.pointer.split("/")[1:]:
            value = _member(value, part.replace("~1", "/").replace("~0", "~"))
        if value is None:
            return None, (f"no-value: {self._call.use.module} gives no {gives.pointer}",)
        fault = value_fault(gives.path, gives.type, value)
        return (None, (fault,)) if fault is not None else checked(value, gives.path)

    def _conclude(
        self, hearing: Hearing, gives: CallGives, value: JsonValue, causes: tuple[str, ...], reads: tuple[Read, ...]
    ) -> None:
        call = self._call
        hearing.conclude(
            rule=gives.id,
            kind="call",
            measure=(gives.id, gives.type, gives.unit),
            expression=f"{call.use.module}.{call.use.function}{gives.pointer}",
            value=value,
            causes=causes,
            cite=call.cite,
            reads=reads,
            because=f"call {call.id}",
            says=call.says if not causes else None,
        )


def _read_of(path: str, value: Any) -> Read:
    """Tell a fact that was handed on as given: objects and lists by their digest, for evidence holds them once."""
    if value is None:
        return Read(path=path, is_unknown=True)
    if isinstance(value, (bool, int, str)):
        return Read(path=path, value=value)
    try:
        return Read(path=path, value=digest(canonical_bytes(value)))
    except RecordRefused:
        return Read(path=path, is_unknown=True)


def _still_open(hearing: Hearing, path: str) -> list[str]:
    """Name the absent facts within a fact, or around it, that may still come."""
    return [
        f"missing: {each}"
        for each in sorted(hearing.open_paths)
        if (each == path or each.startswith(path + ".") or path.startswith(each + "."))
        and within(hearing.facts, tuple(each.split(".")[1:])) is None
    ]


def _put(given: dict[str, Any], name: str, value: Any) -> None:
    *outer, last = name.split(".")
    for key in outer:
        given = given.setdefault(key, {})
    given[last] = value


def _member(value: Any, part: str) -> Any:
    if isinstance(value, dict):
        value = value.get(part)
    elif isinstance(value, list) and INDEX.match(part) and int(part) < len(value):
        value = value[int(part)]
    else:
        return None
    if isinstance(value, Decimal) and value == value.to_integral_value():
        return int(value)
    return value
