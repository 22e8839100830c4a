"""Files become a pack, or all their faults at once. Bytes in, value out; nothing outside is touched.

Each file is read strictly (``documents.py``), checked against its contract (``contracts/schemas/pack-*.json``), and
then put together with the others (``assembly.py``): names, types, citations, dates, cycles, cases.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from bailiwick.canonical import canonical_bytes, digest
from bailiwick.errors import InputRefused, PackRefused, SchemaViolated
from bailiwick.packs.format.assembly import assemble
from bailiwick.packs.format.documents import FILE_BYTES_MAX, Document, DocumentFault, Faults, read_yaml
from bailiwick.packs.format.pack import INPUT_SCHEMA, Pack
from bailiwick.schema import Contract, Schemas, parse_document

FILES_MAX = 200
"""Most files of one pack."""
PACK_BYTES_MAX = 4 << 20
"""Largest pack, all files together, in bytes."""
FAULTS_MAX = 200
"""Most faults that one refusal carries."""

REQUIRED = ("pack.yaml", "sources.yaml", INPUT_SCHEMA, "rules/measures.yaml", "rules/impacts.yaml")
TEXTS = ("README.md", "LICENSE")
"""Files for people; part of the pack's identity, read by no rule."""

_CONTRACTS = {
    "pack.yaml": "pack-manifest",
    "sources.yaml": "pack-sources",
    "assumptions.yaml": "pack-assumptions",
    "rules/measures.yaml": "pack-measures",
    "rules/impacts.yaml": "pack-impacts",
    "rules/effects.yaml": "pack-effects",
}
_FOLDERS = {"parameters": "pack-parameters", "rules/tables": "pack-table", "tests": "pack-cases"}
_PATH = re.compile(r"(?P<folder>[a-z/]+)/[a-z0-9][a-z0-9_-]{0,63}\.yaml\Z")


def load_pack(name: str, files: Mapping[str, bytes]) -> Pack:
    """Load a pack from its files.

    Args:
        name: What the caller calls it; must be the ``id`` of its ``pack.yaml``.
        files: Bytes by path within the pack, ``/`` between parts.

    Raises:
        PackRefused: carries every fault found; each path is the file, then ``#`` and the place in it.

    Cost: some 30 milliseconds for a pack of 50 expressions, most of it reading YAML and compiling.
    """
    faults = Faults()
    _check_files(files, faults)
    documents = {path: found for path, raw in files.items() if (found := _read(path, raw, faults)) is not None}
    schema, contract = _read_input_schema(files.get(INPUT_SCHEMA), faults)
    identity = digest(canonical_bytes({path: digest(raw) for path, raw in files.items()})) if _is_plain(files) else ""
    pack = assemble(name, documents, schema, contract, identity=identity, faults=faults)
    if faults.found or pack is None:
        raise _refused(name, faults)
    return pack


def _is_plain(files: Mapping[str, bytes]) -> bool:
    return all(path.isascii() for path in files)


def _check_files(files: Mapping[str, bytes], faults: Faults) -> None:
    size = sum(len(raw) for raw in files.values())
    if len(files) > FILES_MAX:
        faults.add("", "", "files", f"{len(files)} files; a pack has at most {FILES_MAX}")
    if size > PACK_BYTES_MAX:
        faults.add("", "", "size", f"{size} bytes in all; a pack has at most {PACK_BYTES_MAX}")
    for path in REQUIRED:
        if path not in files:
            faults.add(path, "", "missing", f"a pack has a file {path}")
    if not any(path.startswith("tests/") for path in files):
        faults.add("tests/", "", "missing", "a pack has cases in tests/: law without a case is not tried")


def _contract_of(path: str) -> str | None:
    """Name the contract of a file, or None where a pack has no such file."""
    if path in _CONTRACTS:
        return _CONTRACTS[path]
    found = _PATH.match(path)
    return _FOLDERS.get(found["folder"]) if found else None


def _read(path: str, raw: bytes, faults: Faults) -> Document | None:
    """Read one file and check it against its contract; faults are noted, and what can be used is given."""
    contract = _contract_of(path)
    if contract is None:
        _check_other(path, raw, faults)
        return None
    try:
        value = read_yaml(path, raw)
    except DocumentFault as fault:
        faults.found.append(fault.violation)
        return None
    violations = _contracts().contract(contract).violations(value)
    for each in violations:
        faults.add(path, each.path, each.rule, each.message, each.value)
    if not isinstance(value, dict):
        return None
    return Document(file=path, value=value, broken=tuple(each.path for each in violations))


def _check_other(path: str, raw: bytes, faults: Faults) -> None:
    if path == INPUT_SCHEMA:
        return
    if path not in TEXTS:
        faults.add(path[:200], "", "unknown-file", "a pack has no such file; see docs/formats/pack.md")
    elif len(raw) > FILE_BYTES_MAX:
        faults.add(path, "", "size", f"{len(raw)} bytes; a file of a pack has at most {FILE_BYTES_MAX}")


def _read_input_schema(raw: bytes | None, faults: Faults) -> tuple[Any, Contract | None]:
    """Read and compile the schema of the facts."""
    if raw is None:
        return None, None
    if len(raw) > FILE_BYTES_MAX:
        faults.add(INPUT_SCHEMA, "", "size", f"{len(raw)} bytes; a file of a pack has at most {FILE_BYTES_MAX}")
        return None, None
    try:
        schema = parse_document(raw)
        contract = Contract(schema, assert_formats=True)
    except SchemaViolated as error:
        for each in error.violations:
            faults.add(INPUT_SCHEMA, each.path, each.rule, each.message, each.value)
        return None, None
    except InputRefused as error:
        faults.add(INPUT_SCHEMA, "", error.code, error.message)
        return None, None
    if (
        not isinstance(schema, dict)
        or schema.get("type") != "object"
        or schema.get("additionalProperties") is not False
    ):
        faults.add(
            INPUT_SCHEMA, "", "closed", "facts are an object without further properties: additionalProperties false"
        )
        return None, None
    return schema, contract


@cache
def _contracts() -> Schemas:
    """Compile the contracts of a pack's files once in a process; they are constants of the product."""
    return Schemas()


def _refused(name: str, faults: Faults) -> PackRefused:
    found = faults.found
    first = found[0]
    count = "1 fault" if len(found) == 1 else f"{len(found)} faults"
    return PackRefused(
        f"pack {name[:80]} does not load: {count}; the first, in {first.path or 'the pack'}: {first.message}",
        hint="mend the places named; docs/formats/pack.md says what each file holds",
        violations=found[:FAULTS_MAX],
    )
