"""What every compiler of modules shares: a folder of its own, a bound on time, and the end of what it complained of."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from bailiwick.errors import InputRefused, Unavailable
from bailiwick.ports import BuildAnswer, BuildOrder

BUILD_SECONDS_MAX = 300
"""Longest build, in seconds of wall time."""
COMPLAINT_CHARACTERS_MAX = 4_000
"""Longest message of a compiler that is passed on, in characters; the end of it says most."""
ARTEFACT_BYTES_MAX = 64 << 20
"""Largest binary that a build may make, in bytes."""


def run_build(
    program: Sequence[str], arguments: Sequence[str], order: BuildOrder, made: str, caches: Sequence[str] = ()
) -> BuildAnswer:
    """Write sources and WIT into a new folder, run a compiler there, and read the binary named ``made``.

    The command kept beside the binary is ``arguments`` alone, with paths within that folder, and so the same anywhere.
    ``caches`` are variables that tell the compiler where to keep what it made before: in that folder too, so that a
    second build is a build.

    Raises:
        InputRefused: the compiler refuses the source, or makes no binary (code ``build-failed``), or one that is too
            large (code ``build-too-large``).
        Unavailable: it cannot be started (code ``toolchain-missing``) or takes too long (code ``build-deadline``).
    """
    with tempfile.TemporaryDirectory(prefix="bailiwick-build-") as place:
        folder = Path(place)
        write_files(folder, order.sources)
        write_files(folder / "wit", order.wit)
        said = run_bounded([*program, *arguments], folder, {name: os.fspath(folder / "cache") for name in caches})
        artefact = folder / made
        if not artefact.is_file():
            raise InputRefused(
                f"building {order.name} made no {made}:\n{complaint(said)}",
                hint="read the compiler's message",
                code="build-failed",
            )
        if artefact.stat().st_size > ARTEFACT_BYTES_MAX:
            raise InputRefused(
                f"building {order.name} made {artefact.stat().st_size} bytes, more than {ARTEFACT_BYTES_MAX}",
                hint="leave out data and libraries that the module does not need",
                code="build-too-large",
            )
        return BuildAnswer(wasm=artefact.read_bytes(), command=tuple(arguments))


def run_bounded(command: Sequence[str], folder: Path, variables: Mapping[str, str]) -> bytes:
    """Run a compiler in a folder, without a terminal, and give what it said.

    Its whole process group is ended when it takes longer than ``BUILD_SECONDS_MAX``.

    Raises:
        InputRefused: it ended with a failure (code ``build-failed``).
        Unavailable: it cannot be started (code ``toolchain-missing``) or takes too long (code ``build-deadline``).
    """
    try:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env={**os.environ, **variables},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    except OSError as error:
        raise Unavailable(
            f"{command[0]} cannot be started: {error.strerror or error}",
            hint="install the toolchain of the module's language: see docs/howto/write-a-module.md",
            code="toolchain-missing",
        ) from error
    try:
        said, _ = process.communicate(timeout=BUILD_SECONDS_MAX)
    except BaseException as error:
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        if not isinstance(error, subprocess.TimeoutExpired):
            raise
        raise Unavailable(
            f"the build took longer than {BUILD_SECONDS_MAX} s and was ended",
            hint="try again on a machine that does less, or make the module smaller",
            code="build-deadline",
        ) from error
    if process.returncode != 0:
        raise InputRefused(
            f"the compiler refuses the source:\n{complaint(said)}",
            hint="mend the source where the compiler points to, and build again",
            code="build-failed",
        )
    return said


def write_files(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write files below a folder that is ours alone; their names were checked before."""
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


def complaint(said: bytes) -> str:
    """Give the end of a compiler's output as text, at most ``COMPLAINT_CHARACTERS_MAX`` characters.

    >>> complaint(b"error: expected ;\\n")
    'error: expected ;'
    """
    return said.decode(errors="replace").strip()[-COMPLAINT_CHARACTERS_MAX:]


def missing(what: str, hint: str) -> Unavailable:
    """Give the error for a toolchain that is not installed."""
    return Unavailable(f"{what} is not installed", hint=hint, code="toolchain-missing")
