"""`bailiwick module series run|replay`: many calls in a fixed order, the same bytes each time."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from cyclopts import Parameter, validators

from bailiwick.cli import screen
from bailiwick.cli.options import RecordIndex, TenantOptions, open_node
from bailiwick.cli.text_input import read_text_input
from bailiwick.errors import Unavailable, UsageRefused

Workers = Annotated[int, Parameter(validator=validators.Number(gte=1, lte=64))]


def run(
    calls: str,
    /,
    *,
    workers: Workers = 1,
    out: Path | None = None,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Run calls of modules in the order of a file, and record all of them as one.

    What modules see of the time, of chance and of the ledger is fixed for the whole series, so that it can be run again
    to the same bytes. Exits 0 when every call was run, whatever it answered.

    Args:
        calls: @FILE or - for standard input: one call a line, {"module": "a", "function": "f", "input": {}}.
        workers: How many calls run at one time; it changes nothing but how long it takes.
        out: A new file for the lines: what each call answered and asked, and what it took.
    """
    from bailiwick.supervisor import read_calls

    wanted = read_calls(read_text_input(calls))
    if out is not None and out.exists():
        raise UsageRefused(f"{out} is there already", hint="name a new file", code="file-exists")
    with open_node(options) as (node, tenant), screen.progress("calling", len(wanted)) as advance:
        series = node.supervisor.series(tenant)
        done = series.run(wanted, node.actor(tenant), workers=workers, progress=advance)
        if out is not None:
            _write(out, b"".join(series.lines(node.ledger(tenant).read(done.receipt.index))))
    answer = done.to_json()
    counts = ", ".join(f"{count} {word}" for word, count in answer["outcomes"].items())
    text = f"record {answer['record']}: {answer['calls']} calls, {counts}; lines {answer['digest']}"
    screen.give(answer, text, as_json=options.json)
    return 0


def replay(record: RecordIndex, /, *, workers: Workers = 1, options: TenantOptions = TenantOptions()) -> int:
    """Run a recorded series again with the modules and grants of then; exits 1 where a line differs.

    Args:
        record: Index of a module.series record.
        workers: How many calls run at one time.
    """
    with open_node(options) as (node, tenant):
        found = node.ledger(tenant).read(record)
        detail: Any = found.detail
        with screen.progress("calling again", detail.get("calls", 0)) as advance:
            answer = node.supervisor.series(tenant).replay(found, workers=workers, progress=advance).to_json()
    text = f"record {record}: the same {answer['calls']} lines, {answer['digest']}"
    if not answer["same"]:
        text = f"record {record} differs from call {answer['first_differing']} on"
    screen.give(answer, text, as_json=options.json)
    return 0 if answer["same"] else 1


def _write(out: Path, lines: bytes) -> None:
    try:
        with out.open("xb") as file:
            file.write(lines)
    except OSError as error:
        raise Unavailable(
            f"{out} cannot be written: {error.strerror}", hint="the series is recorded; name another file"
        ) from error
