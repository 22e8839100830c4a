"""Documents that were not written for us: the contract of their owner, and where in them the facts stand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from bailiwick.errors import NotFound
from bailiwick.model import JsonValue
from bailiwick.packs.format.pinned import Attachment
from bailiwick.schema import Contract


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """How a decimal number becomes an integer: times ten to the ``places``, then rounded.

    ``rounding`` is ``exact`` (a remainder is refused), ``half-even``, ``half-up`` (away from zero) or ``down`` (towards
    zero).
    """

    places: int
    rounding: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pattern:
    """What a text must look like to be counted: a regular expression of JSON Schema, judged in linear time."""

    text: str
    contract: Contract = field(repr=False, compare=False)

    def is_met(self, value: Any) -> bool:
        """Say whether a value is a text of this form."""
        return not self.contract.violations(value)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """What the pack lets pass although the contract does not: one rule at the places of a pointer, and why."""

    rule: str
    pointer: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FactRule:
    """One fact taken from a foreign document.

    ``path`` is the fact as rules read it (``in.…``) and ``keys`` the keys to it, ``pointer`` a JSON Pointer in which
    ``*`` stands for each item of a list, ``take`` what is made of the places it leads to: ``value`` (the only one),
    ``values`` (all, in order), ``count``, ``sum`` or ``exists``. ``type`` and ``unit`` are those of the fact.

    Only those places count where each pointer of ``where`` (from the item of the last ``*``) leads to its value, and
    whose text is of the ``pattern``. ``days`` are the forms in which a text names the day that is the fact. Where the
    pointer leads nowhere, the first of ``others`` that leads somewhere stands for it.
    """

    path: str
    keys: tuple[str, ...]
    pointer: str
    take: str
    type: str
    scale: Scale | None
    unit: str | None
    where: Mapping[str, JsonValue] = field(default_factory=dict)
    pattern: Pattern | None = None
    days: tuple[str, ...] = ()
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """How the facts are taken from a document of a foreign contract (one of ``rules/facts.yaml``).

    ``id`` is what an input calls the document that it holds, ``marks`` are the members that tell it where the input is
    the document itself. ``tolerated`` is what may break the contract. ``contract_path`` is a file of the pack or the
    path of an attachment; ``is_format_asserted`` whether ``format`` refuses. ``contract`` is None where the attachment
    was not supplied: see ``document_contract``.
    """

    id: str
    contract_path: str
    is_format_asserted: bool
    rules: tuple[FactRule, ...]
    marks: tuple[str, ...] = ()
    tolerated: tuple[Tolerance, ...] = ()
    attachment: Attachment | None = None
    contract: Contract | None = field(default=None, repr=False, compare=False)

    def document_contract(self) -> Contract:
        """Give the compiled contract of the foreign document.

        Raises:
            NotFound: it is an attachment that nobody supplied (``attachment-missing``).
        """
        if self.contract is not None:
            return self.contract
        assert self.attachment is not None, "a contract that is a file of the pack is always compiled"
        raise attachment_missing(self.attachment)


def attachment_missing(attachment: Attachment) -> NotFound:
    """Give the error for an attachment that nobody supplied (code ``attachment-missing``)."""
    return NotFound(
        f"the pack rests on {attachment.path} ({attachment.digest}), which is not in it and was not supplied",
        hint=f"get it from {attachment.url} and name its folder: --attach FOLDER; it is found by its digest",
        code="attachment-missing",
    )
