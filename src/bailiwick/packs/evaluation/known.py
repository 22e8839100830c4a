"""What is known of one case while it is judged: values, the causes of those that are missing, and how traces show them.

A pack and a day give a sheet on which every fact is still absent; the facts of a case are entered on a copy.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bailiwick.model import INTEGER_MAX, JsonValue, Read
from bailiwick.packs.format.pack import FORMAT_1, InputField, Measure, Pack, Table
from bailiwick.packs.format.parameters import in_force, not_yet
from bailiwick.packs.language.expressions import ITEMS_MAX, is_of_type
from bailiwick.packs.language.together import STAND_INS

_TYPE_WORDS = {bool: "boolean", int: "integer", str: "string", list: "list", dict: "object"}


class Known:
    """Values by the engine's names, stand-ins for those in ``unknown``; causes and reads by path."""

    __slots__ = ("absent", "causes", "reads", "unknown", "values")

    def __init__(
        self,
        values: dict[str, JsonValue],
        unknown: set[str],
        causes: dict[str, tuple[str, ...]],
        reads: dict[str, Read],
        absent: set[str],
    ) -> None:
        self.values, self.unknown, self.causes, self.reads, self.absent = values, unknown, causes, reads, absent

    def copy(self) -> Known:
        """Give a copy that can be written on."""
        return Known(self.values.copy(), self.unknown.copy(), self.causes.copy(), self.reads.copy(), self.absent.copy())

    def adopt(self, field: InputField, value: JsonValue, cite: str | None = None) -> None:
        """Enter the value of a fact; ``cite`` says what stands for it, where it was not given."""
        path, name = field.path, field.engine_name
        self.values[name] = value
        self.unknown.discard(name)
        self.causes.pop(path, None)
        self.reads[path] = Read(path=path, value=value, unit=field.unit, cite=cite)

    def conclude(self, rule: Measure | Table, value: JsonValue, causes: tuple[str, ...]) -> None:
        """Enter what a measure came to."""
        self.measured(rule.path, rule.type, rule.unit, value, causes)

    def measured(self, path: str, kind: str, unit: str | None, value: JsonValue, causes: tuple[str, ...]) -> None:
        """Enter a value of a declared type and unit by its path, or the causes why there is none."""
        if causes:
            self.values[path] = STAND_INS[kind]
            self.unknown.add(path)
            self.causes[path] = causes
        else:
            self.values[path] = value
        self.reads[path] = Read(path=path, value=value, unit=unit, is_unknown=bool(causes))


@dataclass(frozen=True, slots=True)
class _Entry:
    """How one fact is taken: the only key, or None where there are several; and a type that needs no further look."""

    field: InputField
    key: str | None
    sure: type | None


class Sheets:
    """The sheets of a pack: one for each span of days on which its parameters do not change."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        self._items_max = None if pack.format == FORMAT_1 else ITEMS_MAX
        self._entries = tuple(
            _Entry(field, field.keys[0] if len(field.keys) == 1 else None, bool if field.type == "boolean" else None)
            for field in pack.inputs
        )
        self._changes = sorted({each.valid_from for parameter in pack.parameters for each in parameter.values})
        self._blank: dict[int, Known] = {}

    def known(self, facts: Mapping[str, JsonValue], legal_date: str, open_paths: frozenset[str]) -> Known:
        """Enter the facts of a case on a sheet of its day.

        Args:
            facts: As given; what cannot stand for its input becomes a cause.
            legal_date: ``YYYY-MM-DD``.
            open_paths: Absent facts that may still come.
        """
        known = self._sheet(legal_date)
        for entry in self._entries:
            field = entry.field
            value = facts.get(entry.key) if entry.key is not None else within(facts, field.keys)
            if value is None:
                if field.path in open_paths:
                    known.absent.discard(field.path)
                    known.unknown.add(field.asking_name)
                continue
            known.values[field.asking_name] = True
            known.absent.discard(field.path)
            if (
                type(value) is entry.sure
                or (fault := value_fault(field.path, field.type, value, self._items_max)) is None
            ):
                known.adopt(field, value)
            else:
                known.causes[field.path] = (fault,)
        return known

    def _sheet(self, legal_date: str) -> Known:
        span = bisect_right(self._changes, legal_date)
        blank = self._blank.get(span)
        if blank is None:
            blank = self._blank[span] = self._drawn(legal_date)
        known = blank.copy()
        for parameter in self._pack.parameters:
            if parameter.path in known.causes:
                known.causes[parameter.path] = (not_yet(parameter, legal_date),)
        return known

    def _drawn(self, legal_date: str) -> Known:
        known = Known({}, set(), {}, {}, set())
        for field in self._pack.inputs:
            known.values[field.engine_name] = STAND_INS[field.type]
            known.values[field.asking_name] = False
            known.unknown.add(field.engine_name)
            known.causes[field.path] = field.missing
            known.reads[field.path] = field.unknown
            known.absent.add(field.path)
        for parameter in self._pack.parameters:
            path, dated = parameter.path, in_force(parameter, legal_date)
            if dated is None:
                known.values[path] = STAND_INS[parameter.type]
                known.unknown.add(path)
                known.causes[path] = ()
                known.reads[path] = Read(path=path, is_unknown=True, unit=parameter.unit)
            else:
                known.values[path] = dated.value
                known.reads[path] = dated.read
        return known


def within(facts: Mapping[str, JsonValue], keys: tuple[str, ...]) -> Any:
    """Give what stands in facts at the end of some keys, or None."""
    value: Any = facts
    for key in keys:
        value = value.get(key) if type(value) is dict or isinstance(value, Mapping) else None
    return value


def value_fault(path: str, kind: str, value: Any, items_max: int | None = None) -> str | None:
    """Say why a value from outside cannot stand for a path of a declared type, or None.

    A list is no longer than ``items_max``, where that is given: what is asked of each item costs the list each time.
    """
    if not is_of_type(value, kind):
        given = _TYPE_WORDS.get(type(value), "no JSON value")
        return f"ill-typed: {path} is {given}, declared {kind}"
    if items_max is not None and type(value) is list and len(value) > items_max:
        return f"overflow: {path} has more than {items_max} items"
    for item in value if type(value) is list else (value,):
        if type(item) is int and not -INTEGER_MAX <= item <= INTEGER_MAX:
            return f"overflow: {path} is beyond 2^53-1"
        if type(item) is str and not _is_well_formed(item):
            return f"ill-typed: {path} holds half a character"
    return None


def _is_well_formed(text: str) -> bool:
    if text.isascii():
        return True
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
