"""What valid data looks like: strict JSON, contracts in JSON Schema, and our own contracts by name.

Enter here. ``parse_document`` turns bytes into a value once; ``Contract`` compiles any JSON Schema under the dialect
that it declares; ``Schemas`` knows the contracts of every noun that crosses a boundary of this system.
"""

from bailiwick.schema.contract import VIOLATIONS_MAX, Contract
from bailiwick.schema.document import parse_document
from bailiwick.schema.limits import LIMITS, DocumentLimits
from bailiwick.schema.registry import Schemas
from bailiwick.schema.report import ValidationReport, validate_named, validate_text

__all__ = [
    "LIMITS",
    "VIOLATIONS_MAX",
    "Contract",
    "DocumentLimits",
    "Schemas",
    "ValidationReport",
    "parse_document",
    "validate_named",
    "validate_text",
]
