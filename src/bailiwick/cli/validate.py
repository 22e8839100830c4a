"""`bailiwick validate`: anybody's document by anybody's schema, in the dialect that the schema declares."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.decide import opened
from bailiwick.cli.options import Printing
from bailiwick.errors import DocumentRefused

if TYPE_CHECKING:
    from bailiwick.schema import ValidationReport


def validate(
    schema: str,
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    formats: bool | None = None,
    options: Printing = Printing(),
) -> int:
    """Check a document by a JSON Schema, in the dialect that it declares.

    Exits 0 when the document is valid, 1 when it is not, and 3 when the schema itself cannot be used.

    Args:
        schema: File with a JSON Schema, or the name of one of bailiwick's own contracts.
        file: File with the document, or - for standard input.
        formats: Whether format refuses a value; left out, that follows the dialect (draft-04 to draft-07 refuse).
    """
    judge = _judge(schema, formats)
    document = _read(file)
    try:
        report = judge(document)
    except DocumentRefused as error:
        screen.give({"valid": False, "error": error.to_json()}, screen.error_text(error), as_json=options.json)
        return 1
    answer = report.to_json()
    screen.give(answer, _text(file, answer), as_json=options.json)
    return 0 if answer["valid"] else 1


def _judge(schema: str, formats: bool | None) -> Callable[[bytes], ValidationReport]:
    """Give what judges a document by the schema in a file, or by one of our own contracts of that name.

    Raises:
        DocumentRefused: the file of the schema is not strict JSON.
    """
    from bailiwick.schema import Schemas, parse_document, validate_named, validate_text

    schemas = Schemas()
    if not Path(schema).exists() and schema in schemas.names():
        return lambda document: validate_named(schema, document, schemas=schemas)
    law = _read(schema)
    parse_document(law)
    return lambda document: validate_text(law, document, assert_formats=formats)


def _read(file: str) -> bytes:
    """Read a file up to one byte more than a document may have."""
    from bailiwick.schema import LIMITS

    with opened(file) as stream:
        return stream.read(LIMITS.bytes_max + 1)


def _text(file: str, answer: dict[str, Any]) -> str:
    said = "declared" if answer["dialect_declared"] else "assumed"
    lines = [f"{file} is {'valid' if answer['valid'] else 'not valid'} by its schema, {answer['dialect']} ({said})"]
    lines += [f"  {each['path'] or '/'}: {each['message']} ({each['rule']})" for each in answer["violations"]]
    if answer["more_violations"]:
        lines.append(f"  and {answer['more_violations']} more")
    return "\n".join(lines)
