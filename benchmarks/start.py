"""How long does a newcomer wait for the first sealed decision, and for help?

Whole processes, warm, the median of several: what the user of a terminal feels. The first decision is timed by the demo
itself, from the start of its process to the receipt.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.table import Row

RUNS = 5


def measure(folder: Path) -> list[Row]:
    """Run the demo and the help several times and give the medians."""
    demo = [sys.executable, "-m", "bailiwick.cli", "demo", "--json", "--home", str(folder)]
    _output(demo)
    first = statistics.median(json.loads(_output(demo))["decided"]["first_seconds"] for _ in range(RUNS))
    helped = statistics.median(_seconds([sys.executable, "-m", "bailiwick.cli", "--help"]) for _ in range(RUNS))
    return [
        Row("first sealed decision of a warm demo", f"{first:.2f} s", "aim: under 2 s"),
        Row("`bailiwick --help`", f"{helped:.2f} s", "aim: under 0.3 s"),
    ]


def _output(words: list[str]) -> str:
    return subprocess.run(words, capture_output=True, text=True, check=True).stdout


def _seconds(words: list[str]) -> float:
    begun = time.perf_counter()
    _output(words)
    return time.perf_counter() - begun
