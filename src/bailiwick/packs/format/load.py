"""Files become a pack, or all their faults at once. Bytes in, value out; nothing outside is touched.

Each file is read strictly (``documents.py``), checked against its contract (``contracts/schemas/pack-*.json``), and
then put together with the others (``assembly/``): names, types, citations, dates, cycles, cases.
"""

from __future__ import annotations

from collections.abc import Mapping

from bailiwick.errors import PackRefused
from bailiwick.packs.format.assembly.whole import Supplied, assemble
from bailiwick.packs.format.documents import Document, Faults
from bailiwick.packs.format.files import (
    check_files,
    content_of,
    identity_of,
    read_file,
    read_input_schema,
)
from bailiwick.packs.format.pack import FORMAT_1, INPUT_SCHEMA, Pack
from bailiwick.packs.format.versions import check_versions, format_of, is_known, note_unknown

FAULTS_MAX = 200
"""Most faults that one refusal carries."""


def load_pack(
    name: str,
    files: Mapping[str, bytes],
    attachments: Mapping[str, bytes] | None = None,
    *,
    is_history: bool = False,
) -> Pack:
    """Load a pack from its files.

    Args:
        name: What the caller calls it; must be the ``id`` of its ``pack.yaml``.
        files: Bytes by path within the pack, ``/`` between parts; a lock and a signature are left aside.
        attachments: What the pack rests on and does not hold, by digest (``sha256:…``). Only ``get`` is called, for
            the digests that the pack names. Without one the pack loads, and facts that need it cannot be taken
            (``Facts.document_contract``).
        is_history: It is loaded for what it decided once: that it was written for other versions of bailiwick is no
            fault then (``check_kernel`` asks again).

    Raises:
        PackRefused: carries every fault found; each path is the file, then ``#`` and the place in it.

    Cost: some 30 milliseconds for a pack of 50 expressions, most of it reading YAML and compiling.
    """
    faults = Faults()
    content = content_of(files)
    if not check_files(content, faults):
        raise _refused(name, faults)
    documents = _read(content, faults)
    declared = format_of(documents.get("pack.yaml"))
    if declared is not None and not is_known(declared):
        unknown = Faults()
        note_unknown(declared, unknown)
        raise _refused(name, unknown)
    if declared == FORMAT_1:
        check_versions(content, documents, faults)
    schema, contract = read_input_schema(content.get(INPUT_SCHEMA), faults)
    supplied = Supplied(
        files=content,
        attachments=attachments if attachments is not None else {},
        schema=schema,
        contract=contract,
        identity=identity_of(content) if all(path.isascii() for path in content) else "",
        is_history=is_history,
    )
    pack = assemble(name, documents, supplied, faults)
    if faults.found or pack is None:
        raise _refused(name, faults)
    return pack


def _read(files: Mapping[str, bytes], faults: Faults) -> dict[str, Document]:
    return {path: found for path, raw in files.items() if (found := read_file(path, raw, faults)) is not None}


def _refused(name: str, faults: Faults) -> PackRefused:
    found = faults.found
    first = found[0]
    count = "1 fault" if len(found) == 1 else f"{len(found)} faults"
    return PackRefused(
        f"pack {name[:80]} does not load: {count}; the first, in {first.path or 'the pack'}: {first.message}",
        hint="mend the places named; docs/formats/pack.md says what each file holds",
        violations=found[:FAULTS_MAX],
    )
