"""How many decisions are sealed durably in a second, end to end, and where does the time go?

The rows go through the very steps of the loop, in its batches, on a home of their own; each step is timed around the
same calls that ``decisions/loop.py`` makes. A second pass runs the loop itself, untimed inside, for the total.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from pathlib import Path

from bailiwick.decisions import BATCH_MAX, Decided, RawInput
from bailiwick.decisions.decide import decide
from bailiwick.decisions.intake import intake
from bailiwick.decisions.seal import seal
from bailiwick.node import Node
from bailiwick.settings import Settings
from benchmarks.table import Row

TENANT = "bench"
PACK = "us-osha-1904"
LEGAL_DATE = "2024-01-01"
CALLERS = 64
INPUTS_OF_CALLERS = 512
STEPS = (
    "intake: guest and schema",
    "decide: every rule, traced",
    "seal: evidence",
    "blobs: one flush",
    "ledger: one flush",
)


def measure(rows: Path, folder: Path) -> list[Row]:
    """Decide every row of a CSV twice, on two homes, and give the rate and the share of each step."""
    total, count = _whole(rows, folder / "whole")
    spent, stepped = _stepped(rows, folder / "stepped")
    covered = sum(spent)
    table = [
        Row("decisions sealed durably, end to end", f"{count / total:,.0f} /s", f"{count} rows, batches of {BATCH_MAX}")
    ]
    table += _callers(rows, folder / "callers")
    for name, seconds in zip(STEPS, spent, strict=True):
        table.append(
            Row(f"  {name}", f"{seconds / stepped * 1e6:,.0f} us each", f"{seconds / covered:.0%} of the loop")
        )
    return table


def _open(home: Path) -> Node:
    Node.init(home, TENANT)
    return Node.open(Settings.resolve(home=home, tenant=TENANT, environ={}))


def _inputs(node: Node, rows: Path) -> Iterator[RawInput]:
    with rows.open("rb") as stream:
        yield from (each for each in node.read_inputs(stream, "csv") if isinstance(each, RawInput))


def _whole(rows: Path, home: Path) -> tuple[float, int]:
    with _open(home) as node:
        warm = node.decide(TENANT, PACK, islice(_inputs(node, rows), BATCH_MAX), legal_date=LEGAL_DATE)
        assert all(isinstance(answer, Decided) for answer in warm)
        begun = time.perf_counter()
        count = sum(1 for _ in node.decide(TENANT, PACK, _inputs(node, rows), legal_date=LEGAL_DATE))
        return time.perf_counter() - begun, count


def _callers(rows: Path, home: Path) -> list[Row]:
    """Each caller sends one input and waits until its own decision is durable, then sends the next."""
    found = []
    with _open(home) as node:
        inputs = list(islice(_inputs(node, rows), INPUTS_OF_CALLERS))
        loop = node.loop(TENANT, PACK)
        for callers in (1, CALLERS):
            shares = [inputs[each::callers] for each in range(callers)]

            def decide_all(share: list[RawInput]) -> int:
                return sum(1 for _ in loop.run(share, legal_date=LEGAL_DATE, batch=1))

            with ThreadPoolExecutor(max_workers=callers) as pool:
                begun = time.perf_counter()
                count = sum(pool.map(decide_all, shares))
                seconds = time.perf_counter() - begun
            who = "one caller" if callers == 1 else f"{callers} callers"
            found.append(
                Row(f"  {who}, one decision each, durable", f"{count / seconds:,.0f} /s", f"{count} decisions")
            )
    return found


def _stepped(rows: Path, home: Path) -> tuple[list[float], int]:
    spent = [0.0] * len(STEPS)
    count = 0
    with _open(home) as node:
        loop = node.loop(TENANT, PACK)
        source = _inputs(node, rows)
        while batch := list(islice(source, BATCH_MAX)):
            count += len(batch)
            marks = [time.perf_counter()]
            observations = [
                intake(TENANT, raw, loop.pack, legal_date=LEGAL_DATE, moment=loop.moment(), read_row=loop.read_row)
                for raw in batch
            ]
            marks.append(time.perf_counter())
            decisions = [decide(each, loop.pack) for each in observations]
            marks.append(time.perf_counter())
            sealed = [
                seal(each, decision, loop.pack, secret=loop.secret, actor=loop.actor, versions=loop.versions)
                for each, decision in zip(observations, decisions, strict=True)
            ]
            marks.append(time.perf_counter())
            loop.blobs.put_many(
                TENANT,
                [blob for each in sealed for blob in (each.observation.blob, each.evidence.blob)],
                [each.draft.resource for each in sealed for _ in range(2)],
            )
            marks.append(time.perf_counter())
            loop.recorder.record_many(TENANT, [each.draft for each in sealed])
            marks.append(time.perf_counter())
            spent = [sum_ + after - before for sum_, before, after in zip(spent, marks, marks[1:], strict=False)]
    return spent, count
