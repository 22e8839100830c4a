"""`bailiwick demo`: the whole main job on real injuries, from an empty folder to a ledger that a stranger can verify.

Everything here goes through the node's own door, the way any program would. A second run continues the same ledger.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from cyclopts import Parameter

from bailiwick.cli import STARTED_S, screen
from bailiwick.cli.decide import format_of, opened
from bailiwick.cli.effects import summary
from bailiwick.cli.options import TenantOptions, settings
from bailiwick.cli.story import Story
from bailiwick.errors import Unavailable

if TYPE_CHECKING:
    from bailiwick.node import Node

PACK = "us-osha-1904"
LEGAL_DATE = "2024-01-01"
"""The rows say what happened but not when, so the demo judges as if on one day, and says which."""
REFUSALS_SHOWN = 3
VERIFY_SECONDS_MAX = 600
FOLDERS_MAX = 1_000
"""Bundles of one size that may lie side by side, in number."""


def demo(
    *,
    source: Annotated[str | None, Parameter(name="--input")] = None,
    legal_date: str = LEGAL_DATE,
    options: TenantOptions = TenantOptions(),
) -> int:
    """Decide real injuries by real law, to a verified ledger.

    Makes a home where there is none, decides every row, checks the ledger, performs the effects that the decisions ask
    for (messages in an outbox folder), explains one decision, and exports a bundle that another process then verifies.
    Exits 0 when both verifications hold.

    Args:
        source: CSV file with the columns of OSHA's accident injuries; without it, a sample that comes along.
        legal_date: Day to judge by, YYYY-MM-DD: the rows do not say when they happened.
    """
    from bailiwick.node import Node

    resolved = settings(options)
    tenant = resolved.tenant
    story = Story(silent=options.json)
    made = Node.init(resolved.home, tenant).to_json()
    story.tell("home", f"{screen.short(resolved.home)} ({'made' if made['created'] else 'continued'})")
    story.tell("judged", f"by {PACK}, as if on {legal_date}")
    with Node.open(resolved) as node:
        decided = _decide(node, tenant, source, legal_date)
        story.tell_decided(decided)
        stats = dict(node.ledger(tenant).stats())
        verified = _verify(node, tenant)
        story.tell_verified(verified)
        effects = node.run_effects(tenant).to_json()
        story.tell("effects", summary(effects) + (": the panic switch is on" if effects["frozen"] else " (the outbox)"))
        explained = _explain(node, tenant, decided.pop("records"), story)
        bundle = _export(node, tenant, resolved.home)
    again = verify_elsewhere(bundle, made["verifier_key"])
    story.tell("bundle", screen.short(bundle))
    story.tell("verified", f"{again['verdict']}, by another process with nothing but the bundle and this key")
    story.tell("key", made["verifier_key"])
    answer = {
        **made,
        "legal_date": legal_date,
        "decided": decided,
        "ledger": stats,
        "verified": verified,
        "effects": effects,
        "explained": explained,
        "bundle": str(bundle),
        "verified_elsewhere": again,
    }
    if options.json:
        print(json.dumps(answer))
    return 0 if verified["verdict"] == again["verdict"] == "ok" else 1


def _decide(node: Node, tenant: str, file: str | None, legal_date: str) -> dict[str, Any]:
    """Decide every input; times are seconds of this process's clock."""
    from bailiwick.decisions import Decided, Refused

    records: list[Decided] = []
    refusals: list[dict[str, Any]] = []
    inputs = first = 0.0
    with _source(file) as (name, stream), screen.progress("deciding") as advance:
        begun = time.perf_counter()
        for answer in node.decide(
            tenant, PACK, node.read_inputs(stream, format_of(name, stream)), legal_date=legal_date
        ):
            inputs += 1
            if isinstance(answer, Decided):
                first = first or time.perf_counter() - STARTED_S
                records.append(answer)
            else:
                assert isinstance(answer, Refused)
                refusals.append(answer.to_json()["error"])
            advance(1)
        seconds = time.perf_counter() - begun
    return {
        "inputs": int(inputs),
        "count": len(records),
        "refused": len(refusals),
        "refusals": refusals[:REFUSALS_SHOWN],
        "outcomes": dict(Counter(answer.outcome for answer in records)),
        "first_seconds": round(first, 3) if records else None,
        "seconds": round(seconds, 3),
        "rate": round(len(records) / seconds) if seconds else 0,
        "records": [answer.receipt.index for answer in records],
    }


@contextmanager
def _source(file: str | None) -> Iterator[tuple[str, Any]]:
    """Open the given file, or the sample that comes along."""
    if file is not None:
        with opened(file) as stream:
            yield file, stream
        return
    from importlib.resources import as_file, files

    with as_file(files("bailiwick") / "builtin" / "samples" / "osha-injuries.csv") as path, path.open("rb") as stream:
        yield str(path), stream


def _verify(node: Node, tenant: str) -> dict[str, Any]:
    ledger = node.ledger(tenant)
    with screen.progress("verifying", ledger.size()) as advance:
        return dict(ledger.verify(progress=advance).to_json())


def _explain(node: Node, tenant: str, records: list[int], story: Story) -> dict[str, Any] | None:
    """Explain the first decision of this run that asks for an effect, else the first."""
    if not records:
        return None
    ledger = node.ledger(tenant)
    asking = (index for index in records if ledger.read(index).detail["effects"])
    explanation = node.explain(tenant, next(asking, records[0]))
    story.tell_why(explanation)
    return explanation.to_json()


def _export(node: Node, tenant: str, home: Path) -> Path:
    ledger = node.ledger(tenant)
    bundle = _free_folder(home / "bundles", f"{tenant}-{ledger.checkpoint().size}")
    with screen.progress("exporting", ledger.size()) as advance:
        ledger.export(bundle, progress=advance)
    return bundle


def _free_folder(above: Path, name: str) -> Path:
    """Make an empty folder of that name, or of that name and the first number that is free: two demos may meet here.

    Raises:
        Unavailable: no folder can be made.
    """
    above.mkdir(parents=True, exist_ok=True)
    for attempt in range(1, FOLDERS_MAX + 1):
        folder = above / (name if attempt == 1 else f"{name}-{attempt}")
        try:
            folder.mkdir()
        except FileExistsError:
            continue
        return folder
    raise Unavailable(f"{above} holds too many bundles named {name}", hint=f"clear {above}: bundles can be made again")


def verify_elsewhere(bundle: Path, key: str) -> dict[str, Any]:
    """Verify a bundle in a process of its own, which is told nothing but the key.

    Raises:
        Unavailable: that process gave no verdict.
    """
    words = [sys.executable, "-m", "bailiwick.cli", "verify", str(bundle), "--key", key, "--json"]
    ran = subprocess.run(words, capture_output=True, text=True, timeout=VERIFY_SECONDS_MAX, check=False)
    try:
        answer: dict[str, Any] = json.loads(ran.stdout)
    except ValueError as error:
        raise Unavailable(
            f"verifying in another process gave no verdict: {ran.stderr.strip()[-200:]}",
            hint=f"bailiwick verify {bundle} --key {key}",
        ) from error
    return answer
