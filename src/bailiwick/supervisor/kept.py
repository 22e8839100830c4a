"""What is kept of one call beside its record: input, output and transcript, each a blob of its own with a salt.

They are kept for a subject of their own, ``call/`` and an opaque id, so that they can be erased together. The record
holds their digests, which tell nothing without the salt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from bailiwick.errors import NotFound
from bailiwick.model import Actor, Draft, JsonValue, Record
from bailiwick.ports import BlobStore, Entropy
from bailiwick.supervisor.gathered import INNER_RECORDED_MAX, Gathered, Outcome
from bailiwick.supervisor.state import CALLED, DENIED, Installed
from bailiwick.supervisor.values import decode_value, encode_value

INPUT_FORMAT, OUTPUT_FORMAT = "bailiwick-call-input/1", "bailiwick-call-output/1"
TRANSCRIPT_FORMAT = "bailiwick-call-transcript/1"
SALT_BYTES = 16
ID_BYTES = 16


def keep_call(
    tenant: str,
    blobs: BlobStore,
    entropy: Entropy,
    *,
    module: Installed,
    input: Any,  # noqa: A002 the ABI's own word
    outcome: Outcome,
    gathered: Gathered,
    actor: Actor,
) -> list[Draft]:
    """Keep what a call took, gave and asked, and draft its records: one for each refusal, then its own.

    Raises:
        Unavailable: it cannot be kept.
    """
    drawn = entropy.take(ID_BYTES + 3 * SALT_BYTES).hex()
    subject = f"call/{drawn[: 2 * ID_BYTES]}"
    salts = [drawn[at : at + 2 * SALT_BYTES] for at in range(2 * ID_BYTES, len(drawn), 2 * SALT_BYTES)]
    budget = outcome.budget
    transcript = {
        "module": {
            "name": module.name,
            "version": module.version,
            "manifest": module.manifest,
            "pieces": list(module.pieces),
            **({"engine": list(module.engine_pieces)} if module.engine else {}),
        },
        "budget": {"fuel": budget.fuel, "memory_bytes": budget.memory_bytes, "deadline_ms": budget.deadline_ms},
        "run": outcome.transcript(),
        "inner": [each.transcript() for each in gathered.inner],
    }
    contents: list[tuple[str, Any]] = [
        (INPUT_FORMAT, {"input": input}),
        (TRANSCRIPT_FORMAT, transcript),
        (OUTPUT_FORMAT, {"answer": outcome.answer, "bytes": outcome.raw}),
    ]
    if outcome.answer is None:
        contents.pop()
    raws = [
        encode_value({"format": name, "salt": salt, **content})
        for (name, content), salt in zip(contents, salts[: len(contents)], strict=True)
    ]
    digests = blobs.put_many(tenant, raws, [subject] * len(raws))
    detail: dict[str, JsonValue] = {
        "module": module.reference.to_json(),
        "function": outcome.function,
        "input": digests[0],
        "transcript": digests[1],
        "output": digests[2] if len(digests) > 2 else None,
        "outcome": outcome.kind,
        "code": outcome.recorded_code,
        "fuel": outcome.fuel,
        "memory_bytes": outcome.memory_bytes,
        "host_calls": gathered.host_calls,
        "audited": gathered.audited,
        "denied": gathered.denied,
        "inner": [each.to_json() for each in gathered.inner[:INNER_RECORDED_MAX]],
        **outcome.varied,
    }
    denials = [
        Draft(event_type=DENIED, resource=f"module/{each['module']}", detail=each, actor=actor)
        for each in gathered.denials
    ]
    return [*denials, Draft(event_type=CALLED, resource=subject, detail=detail, actor=actor)]


def kept_parts(tenant: str, blobs: BlobStore, record: Record) -> tuple[Any, Any, Any]:
    """Give input, output (None where there was none) and transcript of a recorded call.

    Raises:
        NotFound: the record is of no call (code ``record-not-call``), or what was kept of it was erased.
    """
    if record.event_type != CALLED:
        raise NotFound(
            f"record {record.index} is {record.event_type}, not a call of a module",
            hint="bailiwick ledger find --type module.called",
            code="record-not-call",
        )
    detail: Any = record.detail

    def part(name: str) -> Any:
        return decode_value(blobs.get(tenant, detail[name], record.resource))

    return part("input"), None if detail["output"] is None else part("output"), part("transcript")


def recorded_engine(transcript: Any) -> Sequence[str]:
    """Give the blobs of the engine that ran a script; none for a module that is no script."""
    pieces: Sequence[str] = transcript["module"].get("engine", ())
    return pieces


def recorded_pieces(transcript: Any) -> Sequence[str]:
    """Give the blobs of the binary that ran."""
    pieces: Sequence[str] = transcript["module"]["pieces"]
    return pieces
