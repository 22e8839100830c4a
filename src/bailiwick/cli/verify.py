"""`bailiwick verify`: check an exported ledger anywhere: no node, no home, no network, no trust in the sender."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from bailiwick.cli import screen
from bailiwick.cli.options import Printing
from bailiwick.errors import Verdict


def verify(
    bundle: Path, /, *, key: str | None = None, since: Path | None = None, options: Printing = Printing()
) -> int:
    """Check an exported ledger, with no node and no home.

    Exits 0 for ok, else with the verdict: 10 torn, 11 truncated, 12 altered, 13 forked, 14 corrupt, 15 untrusted-key,
    16 stale-witness.

    Args:
        bundle: Folder that `bailiwick ledger export` wrote.
        key: Verifier key that you trust, as `bailiwick init` printed it. Without one the verdict says only that the
            bundle agrees with itself.
        since: File with a checkpoint that you kept earlier; the ledger must have grown from it.
    """
    from bailiwick.ledger import verify_bundle

    with screen.progress("verifying") as advance:
        report = verify_bundle(bundle, key=key, since=since, progress=advance)
    answer = report.to_json()
    screen.give(answer, report_text(answer), as_json=options.json)
    return Verdict(answer["verdict"]).exit_code


def report_text(answer: dict[str, Any]) -> str:
    """Say for people what a verification found."""
    rows = [
        ("verdict", answer["verdict"]),
        ("records", answer["records"]),
        ("root", answer["root"]),
        ("key", answer["key"]),
    ]
    lines = [screen.columns([(name, str(value)) for name, value in rows if value is not None])]
    lines += [f"problem: {problem}" for problem in answer.get("problems", [])]
    if answer.get("anchor") == "bundle":
        lines.append(
            "The key is the bundle's own: it agrees with itself, and nothing says who wrote it.\n"
            "To know that too, give the key you were told by another way: --key VKEY"
        )
    return "\n".join(lines)
