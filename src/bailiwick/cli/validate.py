"""`bailiwick validate`: anybody's document by anybody's schema, in the dialect that the schema declares."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.decide import opened
from bailiwick.cli.options import Printing
from bailiwick.errors import InputRefused

if TYPE_CHECKING:
    from bailiwick.schema import Contract


def validate(
    schema: str,
    file: Annotated[str, Parameter(allow_leading_hyphen=True)],
    /,
    *,
    options: Printing = Printing(),
) -> int:
    """Check a document by a JSON Schema, in the dialect that it declares.

    Exits 0 when the document is valid, 1 when it is not, and 3 when the schema itself cannot be used.

    Args:
        schema: File with a JSON Schema, or the name of one of bailiwick's own contracts.
        file: File with the document, or - for standard input.
    """
    from bailiwick.schema import LIMITS, parse_document

    contract = _contract(schema)
    with opened(file) as stream:
        raw = stream.read(LIMITS.bytes_max + 1)
    try:
        contract.check(parse_document(raw))
    except InputRefused as error:
        screen.give({"valid": False, "error": error.to_json()}, screen.error_text(error), as_json=options.json)
        return 1
    screen.give({"valid": True}, f"{file} is valid", as_json=options.json)
    return 0


def _contract(name: str) -> Contract:
    """Compile the schema in a file, or take one of our own by its name."""
    from bailiwick.schema import LIMITS, Contract, Schemas, parse_document

    if not Path(name).exists() and name in Schemas().names():
        return Schemas().contract(name)
    with opened(name) as stream:
        return Contract(parse_document(stream.read(LIMITS.bytes_max + 1)))
