"""How a pack is tried: cases that must come out as written, and properties that must hold of every case."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bailiwick.model import JsonValue
from bailiwick.packs.language.expressions import Expression


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """An example that the pack must decide as written; ``legal_date`` None takes it from the input.

    ``error`` is set where the input must be refused: the rule of its schema that it breaks, or the refusal's code.
    """

    file: str
    name: str
    legal_date: str | None
    input: Mapping[str, JsonValue]
    outcome: str | None
    measures: Mapping[str, JsonValue]
    indeterminate: tuple[str, ...]
    obligations: tuple[Mapping[str, JsonValue], ...] | None
    effects: tuple[Mapping[str, JsonValue], ...] | None
    cites: tuple[str, ...]
    because: str | None
    status: str
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Property:
    """What holds for every case that the facts' schema accepts, or for those where ``when`` holds.

    Both read ``in.…``, ``p.…``, ``m.…`` and ``out.outcome``, and are compiled by ``Pack.property_language``.
    """

    id: str
    text: str
    when: Expression | None
    holds: Expression
