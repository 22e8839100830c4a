"""The questions of a pack: which facts a person can be asked for, in which order, and what each may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from bailiwick.packs.format.inputs import DEPTH_MAX, fields_of
from bailiwick.packs.format.pack import Pack, Question
from bailiwick.packs.interview.session import LEGAL_DATE
from bailiwick.schema import Contract

DOCUMENT = "document"
"""The type of a fact that no rule reads by itself: nobody is asked for it, and it can be given all the same."""
DATE_SCHEMA = {"type": "string", "format": "date"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Askable:
    """One fact that a person can be asked for.

    ``schema`` is the part of the input schema that the answer must satisfy; ``needed`` says for each of ``keys``
    whether the object around it must have it.
    """

    path: str
    keys: tuple[str, ...]
    type: str
    unit: str | None
    schema: Mapping[str, Any]
    needed: tuple[bool, ...]
    question: Question | None

    @property
    def choices(self) -> tuple[Any, ...]:
        """The only values that there are, or nothing where there are many."""
        if "const" in self.schema:
            return (self.schema["const"],)
        inner = self.schema.get("items", self.schema) if self.type.endswith("s") else self.schema
        return tuple(value for value in inner.get("enum", ()) if value is not None)

    def is_required(self, facts: Mapping[str, Any]) -> bool:
        """Say whether the pack takes no facts without it: it must be there, and so must every object around it.

        An object that is not required counts as soon as something in it was answered.
        """
        place: Any = facts
        for key, is_needed in zip(self.keys, self.needed, strict=True):
            if not is_needed and key not in place:
                return False
            place = place.get(key, {})
        return self.path == LEGAL_DATE or self.needed[-1]


class Catalogue:
    """All that can be asked of a person who goes through a pack, and all that can be said unasked."""

    def __init__(self, pack: Pack) -> None:
        self._pack = pack
        root: Any = pack.input_schema
        self._beside = {name: root[name] for name in ("$schema", "$defs") if name in root}
        self._contracts: dict[str, Contract] = {}
        self.fields = {each.path: each for each in _fields(pack)}
        """Every fact that can be given, by path."""
        self.order = tuple(self._in_order())
        """The paths that are asked for, sections first, then as the schema has them."""
        self.rank = {path: position for position, path in enumerate(self.order)}
        """How early each question comes."""

    @cached_property
    def legal_date(self) -> Askable:
        """The question by the law of which day is judged."""
        return Askable(path=LEGAL_DATE, keys=(), type="string", unit=None, schema=DATE_SCHEMA, needed=(), question=None)

    def find(self, path: str) -> Askable | None:
        """Give what a path asks for, or None where there is no such fact."""
        return self.legal_date if path == LEGAL_DATE else self.fields.get(path)

    def contract(self, asked: Askable) -> Contract:
        """Give the part of the input schema that an answer must satisfy, compiled when first needed."""
        if asked.path not in self._contracts:
            self._contracts[asked.path] = Contract({**asked.schema, **self._beside}, assert_formats=True)
        return self._contracts[asked.path]

    def required(self, facts: Mapping[str, Any]) -> list[str]:
        """List the questions without whose answers the pack takes no facts, in order."""
        return [path for path in self.order if self.fields[path].is_required(facts)]

    def facts(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Make facts of answers: an object as the pack's input schema has it."""
        found: dict[str, Any] = {}
        for path, value in values.items():
            place = found
            *around, last = self.fields[path].keys
            for key in around:
                place = place.setdefault(key, {})
            place[last] = value
        return found

    def _in_order(self) -> Iterator[str]:
        hinted = (path for section in self._pack.sections for path in section.asks)
        for path in dict.fromkeys([*hinted, *self.fields]):
            if path in self.fields and path in self._pack.questions:
                yield path


def _fields(pack: Pack) -> Iterator[Askable]:
    plain = {each.keys: each for each in fields_of(pack.input_schema)}
    for keys, schema, needed in _properties(pack.input_schema, (), ()):
        field = plain.get(keys)
        path = ".".join(("in", *keys))
        yield Askable(
            path=path,
            keys=keys,
            type=field.type if field is not None else DOCUMENT,
            unit=field.unit if field is not None else None,
            schema=schema,
            needed=needed,
            question=pack.questions.get(path) if field is not None else None,
        )


def _properties(
    schema: Any, keys: tuple[str, ...], needed: tuple[bool, ...]
) -> Iterator[tuple[tuple[str, ...], Any, tuple[bool, ...]]]:
    """Give every property that has no further ones: the keys to it, its schema, and which of the keys are needed."""
    for name, rule in schema.get("properties", {}).items():
        here, levels = (*keys, name), (*needed, name in schema.get("required", ()))
        if isinstance(rule, dict) and isinstance(rule.get("properties"), dict) and len(here) < DEPTH_MAX:
            yield from _properties(rule, here, levels)
        elif isinstance(rule, dict):
            yield here, rule, levels
