"""One life of a node, made to be killed: makes or continues a home, decides rows, runs effects, says what is durable.

    python worker.py HOME ROWS [N]     with N, dies at the N-th change that it asks of its disk

Each acknowledged decision is a line on stdout, written before the next batch begins; the last line is ``end`` and the
number of changes.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.testing import FaultyDisk, kill

TENANT = "local"


def live(home: Path, rows: Path, after: int) -> None:
    """Do everything once, as the demo does."""
    disk = FaultyDisk(SystemDisk(), after=after, fault=kill)
    Node.init(home, TENANT, disk=disk)
    with Node.open(Settings.resolve(home=home, environ={}), disk=disk) as node, rows.open("rb") as stream:
        inputs = node.read_inputs(stream, "csv")
        for answer in node.decide(TENANT, "us-osha-1904", inputs, legal_date="2024-01-01", batch=4):
            line = answer.to_json()
            say(f"decided {line['record']} {line['evidence']}")
        node.run_effects(TENANT)
    say(f"end {disk.count}")


def say(line: str) -> None:
    """Write one line past every buffer, so that what was said is said whatever comes next."""
    os.write(sys.stdout.fileno(), line.encode() + b"\n")


if __name__ == "__main__":
    live(Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]) if len(sys.argv) > 3 else 0)
