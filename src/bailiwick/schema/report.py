"""Anybody's document by anybody's schema, from bytes to a report: what ``bailiwick validate`` says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from bailiwick.canonical import digest, jcs_bytes
from bailiwick.errors import RecordRefused, Violation
from bailiwick.schema.contract import Contract
from bailiwick.schema.document import parse_document
from bailiwick.schema.limits import LIMITS, DocumentLimits
from bailiwick.schema.registry import Schemas


@dataclass(frozen=True, slots=True, kw_only=True)
class ValidationReport:
    """What a document does against a schema.

    ``dialect`` is the draft that judged and ``is_dialect_declared`` whether the schema named it; ``more`` counts
    violations beyond those listed. The digests are SHA-256 of the RFC 8785 form, so two texts of one value share them;
    None where there is no such form, as for a number beyond every double.
    """

    dialect: str
    is_dialect_declared: bool
    formats_asserted: bool
    violations: tuple[Violation, ...]
    more: int
    schema_digest: str | None
    document_digest: str | None

    @property
    def is_valid(self) -> bool:
        """Whether nothing was broken."""
        return not self.violations

    def to_json(self) -> dict[str, Any]:
        """Give the report as JSON."""
        return {
            "valid": self.is_valid,
            "dialect": self.dialect,
            "dialect_declared": self.is_dialect_declared,
            "formats_asserted": self.formats_asserted,
            "violations": [violation.to_json() for violation in self.violations],
            "more_violations": self.more,
            "schema_digest": self.schema_digest,
            "document_digest": self.document_digest,
        }


def validate_text(
    schema: bytes, document: bytes, *, assert_formats: bool | None = None, limits: DocumentLimits = LIMITS
) -> ValidationReport:
    """Judge a document by a schema, both as bytes.

    Args:
        schema: A JSON Schema of any dialect from draft-04 to 2020-12.
        document: One JSON document.
        assert_formats: Whether ``format`` refuses; None follows the dialect.
        limits: What both may measure.

    Raises:
        DocumentRefused: one of them is not strict JSON (``json-*``).
        SchemaViolated: the schema breaks its own dialect (``schema-invalid``).
        InputRefused: the schema cannot be used (``schema-*``).
    """
    law = parse_document(schema, limits=limits)
    contract = Contract(law, assert_formats=assert_formats)
    return _judged(contract, law, parse_document(document, limits=limits))


def validate_named(
    name: str, document: bytes, *, schemas: Schemas, limits: DocumentLimits = LIMITS
) -> ValidationReport:
    """Judge a document by one of our own contracts, formats asserted.

    Raises:
        NotFound: no contract of that name (``schema-not-found``).
        DocumentRefused: the document is not strict JSON (``json-*``).
    """
    contract = schemas.contract(name)
    return _judged(contract, schemas.schema(name), parse_document(document, limits=limits))


def _judged(contract: Contract, law: Any, value: Any) -> ValidationReport:
    violations, more = contract.find(value)
    return ValidationReport(
        dialect=contract.dialect.name,
        is_dialect_declared=contract.is_dialect_declared,
        formats_asserted=contract.assert_formats,
        violations=tuple(violations),
        more=more,
        schema_digest=_digest(law),
        document_digest=_digest(value),
    )


def _digest(value: Any) -> str | None:
    try:
        return digest(jcs_bytes(value))
    except RecordRefused:
        return None
