"""One life of an executor, made to be killed: performs the effects of a home, and says each step that it takes.

    python effect_worker.py HOME [N]     with N, dies at the N-th step

A step is the beginning or the end of whatever the executor does for one effect or one flush, and each change that it
asks of its disk. What SQLite writes by itself lies between two of them.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

from bailiwick.adapters.disk_system import SystemDisk
from bailiwick.adapters.effectchannel_webhook import WebhookEffectChannel
from bailiwick.decisions.execute import Executor
from bailiwick.node import Node
from bailiwick.settings import Settings
from bailiwick.testing import FaultyDisk

TENANT = "local"
STEPS = ("_expire", "_start", "_perform", "_deliver", "_flush", "_is_wanted")


class Steps:
    """Counts steps, and ends this process at one of them as ``kill -9`` does."""

    def __init__(self, turn: int) -> None:
        self.count = 0
        self._turn = turn

    def take(self, name: str) -> None:
        """Take one step."""
        self.count += 1
        if self.count == self._turn:
            say(f"killed {self.count} {name}")
            os.kill(os.getpid(), signal.SIGKILL)

    def around(self, work: Callable[..., Any], name: str) -> Callable[..., Any]:
        """Give the same work, with a step before it and one after."""

        @wraps(work)
        def stepped(*args: Any, **named: Any) -> Any:
            """Step, work, step."""
            self.take(f"before {name}")
            result = work(*args, **named)
            self.take(f"after {name}")
            return result

        return stepped


def live(home: Path, turn: int) -> None:
    """Perform everything once."""
    steps = Steps(turn)
    for name in STEPS:
        setattr(Executor, name, steps.around(getattr(Executor, name), name))
    for name in ("_connect", "_exchange"):
        setattr(WebhookEffectChannel, name, steps.around(getattr(WebhookEffectChannel, name), name))
    disk = FaultyDisk(SystemDisk(), after=1, fault=lambda operation, path: steps.take(operation), stays=True)
    with Node.open(Settings.resolve(home=home, environ={}), disk=disk) as node:
        report = node.run_effects(TENANT)
        say(f"end {steps.count} {report.delivered} {report.repeated} {report.waiting}")


def say(line: str) -> None:
    """Write one line past every buffer."""
    os.write(sys.stdout.fileno(), line.encode() + b"\n")


if __name__ == "__main__":
    live(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
