"""Run every test, a folder at a time, and go on where it was interrupted: ``make test-all``.

A part that passed is not run again until a file of the project changes. All parts are run, whatever fails; the last
lines say how long each took. ``--again`` forgets what passed.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PASSED = ROOT / ".pytest_cache" / "parts.json"
SOURCES = ("src", "tests", "tools", "benchmarks", "docs")
NO_TESTS = 5
"""What pytest exits with where a part has no tests, or all of them were left out."""


def parts(folder: Path) -> list[str]:
    """Give the folders of tests, those of ``conformance`` one by one, and the files beside them."""
    conformance = folder / "conformance"
    found = [path for path in [*folder.iterdir(), *conformance.iterdir()] if path != conformance and has_tests(path)]
    return sorted(str(path.relative_to(folder.parent)) for path in found)


def has_tests(path: Path) -> bool:
    """Say whether a path is a file of tests, or a folder with some below it."""
    return any(path.rglob("test_*.py")) if path.is_dir() else path.match("test_*.py")


def digest_of_sources() -> str:
    """Give a digest of every file that a test may read."""
    told = hashlib.sha256()
    paths = (path for name in SOURCES for path in (ROOT / name).rglob("*") if path.is_file())
    for path in sorted([*paths, ROOT / "pyproject.toml"]):
        if path.suffix != ".pyc":
            told.update(f"{path.relative_to(ROOT)}\0".encode())
            told.update(hashlib.sha256(path.read_bytes()).digest())
    return told.hexdigest()


def read_passed(digest: str) -> dict[str, float]:
    """Give the parts that passed with these files, and their seconds."""
    try:
        kept = json.loads(PASSED.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept["parts"] if kept.get("digest") == digest else {}


def run(part: str) -> tuple[int, float]:
    """Run one part in a process of its own; give its exit code and seconds."""
    print(f"--- {part}", flush=True)
    begun = time.monotonic()
    code = subprocess.run([sys.executable, "-m", "pytest", "-q", part], cwd=ROOT, check=False).returncode
    return 0 if code == NO_TESTS else code, time.monotonic() - begun


def main() -> int:
    """Run what did not pass yet; exit with 1 where something fails."""
    digest = digest_of_sources()
    passed = {} if "--again" in sys.argv[1:] else read_passed(digest)
    told: list[str] = []
    failed = 0
    for part in parts(ROOT / "tests"):
        if part in passed:
            told.append(f"{passed[part]:8.0f} s  passed before  {part}")
            continue
        code, seconds = run(part)
        failed += code != 0
        told.append(f"{seconds:8.0f} s  {'FAILED' if code else 'passed':13}  {part}")
        if code == 0:
            passed[part] = seconds
            PASSED.parent.mkdir(exist_ok=True)
            PASSED.write_text(json.dumps({"digest": digest, "parts": passed}), encoding="utf-8")
    print("\n".join(told))
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
