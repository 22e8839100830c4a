"""The nouns of a pack: dated law, its sources and assumptions, its rules, its cases. Frozen, and valid or not built."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.model import JsonValue, Read
from bailiwick.packs.format.asking import Policy, Question, Reading, Section
from bailiwick.packs.format.foreign import FactRule, Facts, Scale
from bailiwick.packs.format.law import Control, DatedValue, Law, Parameter, Source
from bailiwick.packs.format.pinned import Attachment, ModuleUse, Supersedes
from bailiwick.packs.format.showing import second_to_json
from bailiwick.packs.format.tries import Case, Property
from bailiwick.packs.language.dates import is_date
from bailiwick.packs.language.expressions import Expression, Language, asking_name, engine_name
from bailiwick.schema import Contract

INDETERMINATE = "indeterminate"
"""The outcome that every pack has: the facts or the law do not allow an honest answer."""

INPUT_SCHEMA = "schemas/input.json"
"""Where a pack keeps the schema of its facts."""

FORMAT_1 = "bailiwick-pack/1"
FORMAT_2 = "bailiwick-pack/2"
"""The versions of the format; what came with the second is refused in a pack of the first."""

__all__ = [
    "FORMAT_1",
    "FORMAT_2",
    "INDETERMINATE",
    "INPUT_SCHEMA",
    "Approval",
    "Assumption",
    "Attachment",
    "Call",
    "CallGives",
    "Case",
    "Control",
    "DatedValue",
    "Duty",
    "EffectRule",
    "FactRule",
    "Facts",
    "ImpactRow",
    "InputField",
    "IntakeModule",
    "Law",
    "Level",
    "Measure",
    "ModuleUse",
    "Pack",
    "Parameter",
    "Policy",
    "Property",
    "Question",
    "Reading",
    "Scale",
    "Section",
    "Source",
    "Supersedes",
    "Table",
    "TableRow",
    "input_field",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class IntakeModule:
    """Which module reads raw input of one media: its name, the SHA-256 of its binary, and the function to call."""

    module: str
    digest: str
    function: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InputField:
    """One fact that rules may read: its path (``in.a.b``), the keys to it, its type and unit.

    ``unknown`` and ``missing`` are how a trace shows it, and the cause it gives, where it is absent.
    """

    path: str
    keys: tuple[str, ...]
    type: str
    unit: str | None
    engine_name: str
    asking_name: str
    unknown: Read
    missing: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Assumption:
    """What the law presumes or excepts and the data cannot say.

    It applies where ``when`` holds. One that stands for an input (``path``) gives it ``value`` where the input is
    absent; one that does not is a statement for the reader of the decision.
    """

    id: str
    text: str
    cite: tuple[str, ...]
    when: Expression
    path: str | None
    value: Expression | None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression of it."""
        return (self.when,) if self.value is None else (self.when, self.value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Measure:
    """A named quantity: one typed expression with its unit and citation."""

    id: str
    type: str
    unit: str | None
    cite: tuple[str, ...]
    says: str | None
    expression: Expression

    @property
    def path(self) -> str:
        """The name that rules read it by."""
        return "m." + self.id

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression of it."""
        return (self.expression,)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableRow:
    """One row of a table: a condition, and the value that the table has where it holds."""

    id: str
    when: Expression
    value: Expression
    cite: tuple[str, ...]
    says: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """A measure as a decision table.

    ``hit`` is DMN's: ``first``, ``unique``, ``any`` (all rows that hold give one value), ``priority`` (the value that
    stands first in ``priority``), ``collect`` (a list of the values of all rows that hold, in order; or, where
    ``collect`` is ``sum``, ``min``, ``max`` or ``count``, that one integer).
    """

    id: str
    type: str
    unit: str | None
    hit: str
    rows: tuple[TableRow, ...]
    priority: tuple[JsonValue, ...] = ()
    collect: str | None = None

    @property
    def path(self) -> str:
        """The name that rules read it by."""
        return "m." + self.id

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression of it."""
        return tuple(expression for row in self.rows for expression in (row.when, row.value))


@dataclass(frozen=True, slots=True, kw_only=True)
class CallGives:
    """A measure that a module's answer gives: its type, its unit, and where it stands (JSON Pointer in the output)."""

    id: str
    type: str
    unit: str | None
    pointer: str

    @property
    def path(self) -> str:
        """The name that rules read it by."""
        return "m." + self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """Measures that a module computes, all from one call of it in each decision.

    The module is given one JSON object. ``input`` are its members as expressions; ``facts`` are members that are facts
    as they were given, objects and lists too (``in.…`` paths). A name with dots makes objects within it. ``paths`` are
    what the rules after it read.
    """

    id: str
    use: ModuleUse
    input: Mapping[str, Expression]
    facts: Mapping[str, str]
    gives: tuple[CallGives, ...]
    cite: tuple[str, ...]
    says: str | None

    @property
    def paths(self) -> tuple[str, ...]:
        """The names that rules read its measures by."""
        return tuple(each.path for each in self.gives)

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression of it."""
        return tuple(self.input.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Level:
    """Measures, tables and calls that read only what earlier levels gave."""

    rules: tuple[Measure | Table | Call, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """An obligation of an impact: what must be done, and an expression of within how many minutes of knowing."""

    id: str
    text: str
    within: Expression
    cite: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ImpactRow:
    """A consequence: where ``when`` holds and no earlier row took the case, this outcome with these obligations."""

    id: str
    when: Expression
    outcome: str
    severity: str
    says: str
    cite: tuple[str, ...]
    duties: tuple[Duty, ...]

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression of it."""
        return (self.when, *(duty.within for duty in self.duties))


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """A person must approve an effect before it is carried out, within so many minutes (None: without an end)."""

    within_minutes: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectRule:
    """An act that a decision asks for when its outcome is one of ``outcomes`` and ``when`` (if any) holds.

    ``schema`` is the file with the JSON Schema of its parameters, ``contract`` that schema compiled: parameters that
    break it make the effect one that is not asked for.
    """

    id: str
    type: str
    outcomes: tuple[str, ...]
    when: Expression | None
    key: Expression | None
    parameters: Mapping[str, Expression]
    cite: tuple[str, ...]
    says: str | None
    schema: str | None = None
    contract: Contract | None = field(default=None, repr=False, compare=False)
    approval: Approval | None = None

    @property
    def expressions(self) -> tuple[Expression, ...]:
        """Every expression of it."""
        return tuple(each for each in (self.when, self.key, *self.parameters.values()) if each is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pack:
    """Law as code, loaded and checked: what ``evaluate`` judges by.

    ``digest`` identifies it: SHA-256 over the canonical JSON of {path: digest} of all its files. ``levels`` are the
    measures and tables in an order in which each reads only earlier levels, ``measures`` their names as the files have
    them, ``inputs`` the facts that some rule reads.
    """

    name: str
    version: str
    title: str
    jurisdiction: str
    digest: str
    law: Law
    outcomes: Mapping[str, str]
    units: Mapping[str, str]
    intake: Mapping[str, IntakeModule]
    input_schema: JsonValue
    sources: tuple[Source, ...]
    parameters: tuple[Parameter, ...]
    inputs: tuple[InputField, ...]
    assumptions: tuple[Assumption, ...]
    levels: tuple[Level, ...]
    measures: tuple[str, ...]
    rows: tuple[ImpactRow, ...]
    effects: tuple[EffectRule, ...]
    cases: tuple[Case, ...] = field(repr=False)
    legal_date_path: str | None
    language: Language = field(repr=False, compare=False)
    contract: Contract = field(repr=False, compare=False)
    format: str = FORMAT_1
    kernel: str | None = None
    languages: tuple[str, ...] = ()
    domains: tuple[str, ...] = ()
    owners: tuple[str, ...] = ()
    licence: str | None = None
    supersedes: Supersedes | None = None
    modules: Mapping[str, str] = field(default_factory=dict)
    attachments: tuple[Attachment, ...] = ()
    policies: tuple[Policy, ...] = ()
    calls: tuple[Call, ...] = ()
    questions: Mapping[str, Question] = field(default_factory=dict)
    sections: tuple[Section, ...] = ()
    controls: tuple[Control, ...] = ()
    properties: tuple[Property, ...] = field(default=(), repr=False)
    foreign: tuple[Facts, ...] = ()
    texts: Mapping[str, Mapping[str, str]] = field(default_factory=dict, repr=False)
    output_contract: Contract | None = field(default=None, repr=False, compare=False)
    property_language: Language | None = field(default=None, repr=False, compare=False)
    prepared: dict[str, Any] = field(init=False, repr=False, compare=False, default_factory=dict)
    """What evaluation works out from the pack once and keeps; a pack with other rules starts empty."""

    def check_input(self, facts: Any) -> None:
        """Refuse facts that the pack's input schema refuses.

        Raises:
            SchemaViolated: carries every violation.
        """
        self.contract.check(facts, subject=f"the input of pack {self.name}")

    def legal_date_in(self, facts: Mapping[str, Any]) -> str | None:
        """Give the date to judge by that stands in the facts, or None where there is none."""
        if self.legal_date_path is None:
            return None
        value: Any = facts
        for key in self.legal_date_path.split(".")[1:]:
            value = value.get(key) if isinstance(value, Mapping) else None
        return value if is_date(value) else None

    def to_json(self) -> dict[str, JsonValue]:
        """Give what a person wants to know of a pack, as JSON."""
        return {
            "name": self.name,
            "version": self.version,
            "title": self.title,
            "jurisdiction": self.jurisdiction,
            "digest": self.digest,
            "law": {"from": self.law.valid_from, "to": self.law.valid_to, "cite": self.law.cite},
            "outcomes": dict(self.outcomes),
            "intake": {
                media: {"module": each.module, "digest": each.digest, "function": each.function}
                for media, each in self.intake.items()
            },
            "sources": [source.to_json() for source in self.sources],
            "parameters": [parameter.id for parameter in self.parameters],
            "assumptions": [assumption.id for assumption in self.assumptions],
            "measures": list(self.measures),
            "rows": [row.id for row in self.rows],
            "effects": [effect.id for effect in self.effects],
            "cases": len(self.cases),
            **(second_to_json(self) if self.format != FORMAT_1 else {}),
        }


def input_field(path: str, kind: str, unit: str | None) -> InputField:
    """Build an input field from its path."""
    return InputField(
        path=path,
        keys=tuple(path.split(".")[1:]),
        type=kind,
        unit=unit,
        engine_name=engine_name(path),
        asking_name=asking_name(path),
        unknown=Read(path=path, is_unknown=True, unit=unit),
        missing=(f"missing: {path}",),
    )
