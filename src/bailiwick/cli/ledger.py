"""`bailiwick ledger`: read, prove, check and export the ledger of one tenant."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from cyclopts import Parameter, validators

from bailiwick.cli import screen
from bailiwick.cli.options import Jobs, RecordIndex, TenantOptions, open_node
from bailiwick.cli.verify import report_text
from bailiwick.errors import LedgerBroken, Unavailable, UsageRefused, Verdict

if TYPE_CHECKING:
    from bailiwick.model import Record

TAIL_MAX = 10_000
"""Records that one `tail` shows at most, in number."""


def tail(
    *,
    count: Annotated[int, Parameter(validator=validators.Number(gte=1, lte=TAIL_MAX))] = 10,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Show the newest records, oldest of them first.

    Args:
        count: How many.
    """
    with open_node(options) as (node, tenant):
        ledger = node.ledger(tenant)
        size = ledger.size()
        for record in ledger.records(max(0, size - count), size):
            print(json.dumps(_record(record)) if options.json else screen.plain(_line(record)))
    return 0


def show(record: RecordIndex, /, *, options: TenantOptions = TenantOptions()) -> int:
    """Show one record, whole.

    Args:
        record: Its index, from 0.
    """
    with open_node(options) as (node, tenant):
        answer = _record(node.ledger(tenant).read(record))
    screen.give(answer, json.dumps(answer, indent=2, ensure_ascii=False), as_json=options.json)
    return 0


def prove(
    record: RecordIndex | None = None,
    /,
    *,
    older: Annotated[RecordIndex | None, Parameter(name="--from")] = None,
    newer: Annotated[RecordIndex | None, Parameter(name="--to")] = None,
    out: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Give the proof that a record is in the ledger (C2SP tlog-proof), or that the ledger only grew.

    The proof of a record leads to the newest checkpoint that witnesses cosigned, or to the newest of all; one is signed
    where the record is newer than that. `bailiwick verify FILE` checks either.

    Args:
        record: Its index, from 0.
        older: Prove growth instead, from this size, which is that of a checkpoint that somebody kept.
        newer: Size that the ledger grew to, at which a checkpoint was signed; the newest otherwise.
        out: File to write the proof to, instead of printing it.
    """
    if (record is None) == (older is None) or (newer is not None and older is None):
        raise UsageRefused("neither one record nor two sizes", hint="bailiwick ledger prove 3, or --from 10 --to 20")
    with open_node(options) as (node, tenant):
        ledger = node.ledger(tenant)
        proof = ledger.prove(record) if record is not None else ledger.heads.prove_growth(older or 0, newer)
    if out is not None:
        write_text(out, proof)
    answer = {"record": record, "proof": proof, "out": str(out) if out else None}
    if record is None:
        answer = {"from": older, "proof": proof, "out": answer["out"]}
    screen.give(answer, f"{out}" if out else proof.rstrip("\n"), as_json=options.json)
    return 0


def verify(
    *, jobs: Jobs = None, seal: bool = False, fast: bool = False, options: TenantOptions = TenantOptions()
) -> int:
    """Check the whole ledger: chain, leaves, tree, checkpoints.

    Exits 0 for ok, else with the verdict, as `bailiwick verify` does.

    Args:
        jobs: Processes that read; as many as there are cores where the ledger is large. The answer is the same.
        seal: Also keep signed digests of the full segments, to compare with later.
        fast: Only compare the segments with what was sealed, and read what came after. It says that nothing changed
            since the full verification that sealed them, and is not one.
    """
    if seal and fast:
        raise UsageRefused("--fast has nothing to seal", hint="give --seal, which verifies in full, or --fast")
    check: Literal["fast", "full-and-seal", "full"] = "fast" if fast else "full-and-seal" if seal else "full"
    try:
        with open_node(options) as (node, tenant):
            ledger = node.ledger(tenant)
            with screen.progress("comparing" if fast else "verifying", ledger.size()) as advance:
                answer = ledger.verify(progress=advance, jobs=jobs, check=check).to_json()
    except LedgerBroken as error:
        answer = _unopened(error)
    text = report_text(answer)
    if fast:
        text += "\nThis compared the sealed segments with their digests; `bailiwick ledger verify` checks every record."
    screen.give(answer, text, as_json=options.json)
    return Verdict(answer["verdict"]).exit_code


def checkpoint(*, options: TenantOptions = TenantOptions()) -> int:
    """Give the newest signed checkpoint, signing one where records came since, and ask the witnesses to cosign it.

    Keep it elsewhere: `bailiwick verify BUNDLE --since FILE` then proves that the ledger only grew. A witness that does
    not answer is a warning. Where one holds what this ledger signed and lacks, the exit code is that of the verdict.
    """
    from bailiwick.cli.witness import ask, outcome_lines

    report = ask(options)
    answer = report.to_json()
    screen.give(answer, answer["note"].rstrip("\n"), as_json=options.json)
    for line in outcome_lines(answer):
        screen.say(line)
    return report.verdict.exit_code


def export(*, out: Path, options: TenantOptions = TenantOptions()) -> int:
    """Write a bundle that anybody can verify (C2SP tlog-tiles).

    Args:
        out: Folder to make.
    """
    with open_node(options) as (node, tenant):
        ledger = node.ledger(tenant)
        with screen.progress("exporting", ledger.size()) as advance:
            answer = ledger.export(out, progress=advance).to_json()
    text = f"bundle  {out}, {answer['records']} records\ncheck   bailiwick verify {out} --key {answer['key']}"
    screen.give(answer, text, as_json=options.json)
    return 0


def stats(*, options: TenantOptions = TenantOptions()) -> int:
    """Count what the ledger holds."""
    with open_node(options) as (node, tenant):
        answer = dict(node.ledger(tenant).stats())
    rows = [(name.replace("_", " "), str(value)) for name, value in answer.items() if value is not None]
    screen.give(answer, screen.columns(rows), as_json=options.json)
    return 0


def write_text(path: Path, text: str) -> None:
    """Write a new file.

    Raises:
        UsageRefused: there is one already.
        Unavailable: it cannot be written.
    """
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError as error:
        raise UsageRefused(f"{path} is there already", hint="give a path that is free") from error
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}", hint="give another path") from error


def _unopened(error: LedgerBroken) -> dict[str, Any]:
    """Give the verdict on a ledger that is too broken to be opened, in the form of any other verdict."""
    unknown = dict.fromkeys(("records", "root", "key", "anchor"))
    return {"verdict": error.verdict.value, **unknown, "record": error.index, "problems": [error.message]}


def _record(record: Record) -> dict[str, Any]:
    """Give a record as it is stored, with its place."""
    return {"index": record.index, **json.loads(record.raw)}


def _line(record: Record) -> str:
    outcome = record.detail.get("outcome", "")
    return f"{record.index:>7}  {record.timestamp[:19]}Z  {record.event_type:<18} {outcome}".rstrip()
