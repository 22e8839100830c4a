"""Run every benchmark and keep the tables: ``python -m benchmarks [--input FILE] [--write] [--full] [--only law]``.

With ``--write`` each table replaces the one between its marks in ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import os
import platform
import subprocess
import tempfile
from datetime import UTC, datetime
from importlib.resources import files
from pathlib import Path

from benchmarks import (
    append,
    composed,
    decide,
    fairness,
    interview,
    modules,
    prove,
    replay,
    rules,
    scripts,
    sinks,
    start,
    swap,
    time_travel,
    verify,
)
from benchmarks.table import Row, markdown

PAGE = Path(__file__).parent.parent / "docs" / "performance.md"
RECORDS, RECORDS_FULL = 1_000_000, 10_000_000
RECORDS_PAST = 250_000
"""Records whose past is asked for, in number, where not everything is wanted: as many as a minute allows."""
MARKS = {
    "measured": ("<!-- measured: begin -->", "<!-- measured: end -->"),
    "law": ("<!-- law: begin -->", "<!-- law: end -->"),
    "modules": ("<!-- modules: begin -->", "<!-- modules: end -->"),
}


def main() -> None:
    """Measure, print, and keep if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    sample = Path(str(files("bailiwick"))) / "builtin" / "samples" / "osha-injuries.csv"
    given = os.environ.get("INPUT")
    parser.add_argument("--input", type=Path, default=Path(given) if given else sample)
    parser.add_argument("--write", action="store_true", help="replace the table in docs/performance.md")
    parser.add_argument("--full", action="store_true", help=f"verify, prove and go back in {RECORDS_FULL:,} records")
    parser.add_argument("--only", nargs="+", choices=MARKS, default=list(MARKS), help="measure these tables alone")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=Path.cwd(), prefix=".bench-") as folder:
        tables = {name: TABLES[name](Path(folder), options) for name in options.only}
    for name, found in tables.items():
        text = f"{_machine(options.full)}\n\n{markdown(found)}"
        print(text, end="\n\n")
        if options.write:
            _keep(name, text)


def _ledger(place: Path, options: argparse.Namespace) -> list[Row]:
    """Measure the main job and the ledger."""
    records = RECORDS_FULL if options.full else RECORDS
    rows = [*start.measure(place / "start"), *decide.measure(options.input, place)]
    rows += append.measure(place / "append")
    rows += sinks.measure(place / "sinks")
    verify.build(place / "large", records)
    rows += [*verify.measure(place / "large"), *prove.measure(place / "tree", place / "large", records)]
    return rows + time_travel.measure(place / "past", RECORDS_FULL if options.full else RECORDS_PAST)


def _law(place: Path, options: argparse.Namespace) -> list[Row]:
    """Measure rules, populations, replay and interviews."""
    rows = [*rules.measure(), *rules.population()]
    rows += replay.measure(place / "replay", replay.DECISIONS_FULL if options.full else replay.DECISIONS)
    return rows + interview.measure(place / "interview")


def _modules(place: Path, _: argparse.Namespace) -> list[Row]:
    """Measure calls of modules, swaps, wholes, turns and scripts."""
    rows = [*modules.measure(place / "modules"), *swap.measure(place / "swap")]
    rows += [*composed.measure(place / "composed"), *fairness.measure(place / "fairness")]
    return rows + scripts.measure(place / "scripts")


TABLES = {"measured": _ledger, "law": _law, "modules": _modules}


def _keep(name: str, text: str) -> None:
    """Put a table between its marks in the page."""
    begin, end = MARKS[name]
    page = PAGE.read_text()
    PAGE.write_text(f"{page.split(begin)[0]}{begin}\n{text}\n{end}{page.split(end)[1]}")


def _machine(is_full: bool) -> str:
    commit = subprocess.run(["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False)
    load = ", ".join(f"{each:.1f}" for each in os.getloadavg())
    how = "make bench FULL=1" if is_full else "make bench"
    return (
        f"Measured {datetime.now(UTC):%Y-%m-%d} at commit {commit.stdout.strip() or 'unknown'} with `{how}`:"
        f" {os.cpu_count()} cores ({platform.machine()}), Python {platform.python_version()}, load {load}."
    )


if __name__ == "__main__":
    main()
