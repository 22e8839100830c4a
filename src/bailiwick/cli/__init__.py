"""The terminal door: `bailiwick NOUN VERB`. Results go to stdout, talk to stderr, and the exit code is the answer.

0 yes, 1 no, 2 usage, 3 refused, 4 not found, 5 unavailable; ``verify`` and ``ledger verify`` use 10 to 16 for verdicts.
What a command works with is imported when it is called, so that asking for help or the version is quick.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from bailiwick import __version__

__all__ = ["STARTED_S", "main"]

STARTED_S = time.perf_counter()
"""When this program began, in seconds of the process clock; only differences mean anything."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command line and give its exit code.

    Args:
        arguments: Words after the program's name; None takes those of the process.
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    if words == ["--version"]:
        print(__version__)
        return 0
    from bailiwick.cli.run import run

    return run(words)
