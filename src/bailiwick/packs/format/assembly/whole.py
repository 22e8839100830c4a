"""Documents become a pack: each part is built against what the pack declares, and the whole is put together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from bailiwick.packs.format.assembly.assumptions import assumptions_of, policies_of
from bailiwick.packs.format.assembly.calls import calls_of
from bailiwick.packs.format.assembly.impacts import effects_of, rows_of
from bailiwick.packs.format.assembly.interview import questions_of, sections_of
from bailiwick.packs.format.assembly.languages import check_keys, texts_of
from bailiwick.packs.format.assembly.levels import in_order
from bailiwick.packs.format.assembly.manifest import (
    attachments_of,
    intake_of,
    law_of,
    modules_of,
    note_kernel,
    sound_manifest,
    supersedes_of,
)
from bailiwick.packs.format.assembly.measures import measures_of, tables_of
from bailiwick.packs.format.assembly.tries import cases_of, controls_of, properties_of
from bailiwick.packs.format.declarations import Declarations
from bailiwick.packs.format.documents import Document, Faults
from bailiwick.packs.format.files import OUTPUT_SCHEMA, read_schema
from bailiwick.packs.format.pack import (
    Assumption,
    Attachment,
    Call,
    EffectRule,
    Facts,
    ImpactRow,
    Level,
    Pack,
    Policy,
)
from bailiwick.packs.format.taking import FACTS_PATH, foreign_documents
from bailiwick.packs.language.expressions import Language
from bailiwick.schema import Contract

_DOCUMENTS = "schemas/documents/"
"""Where a pack keeps contracts of foreign documents that are its own to copy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Supplied:
    """What a pack is put together from, beside its YAML: its files and attachments as bytes, and the facts' schema.

    ``identity`` is the digest of the files. ``is_history``: it decided once, and decides nothing new.
    """

    files: Mapping[str, bytes]
    attachments: Mapping[str, bytes]
    schema: Any
    contract: Contract | None
    identity: str
    is_history: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rules:
    """What a pack judges by."""

    policies: tuple[Policy, ...]
    assumptions: tuple[Assumption, ...]
    calls: tuple[Call, ...]
    levels: tuple[Level, ...]
    rows: tuple[ImpactRow, ...]
    effects: tuple[EffectRule, ...]


def assemble(name: str, documents: Mapping[str, Document], supplied: Supplied, faults: Faults) -> Pack | None:
    """Put a pack together.

    Args:
        name: What the pack must be called.
        documents: Every YAML file that could be read, by path.
        supplied: Everything else.
        faults: Takes what is found wrong; None is given where anything was.
    """
    declared = Declarations(documents, supplied.schema, faults)
    manifest = sound_manifest(declared)
    modules = modules_of(declared, manifest) if manifest is not None else {}
    rules = _rules(declared, supplied, modules)
    cases = tuple(cases_of(declared, supplied.contract))
    law = law_of(name, declared, manifest) if manifest is not None else None
    more = _more(declared, manifest, supplied)
    if faults.found or supplied.contract is None or law is None or manifest is None:
        return None
    given = manifest.value
    pack = Pack(
        name=name,
        version=given["version"],
        title=given["title"],
        jurisdiction=given["jurisdiction"],
        digest=supplied.identity,
        law=law,
        outcomes=given["outcomes"],
        units=given.get("units", {}),
        intake=intake_of(manifest),
        input_schema=supplied.schema,
        sources=declared.sources,
        parameters=declared.parameters,
        inputs=declared.inputs_read(),
        assumptions=rules.assumptions,
        levels=rules.levels,
        measures=tuple(declared.measures),
        rows=rules.rows,
        effects=rules.effects,
        cases=cases,
        legal_date_path=given.get("legal_date"),
        language=declared.language,
        contract=supplied.contract,
    )
    if declared.is_first:
        return pack
    pack = replace(pack, policies=rules.policies, calls=rules.calls, modules=modules, **more)
    check_keys(declared, pack)
    return None if faults.found else pack


def _rules(declared: Declarations, supplied: Supplied, modules: dict[str, str]) -> _Rules:
    policies = tuple(policies_of(declared))
    assumptions = tuple(assumptions_of(declared, policies))
    calls = tuple(calls_of(declared, modules))
    return _Rules(
        policies=policies,
        assumptions=assumptions,
        calls=calls,
        levels=in_order(declared, (*measures_of(declared), *tables_of(declared), *calls)),
        rows=tuple(rows_of(declared)),
        effects=tuple(effects_of(declared, supplied.files)),
    )


def _more(declared: Declarations, manifest: Document | None, supplied: Supplied) -> dict[str, Any]:
    """Build what only packs of the second version have; nothing of it is in one of the first."""
    if declared.is_first or manifest is None:
        return {}
    if not supplied.is_history:
        note_kernel(declared, manifest)
    attachments = tuple(attachments_of(declared, manifest, supplied.files, supplied.attachments))
    language = _property_language(declared)
    given = manifest.value
    return {
        "format": given["format"],
        "kernel": given.get("kernel"),
        "languages": tuple(given.get("languages", ())),
        "domains": tuple(given.get("domains", ())),
        "owners": tuple(given.get("owners", ())),
        "licence": given.get("licence"),
        "supersedes": supersedes_of(declared, manifest),
        "attachments": attachments,
        "foreign": _foreign(declared, supplied, attachments),
        "questions": questions_of(declared),
        "sections": tuple(sections_of(declared)),
        "controls": tuple(controls_of(declared)),
        "properties": tuple(properties_of(declared, language)),
        "property_language": language,
        "texts": texts_of(declared, manifest),
        "output_contract": _output_contract(declared, supplied.files),
    }


def _foreign(declared: Declarations, supplied: Supplied, attachments: tuple[Attachment, ...]) -> tuple[Facts, ...]:
    """Build what is taken from foreign documents; a contract in the pack that none of them names is a fault."""
    found = foreign_documents(declared, {each.path: each for each in attachments}, supplied.files)
    named = {each.contract_path for each in found}
    for path in sorted(supplied.files):
        if path.startswith(_DOCUMENTS) and path not in named and not _is_broken(declared, FACTS_PATH):
            declared.fault(path, "", "unused", f"{FACTS_PATH} does not name this contract")
    return found


def _is_broken(declared: Declarations, path: str) -> bool:
    document = declared.documents.get(path)
    return document is not None and bool(document.broken)


def _property_language(declared: Declarations) -> Language | None:
    """Give the language of properties, where there are any: that of the rules, with the outcome beside it."""
    if "tests/properties.yaml" not in declared.documents:
        return None
    return Language({**declared.types, "out.outcome": "string"})


def _output_contract(declared: Declarations, files: Mapping[str, bytes]) -> Contract | None:
    raw = files.get(OUTPUT_SCHEMA)
    return None if raw is None else read_schema(OUTPUT_SCHEMA, raw, declared.faults)[1]
