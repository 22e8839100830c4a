"""One command line from words to exit code: errors become *what, why, try*; an interrupt or a closed pipe is quiet."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

from cyclopts import CycloptsError, UnknownCommandError

from bailiwick.cli import screen
from bailiwick.cli.commands import build
from bailiwick.errors import BailiwickError, UsageRefused

INTERRUPTED = 130
PIPE_CLOSED = 141
"""What a shell reports for a program ended by SIGINT or SIGPIPE: 128 and the signal's number."""


def run(words: Sequence[str]) -> int:
    """Run one command line and give its exit code.

    Args:
        words: Words after the program's name.
    """
    _never_fail_to_print()
    try:
        code = _answer(list(words))
        sys.stdout.flush()
    except KeyboardInterrupt:
        screen.say("stopped. What was printed as sealed is sealed; the same command goes on.")
        return INTERRUPTED
    except BrokenPipeError:
        # The reader has gone. Python would complain once more when it closes stdout, so stdout goes nowhere from here.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return PIPE_CLOSED
    return code


def _answer(words: list[str]) -> int:
    try:
        return int(build()(words) or 0)
    except CycloptsError as error:
        return _fail(_usage(error), words)
    except BailiwickError as error:
        return _fail(error, words)


def _usage(error: CycloptsError) -> UsageRefused:
    error.verbose = False
    chain = error.command_chain or ()
    known = chain[:-1] if isinstance(error, UnknownCommandError) and len(chain) > 1 else chain
    return UsageRefused(str(error).strip().rstrip("."), hint=" ".join(["bailiwick", *known, "--help"]))


def _fail(error: BailiwickError, words: Sequence[str]) -> int:
    sys.stdout.flush()
    screen.give_error(error, as_json="--json" in words)
    return error.exit_code


def _never_fail_to_print() -> None:
    """Let a terminal that lacks a character show a substitute instead of ending the program."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
