"""`bailiwick ledger erase`: destroy what is kept for a subject; the ledger keeps its records."""

from __future__ import annotations

from typing import Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import screen
from bailiwick.cli.options import RecordIndex, TenantOptions, open_node
from bailiwick.errors import UsageRefused


def erase(
    *subjects: str,
    record: Annotated[tuple[RecordIndex, ...], Parameter(negative="")] = (),
    dry_run: Annotated[bool, Parameter(negative="")] = False,
    yes: Annotated[bool, Parameter(negative="")] = False,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Destroy the keys of everything that is kept for subjects; their records stay, and tell nothing any more.

    Nobody can bring it back here. Copies of the home that were made before are not reached, nor what was delivered.

    Args:
        subjects: Opaque ids, as the resource of a record: observation/ or call/, and 32 hexadecimal digits.
        record: A decision, or a call of a module, whose subject is meant, by its index; may be repeated.
        dry_run: Say what would be destroyed, and touch nothing.
        yes: Do it without being asked.
    """
    if dry_run and yes:
        raise UsageRefused("--dry-run touches nothing, and --yes does it", hint="say one of them")
    if not dry_run and not yes and not screen.can_ask():
        raise UsageRefused(
            "erasing cannot be taken back, and nobody is there to be asked",
            hint="look first with --dry-run, then say --yes",
            code="not-confirmed",
        )
    with open_node(options) as (node, tenant):
        from bailiwick.decisions import SUBJECTS_MAX, subject_of

        ledger, eraser = node.ledger(tenant), node.eraser(tenant)
        wanted = list(dict.fromkeys([*subjects, *(subject_of(ledger.read(index)) for index in record)]))
        if not 1 <= len(wanted) <= SUBJECTS_MAX:
            raise UsageRefused(
                f"{len(wanted)} subjects", hint=f"name 1 to {SUBJECTS_MAX}, or records with --record N", code="subjects"
            )
        if not yes:
            with screen.progress("reading the ledger", ledger.size()) as advance:
                found = [each.to_json() for each in eraser.find(wanted, advance)]
            if dry_run:
                return _give(found, is_done=False, as_json=options.json)
            if not screen.ask(f"{_text(found, is_done=False)}\nDestroy this for ever?"):
                screen.say("nothing was destroyed")
                return 1
        with screen.progress("erasing", ledger.size()) as advance:
            done = [each.to_json() for each in eraser.erase(wanted, advance)]
    return _give(done, is_done=True, as_json=options.json)


def _give(erasures: list[dict[str, Any]], *, is_done: bool, as_json: bool) -> int:
    screen.give({"erased": is_done, "subjects": erasures}, _text(erasures, is_done=is_done), as_json=as_json)
    return 0


def _text(erasures: list[dict[str, Any]], *, is_done: bool) -> str:
    verb = "destroyed" if is_done else "to destroy"
    return "\n".join(
        f"{each['subject']}  {each['blobs']} blobs {verb}, of {_records(each)}"
        + ("" if each["record"] is None else f", recorded in {each['record']}")
        for each in erasures
    )


def _records(erasure: dict[str, Any]) -> str:
    told = [f"{len(erasure[name])} {name}" for name in ("decisions", "calls") if erasure[name]]
    return " and ".join(told)
