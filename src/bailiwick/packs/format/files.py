"""Which files a pack may hold, and how each is read: YAML by its contract, JSON Schemas compiled, texts left alone."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.errors import InputRefused, SchemaViolated
from bailiwick.packs.format.documents import FILE_BYTES_MAX, Document, DocumentFault, Faults, read_yaml
from bailiwick.packs.format.pack import INPUT_SCHEMA
from bailiwick.schema import Contract, Schemas, parse_document

FILES_MAX = 200
"""Most files of one pack."""
PACK_BYTES_MAX = 4 << 20
"""Largest pack, all files together, in bytes."""

REQUIRED = ("pack.yaml", "sources.yaml", INPUT_SCHEMA, "rules/measures.yaml", "rules/impacts.yaml")
TEXTS = ("README.md", "LICENSE")
"""Files for people; part of the pack's identity, read by no rule."""

LOCK = "pack.lock"
SIGNATURE = "pack.sig"
ABOUT = (LOCK, SIGNATURE)
"""Files about a pack and no part of it: its identity is the same without them."""

OUTPUT_SCHEMA = "schemas/output.json"
"""Where a pack may keep the schema of its decisions."""

_PROPERTIES = "tests/properties.yaml"
_CONTRACTS = {
    "pack.yaml": "pack-manifest",
    "sources.yaml": "pack-sources",
    "assumptions.yaml": "pack-assumptions",
    "policies.yaml": "pack-policies",
    "controls.yaml": "pack-controls",
    "rules/measures.yaml": "pack-measures",
    "rules/calls.yaml": "pack-calls",
    "rules/facts.yaml": "pack-facts",
    "rules/impacts.yaml": "pack-impacts",
    "rules/effects.yaml": "pack-effects",
    _PROPERTIES: "pack-properties",
}
_FOLDERS = {
    "parameters": "pack-parameters",
    "rules/tables": "pack-table",
    "tests": "pack-cases",
    "interview": "pack-interview",
    "languages": "pack-language",
}
_PATH = re.compile(r"(?P<folder>[a-z/]+)/[a-z0-9][a-z0-9_-]{0,63}\.yaml\Z")
_SCHEMA = re.compile(r"schemas/(effects|documents)/[a-z0-9][a-z0-9_-]{0,63}\.json\Z")


def content_of(files: Mapping[str, bytes]) -> dict[str, bytes]:
    """Give a pack's files without those that are about it: the lock and the signature."""
    return {path: raw for path, raw in files.items() if path not in ABOUT}


def identity_of(files: Mapping[str, bytes]) -> str:
    """Give a pack's identity: SHA-256 over the canonical JSON of {path: digest} of its content.

    Raises:
        RecordRefused: a path is no text that can be sealed.
    """
    return digest(canonical_bytes({path: digest(raw) for path, raw in content_of(files).items()}))


def contract_of(path: str) -> str | None:
    """Name the contract of a YAML file, or None where a pack has no such file."""
    if path in _CONTRACTS:
        return _CONTRACTS[path]
    found = _PATH.match(path)
    return _FOLDERS.get(found["folder"]) if found else None


def is_second_schema(path: str) -> bool:
    """Say whether a path is of a JSON Schema that came with the second version of the format."""
    return path == OUTPUT_SCHEMA or _SCHEMA.match(path) is not None


def check_files(files: Mapping[str, bytes], faults: Faults) -> bool:
    """Note files that are missing, and say whether what there is can be read at all: neither too many nor too large."""
    size = sum(len(raw) for raw in files.values())
    if len(files) > FILES_MAX:
        faults.add("", "", "files", f"{len(files)} files; a pack has at most {FILES_MAX}")
    if size > PACK_BYTES_MAX:
        faults.add("", "", "size", f"{size} bytes in all; a pack has at most {PACK_BYTES_MAX}")
    is_readable = not faults.found
    for path in REQUIRED:
        if path not in files:
            faults.add(path, "", "missing", f"a pack has a file {path}")
    if not any(path.startswith("tests/") and path != _PROPERTIES for path in files):
        faults.add("tests/", "", "missing", "a pack has cases in tests/: law without a case is not tried")
    return is_readable


def read_file(path: str, raw: bytes, faults: Faults) -> Document | None:
    """Read one file and check it against its contract; faults are noted, and what can be used is given."""
    contract = contract_of(path)
    if contract is None:
        _check_other(path, raw, faults)
        return None
    try:
        value = read_yaml(path, raw)
    except DocumentFault as fault:
        faults.found.append(fault.violation)
        return None
    violations = contract_named(contract).violations(value)
    for each in violations:
        faults.add(path, each.path, each.rule, each.message, each.value)
    if not isinstance(value, dict):
        return None
    return Document(file=path, value=value, broken=tuple(each.path for each in violations))


def _check_other(path: str, raw: bytes, faults: Faults) -> None:
    if path not in TEXTS and path != INPUT_SCHEMA and not is_second_schema(path):
        faults.add(path[:200], "", "unknown-file", "a pack has no such file; see docs/formats/pack.md")
    elif len(raw) > FILE_BYTES_MAX:
        _note_size(path, raw, faults)


def read_schema(
    path: str, raw: bytes, faults: Faults, *, assert_formats: bool = True
) -> tuple[Any, Contract] | tuple[None, None]:
    """Read and compile a JSON Schema; where it cannot be, the faults are noted; too large was noted before."""
    if len(raw) > FILE_BYTES_MAX:
        return None, None
    try:
        schema = parse_document(raw)
        return schema, Contract(schema, assert_formats=assert_formats)
    except SchemaViolated as error:
        for each in error.violations:
            faults.add(path, each.path, each.rule, each.message, each.value)
    except InputRefused as error:
        faults.add(path, "", error.code, error.message)
    return None, None


def is_closed(schema: Any) -> bool:
    """Say whether a schema is of an object and refuses members that it does not name."""
    return isinstance(schema, dict) and schema.get("type") == "object" and schema.get("additionalProperties") is False


def read_input_schema(raw: bytes | None, faults: Faults) -> tuple[Any, Contract] | tuple[None, None]:
    """Read and compile the schema of the facts, which must be closed."""
    if raw is None:
        return None, None
    schema, contract = read_schema(INPUT_SCHEMA, raw, faults)
    if contract is None:
        return None, None
    if not is_closed(schema):
        message = "facts are an object without further properties: additionalProperties false"
        faults.add(INPUT_SCHEMA, "", "closed", message)
        return None, None
    return schema, contract


def _note_size(path: str, raw: bytes, faults: Faults) -> None:
    faults.add(path, "", "size", f"{len(raw)} bytes; a file of a pack has at most {FILE_BYTES_MAX}")


def contract_named(name: str) -> Contract:
    """Give one of the contracts of a pack's files, compiled once in a process; they are constants of the product."""
    return _contracts().contract(name)


@cache
def _contracts() -> Schemas:
    return Schemas()
