"""`bailiwick verify`: check a bundle or a proof anywhere: no node, no home, no network, no trust in the sender."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bailiwick.cli import screen
from bailiwick.cli.options import Jobs, Printing
from bailiwick.errors import NotFound, Unavailable, UsageRefused, Verdict

FILE_BYTES_MAX = 262_144
"""Longest proof, record, checkpoint or policy that is read, in bytes."""


def verify(
    bundle: Path,
    /,
    *,
    key: str | None = None,
    policy: Path | None = None,
    since: Path | None = None,
    record: Path | None = None,
    jobs: Jobs = None,
    options: Printing = Printing(),
) -> int:
    """Check an exported ledger, or a proof from it, with no node and no home.

    Exits 0 for ok, else with the verdict: 10 torn, 11 truncated, 12 altered, 13 forked, 14 corrupt, 15 untrusted-key,
    16 stale-witness. A proof that does not hold exits with 1, or with 3 where a key or a witness is missing.

    Args:
        bundle: Folder that `bailiwick ledger export` wrote, or file that `bailiwick ledger prove` wrote.
        key: Verifier key that you trust, as `bailiwick init` printed it, or any that the ledger had. Without one the
            verdict says only that the bundle agrees with itself.
        policy: File that says whom you trust (C2SP tlog-policy): keys, witnesses, and how many of these are enough.
        since: File with a checkpoint that you kept earlier; the ledger must have grown from it.
        record: File with the record's bytes, for the proof of a record.
        jobs: Processes that read; as many as there are cores where the ledger is large. The answer is the same.
    """
    from bailiwick.ledger import Policy, verify_bundle

    believed = None if policy is None else Policy.read(_read(policy))
    if bundle.is_file():
        answer = _verify_proof(bundle, {"key": key, "policy": believed}, since, record)
        screen.give(
            answer, screen.columns([(name, str(value)) for name, value in answer.items()]), as_json=options.json
        )
        return 0
    with screen.progress("verifying") as advance:
        report = verify_bundle(bundle, key=key, since=since, policy=believed, progress=advance, jobs=jobs)
    answer = report.to_json()
    screen.give(answer, report_text(answer), as_json=options.json)
    return Verdict(answer["verdict"]).exit_code


def _verify_proof(path: Path, anchor: Mapping[str, Any], since: Path | None, record: Path | None) -> dict[str, Any]:
    """Check the proof of a record, or of growth since a checkpoint; it holds, or an error says why not."""
    from bailiwick.ledger import verify_growth, verify_receipt

    text = _read(path).decode("utf-8", "replace")
    if record is not None and since is None:
        index, newest = verify_receipt(text, _read(record).removesuffix(b"\n"), **anchor)
        return {"verdict": "ok", "record": index, "size": newest.size, "root": newest.root.hex()}
    if since is not None and record is None:
        older, newest = verify_growth(text, _read(since), **anchor)
        return {"verdict": "ok", "since": older.size, "size": newest.size, "root": newest.root.hex()}
    raise UsageRefused(
        f"{path} is a file: a proof of a record, or of growth",
        hint="add --record FILE for the proof of a record, or --since CHECKPOINT for a proof of growth",
        code="proof-of-what",
    )


def report_text(answer: dict[str, Any]) -> str:
    """Say for people what a verification found."""
    rows = [
        ("verdict", answer["verdict"]),
        ("records", answer["records"]),
        ("witnessed", answer.get("witnessed")),
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


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except FileNotFoundError:
        raise NotFound(f"there is no file {path}", hint="give the path of a file", code="file-missing") from None
    except OSError as error:
        raise Unavailable(f"{path} cannot be read: {error.strerror}", hint="check who owns it") from error
    if len(data) > FILE_BYTES_MAX:
        raise UsageRefused(f"{path} has more than {FILE_BYTES_MAX} bytes", hint="give another file", code="file-size")
    return data
