"""Say why: a sealed decision, read back from its record and evidence, and held against both before it is explained."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bailiwick.decisions.explaining.explanation import Explanation
from bailiwick.decisions.explaining.tree import Branch
from bailiwick.decisions.seal import EVIDENCE_FORMAT, SEALED
from bailiwick.decisions.shelf import fetch
from bailiwick.errors import BailiwickError, InputRefused, NotFound, Unavailable, UsageRefused
from bailiwick.model import Record
from bailiwick.packs import Pack, Speech
from bailiwick.ports import BlobStore
from bailiwick.schema import Schemas, parse_document

__all__ = ["Branch", "Explanation", "explain"]


def explain(
    tenant: str, record: Record, blobs: BlobStore, *, language: str | None = None, leaf: str | None = None
) -> Explanation:
    """Read a decision's evidence back, with the pack that decided where it is still kept.

    Args:
        tenant: Whose decision.
        record: Its record.
        blobs: Where evidence and pack are kept.
        language: One of the pack's languages; None is its own.
        leaf: The digest of the record in the ledger's tree, for the receipt.

    Raises:
        NotFound: the record is not a decision (code ``record-not-decision``), or its evidence is not kept.
        Unavailable: the evidence was altered after it was kept (``blob-corrupt``), or is of another decision than the
            record says (``evidence-differs``).
        InputRefused: the evidence is of no known format (``evidence-format``).
        UsageRefused: the pack does not speak the language (``language``); the hint lists those that it does.
    """
    if record.event_type != SEALED:
        raise NotFound(
            f"record {record.index} is {record.event_type}, not a decision",
            hint="bailiwick ledger tail shows which records are decisions",
            code="record-not-decision",
        )
    evidence = _evidence(record, blobs.get(tenant, str(record.detail["evidence"]), record.resource))
    pack = _pack(tenant, evidence, blobs)
    if isinstance(pack, Pack):
        return Explanation(record=record, evidence=evidence, speech=Speech(pack, language), leaf=leaf)
    if language is not None:
        raise UsageRefused(
            f"pack {evidence['pack']['name']} is not kept any more, and with it went its words in {language[:40]!r}",
            hint="leave out --language: the evidence has its own words",
            code="language",
        )
    return Explanation(record=record, evidence=evidence, lost=pack, leaf=leaf)


def _evidence(record: Record, blob: bytes) -> Mapping[str, Any]:
    """Read evidence, and refuse what does not belong to its record."""
    evidence: Any = parse_document(blob)
    violations = Schemas().violations("evidence", evidence)
    if violations:
        first = violations[0]
        raise InputRefused(
            f"the evidence of record {record.index} is of no format that is known here: "
            f"at {first.path or 'the top'}: {first.message}",
            hint=f"this version reads {EVIDENCE_FORMAT}; a newer bailiwick may read it",
            code="evidence-format",
        )
    sealed: dict[str, Any] = {name: evidence[name] for name in ("observation", "pack", "modules")}
    for name, value in {"outcome": evidence["impact"]["outcome"], **sealed}.items():
        if record.detail[name] != value:
            raise Unavailable(
                f"the evidence of record {record.index} is of another decision: its {name} is not the record's",
                hint="believe neither; bailiwick replay decides again from the observation",
                code="evidence-differs",
            )
    assert isinstance(evidence, dict)
    return evidence


def _pack(tenant: str, evidence: Mapping[str, Any], blobs: BlobStore) -> Pack | BailiwickError:
    """Give the pack that decided, or why it cannot be had."""
    try:
        return fetch(tenant, evidence["pack"]["name"], evidence["pack"]["digest"], blobs)
    except BailiwickError as error:
        return error
