"""Resolve every dependency anew, in an environment of its own, and write ``constraints.txt``.

Pins only: name and version, one a line, sorted. No hashes and no addresses, so that any index of packages will do.
Run by ``make lock`` with the host's Python; needs nothing but pip 22.3 or newer.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
HEADER = "# Exact versions of everything, written by `make lock`; read by the Makefile.\n"


def main() -> int:
    """Install the project with every extra, ask what came, and write it down."""
    with tempfile.TemporaryDirectory() as folder:
        venv.create(folder, with_pip=False)
        pip = [sys.executable, "-m", "pip", "--python", f"{folder}/bin/python", "--disable-pip-version-check"]
        subprocess.run([*pip, "install", "--quiet", "-e", f"{ROOT}[dev,modules,bench]"], check=True)
        listed = subprocess.run(
            [*pip, "freeze", "--exclude-editable"], check=True, stdout=subprocess.PIPE, text=True
        ).stdout
    pins = sorted(listed.splitlines(), key=str.lower)
    ROOT.joinpath("constraints.txt").write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")
    print(f"constraints.txt: {len(pins)} packages")
    return 0


if __name__ == "__main__":
    sys.exit(main())
