"""Compile a module in a process of its own, within limits, so that a hostile one costs that process and nothing else.

No size is small enough to be compiled beside everything else: eight kilobytes of nested loops over 2,000 locals were
measured to take a second, sixty-five of branches over 10,000 locals 800 MB. So every module goes to a worker, 0.2 to
0.4 seconds of start, once in the life of a home: ``cache.py`` keeps what came out. A worker compiles one module and
ends; nothing is left to clean.

The worker gets no environment, no open file but its input and its answer, and takes its limits itself before it reads
the first byte of the module. It is the same for every user of the node and knows no tenant.
"""

from __future__ import annotations

import errno
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import IO, cast

from bailiwick.engine.binary import COMPONENT_MAGIC, CORE_MAGIC
from bailiwick.engine.loading import Kind, serialise
from bailiwick.engine.package import configure, wasmtime_package
from bailiwick.errors import ModuleRefused, Unavailable

COMPILE_CPU_SECONDS_MAX = 60
"""Longest compilation, in seconds of processor time; a component that carries Python takes about 16."""
COMPILE_SECONDS_MAX = 300
"""Longest wait for a worker, in seconds; well above the processor time, so that a busy host is not a module's fault."""
COMPILE_ADDRESS_BYTES_MAX = 1 << 30
"""Most address space of a worker, in bytes; a component that carries Python takes 456 MB."""
ARTEFACT_BYTES_MAX = 128 << 20
"""Largest compiled code, in bytes; that of a component that carries Python has about 40 MB."""
WORKERS_MAX = 2
"""Most workers at once; further ones wait."""
COMPLAINT_BYTES_MAX = 2_000
"""Most that is read of what a worker says instead of an answer, in bytes."""

SMALLEST: dict[Kind, bytes] = {"core": CORE_MAGIC, "component": COMPONENT_MAGIC}
"""Binaries with nothing in them."""
ANSWERED, INVALID, SHORT = 0, 3, 4
"""How a worker ends: with code; with why the module is not valid; at a limit that it noticed itself."""
LIMIT_SIGNALS = (signal.SIGXCPU, signal.SIGXFSZ, signal.SIGABRT, signal.SIGSEGV)
"""How the kernel or the compiler ends a worker at a limit: time, size, no more memory, no more stack."""
PROGRAM = (
    "import sys; sys.path[:] = sys.argv[5:]; from bailiwick.engine.compile import work; sys.exit(work(sys.argv[1:5]))"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompileLimits:
    """What one compilation may use: seconds of processor and of wall time, bytes of addresses and of answer."""

    cpu_seconds: int = COMPILE_CPU_SECONDS_MAX
    wall_seconds: float = COMPILE_SECONDS_MAX
    address_bytes: int = COMPILE_ADDRESS_BYTES_MAX
    output_bytes: int = ARTEFACT_BYTES_MAX


class Compiler:
    """Gives the compiled code of modules, each made by a worker of its own. Threads may share it.

    It fits where ``loading.Artefact`` is wanted: ``Engine(artefact=Compiler())``.
    """

    def __init__(self, limits: CompileLimits | None = None, *, workers: int = WORKERS_MAX) -> None:
        self._limits = limits or CompileLimits()
        self._free = threading.BoundedSemaphore(workers)

    def __call__(self, wasm: bytes, kind: Kind) -> bytes:
        """Compile a binary that was surveyed, for engines of this version and settings.

        Raises:
            ModuleRefused: it is not valid (``module-invalid``), or compiling it takes more than the limits allow
                (``module-compile-limit``).
            Unavailable: the worker could not start, was ended from outside, or came to no end in the wall time, which
                a module alone cannot bring about (code ``compile-worker``).

        Cost: about 0.2 seconds, and compiling.
        """
        with self._free, tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as answer:
            given.write(wasm)
            given.seek(0)
            code = self._run(kind, given, answer)
            size = os.fstat(answer.fileno()).st_size
            answer.seek(0)
            if code == ANSWERED and 0 < size <= self._limits.output_bytes:
                return answer.read(size)
            raise self._error(code, answer.read(COMPLAINT_BYTES_MAX))

    def _run(self, kind: Kind, given: IO[bytes], answer: IO[bytes]) -> int:
        limits = self._limits
        numbers = [str(each) for each in (limits.cpu_seconds, limits.address_bytes, limits.output_bytes)]
        try:
            worker = subprocess.Popen(
                [sys.executable, "-I", "-S", "-B", "-c", PROGRAM, kind, *numbers, *_import_paths()],
                stdin=given,
                stdout=answer,
                stderr=subprocess.STDOUT,
                env={},
                cwd="/",
                close_fds=True,
                start_new_session=True,
            )
        except OSError as error:
            raise _worker_failed(f"cannot be started: {error.strerror or error}") from error
        try:
            return worker.wait(limits.wall_seconds)
        except subprocess.TimeoutExpired as error:
            raise _worker_failed(f"came to no end in {limits.wall_seconds:g} seconds, and was ended") from error
        finally:
            if worker.poll() is None:
                os.killpg(worker.pid, signal.SIGKILL)
                worker.wait()

    def _error(self, code: int, said: bytes) -> ModuleRefused | Unavailable:
        text = said.decode(errors="replace").strip()
        if code == INVALID:
            return ModuleRefused(
                text or "the module is not valid WebAssembly",
                hint="build it again without threads, 64-bit memory, exceptions or garbage collection",
                code="module-invalid",
            )
        if code in (SHORT, ANSWERED) or -code in LIMIT_SIGNALS:
            limits = self._limits
            return ModuleRefused(
                f"compiling the module takes more than {limits.cpu_seconds} s of processor time, "
                f"{limits.address_bytes >> 20} MiB of memory or {limits.output_bytes >> 20} MiB of code",
                hint="split its largest functions, and use fewer locals and nested blocks in each",
                code="module-compile-limit",
            )
        last = text.splitlines()[-1][:200] if text else "it said nothing"
        return _worker_failed(f"ended with {code}: {last}")


def work(words: list[str]) -> int:
    """Be the worker: take the limits, compile what stands on stdin, write the code or a complaint to stdout.

    Args:
        words: The kind; seconds of processor time; bytes of addresses; bytes of answer.

    Returns:
        How it ended, for the one who started it.
    """
    kind, cpu_seconds, address_bytes, output_bytes = cast("Kind", words[0]), *(int(word) for word in words[1:])
    package = wasmtime_package()
    engine = package.Engine(configure(package, is_pooling=False))
    serialise(package, engine, SMALLEST[kind], kind)  # imports what compiling needs while files may be opened
    take_limits(cpu_seconds, address_bytes, output_bytes)
    try:
        code = serialise(package, engine, sys.stdin.buffer.read(), kind)
        _write(code)
    except ModuleRefused as refused:
        _write(refused.message.encode())
        return INVALID
    except MemoryError:
        return SHORT
    except OSError as error:
        if error.errno != errno.EFBIG:
            raise
        return SHORT
    return ANSWERED


def take_limits(cpu_seconds: int, address_bytes: int, output_bytes: int) -> None:
    """Bind this process to its limits, for good: no core file, no new file or process either."""
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
    resource.setrlimit(resource.RLIMIT_AS, (address_bytes, address_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (output_bytes, output_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, 3))


def _write(data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(sys.stdout.fileno(), view) :]


def _import_paths() -> list[str]:
    """Say where the worker finds this package and what it imports: where this process does, and nowhere relative."""
    root = str(Path(__file__).resolve().parents[2])
    return [root, *(path for path in sys.path if path != root and Path(path).is_absolute())]


def _worker_failed(what: str) -> Unavailable:
    return Unavailable(
        f"the worker that compiles modules {what}",
        hint="try again when the machine does less; if it stays so, run `bailiwick doctor`",
        code="compile-worker",
    )
