"""The law that a pack states: its texts, its numbers and words in time, and the controls that its rules test."""

from __future__ import annotations

from dataclasses import dataclass

from bailiwick.model import JsonValue, Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """From which date the pack knows the law, and until which (None: still), with the text that says so."""

    valid_from: str
    valid_to: str | None
    cite: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text of law: its citation, whether it is in force, and since and until when (dates; None is open).

    ``sha256`` (64 hex digits) is of the text that the author used, ``retrieved`` the day it was got, ``oscal`` the id
    of the OSCAL catalog that has it.
    """

    id: str
    citation: str
    title: str
    status: str
    valid_from: str | None
    valid_to: str | None
    url: str | None
    retrieved: str | None = None
    sha256: str | None = None
    oscal: str | None = None

    def to_json(self) -> dict[str, JsonValue]:
        """Give the source as JSON; what came with the second format only where it is given."""
        more = {"retrieved": self.retrieved, "sha256": self.sha256, "oscal": self.oscal}
        return {
            "id": self.id,
            "citation": self.citation,
            "title": self.title,
            "status": self.status,
            "from": self.valid_from,
            "to": self.valid_to,
            "url": self.url,
            **{name: value for name, value in more.items() if value is not None},
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class DatedValue:
    """What a parameter is from a date on, and by which text. ``read`` is how a trace shows it."""

    valid_from: str
    value: JsonValue
    cite: str
    read: Read


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A number or word of the law that changes in time. ``values`` ascend by date.

    One that the law sets by case is a parameter for each: ``of`` is the id that the file has, ``case`` the case, and
    the id is ``<of>.<case>``. A case without a value has its first one later, or none: ``values`` is never empty.
    """

    id: str
    type: str
    unit: str | None
    title: str
    values: tuple[DatedValue, ...]
    of: str | None = None
    case: str | None = None

    @property
    def path(self) -> str:
        """The name that rules read it by."""
        return "p." + self.id


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """A control of the law, for assessors: the ids of the rules (measures, tables, impact rows) that test it."""

    id: str
    title: str
    cite: tuple[str, ...]
    rules: tuple[str, ...]
