"""Keep compiled code between processes, and believe a file only after its authentication code was checked.

Compiled code is native code: the engine takes a file with a flipped byte and runs it. So each file carries an
HMAC-SHA-256 under a key of this home, over everything that says what it is and over the code, and the bytes that were
checked are the bytes that are used: a file is read once, from a descriptor, and never looked at again by its name. The
engine's own way of mapping a file would read it a second time, after the check.

What is not believed is not an error: the module is compiled again and the file replaced. ``counts`` says how often.

A file is ``<sha256 of the module>-<settings of the engine>-<architecture>.cwasm``: 32 bytes of HMAC, a head, the code.
"""

from __future__ import annotations

import hashlib
import hmac
import os
import platform
import re
import stat
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bailiwick.engine.compile import ARTEFACT_BYTES_MAX, SMALLEST
from bailiwick.engine.loading import Kind, serialise
from bailiwick.engine.package import configure, wasmtime_package
from bailiwick.errors import UsageRefused

CACHE_BYTES_MAX = 1 << 30
"""Most that a cache keeps, in bytes; a component that carries Python takes 40 MB."""
KEY_BYTES = 32
"""Length of the key, in bytes."""
CODE_BYTES = 32
"""Length of the authentication code, in bytes."""
FILES_MAX = 10_000
"""Most files that are kept."""
LEFTOVER_SECONDS = 3_600
"""Age from which a half-written file of somebody who ended is removed, in seconds by the file system's own time."""

MAGIC = "bailiwick-code/1"
NAME = re.compile(r"[0-9a-f]{64}-[0-9a-f]{16}-[a-z0-9_]{1,32}\.cwasm\Z")
OWNER_ONLY, OWNER_ONLY_FOLDER = 0o600, 0o700
OPEN_FILE = os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK
OPEN_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheCounts:
    """How often code was found and believed, not there, there and not believed; made and not kept; removed for room."""

    found: int = 0
    missing: int = 0
    refused: int = 0
    unkept: int = 0
    removed: int = 0


class CodeCache:
    """A folder of compiled code. Threads and processes may share it.

    It fits where ``loading.Artefact`` is wanted: ``Engine(artefact=CodeCache(folder, key, make=Compiler()))``.

    Args:
        folder: Made if it is not there; ours alone, or nothing in it is used.
        key: 32 secret bytes of this home, kept apart from the folder.
        make: Compiles what is not there.
        bytes_max: The most that is kept; what was used least recently goes first.
        settings: What stands for the engine's version and settings; as ``engine_settings`` gives it.
        architecture: Of the machine.
    """

    def __init__(
        self,
        folder: Path,
        key: bytes,
        *,
        make: Callable[[bytes, Kind], bytes],
        bytes_max: int = CACHE_BYTES_MAX,
        settings: str | None = None,
        architecture: str | None = None,
    ) -> None:
        if len(key) != KEY_BYTES:
            raise UsageRefused(
                f"a key of {len(key)} bytes cannot guard compiled code", hint=f"give {KEY_BYTES}", code="key-size"
            )
        self._folder = folder
        self._key = key
        self._make = make
        self._bytes_max = bytes_max
        self._settings = settings or engine_settings()
        self._architecture = re.sub(r"[^a-z0-9_]", "_", (architecture or platform.machine()).lower())[:32] or "unknown"
        self._lock = threading.Lock()
        self._counts = CacheCounts()

    @property
    def counts(self) -> CacheCounts:
        """What happened so far."""
        return self._counts

    def __call__(self, wasm: bytes, kind: Kind) -> bytes:
        """Give the compiled code of a binary, from the cache or made now.

        Raises: as ``make`` does. A cache that cannot be read or written costs time, and is counted.

        Cost: one SHA-256 over the module and one over its code, at 1 to 2 GB a second; and making what is not there.
        """
        digest = hashlib.sha256(wasm).hexdigest()
        name = f"{digest}-{self._settings}-{self._architecture}.cwasm"
        head = f"{MAGIC}\n{kind}\n{name}\n".encode()
        try:
            folder = self._open_folder()
        except (OSError, _NotOurs):
            self._count("refused")
            return self._make(wasm, kind)
        try:
            code = self._read(folder, name, head)
            if code is None:
                code = self._make(wasm, kind)
                self._keep(folder, name, head, code)
            return code
        finally:
            os.close(folder)

    def _open_folder(self) -> int:
        self._folder.mkdir(mode=OWNER_ONLY_FOLDER, parents=True, exist_ok=True)
        folder = os.open(self._folder, OPEN_FOLDER)
        try:
            _check_ours(os.fstat(folder))
        except _NotOurs:
            os.close(folder)
            raise
        return folder

    def _read(self, folder: int, name: str, head: bytes) -> bytes | None:
        """Give the code of a file if it can be believed, and note that it was used."""
        try:
            file = os.open(name, OPEN_FILE, dir_fd=folder)
        except FileNotFoundError:
            self._count("missing")
            return None
        except OSError:
            self._count("refused")
            return None
        try:
            code = self._verified(file, head)
            os.utime(file)
        except (OSError, _NotOurs):
            self._count("refused")
            return None
        finally:
            os.close(file)
        self._count("found")
        return code

    def _verified(self, file: int, head: bytes) -> bytes:
        status = os.fstat(file)
        _check_ours(status)
        size = status.st_size - CODE_BYTES - len(head)
        if not stat.S_ISREG(status.st_mode) or not 0 < size <= ARTEFACT_BYTES_MAX:
            raise _NotOurs
        start = _read_all(file, CODE_BYTES + len(head))
        code = _read_all(file, size)
        # The head is what we expect, not what the file says: another module's file under this name has another code.
        if start[CODE_BYTES:] != head or not hmac.compare_digest(start[:CODE_BYTES], self._sign(head, code)):
            raise _NotOurs
        return code

    def _sign(self, head: bytes, code: bytes) -> bytes:
        made = hmac.new(self._key, head, "sha256")
        made.update(code)
        return made.digest()

    def _keep(self, folder: int, name: str, head: bytes, code: bytes) -> None:
        """Write a file beside its name, durably, then give it the name; whoever reads sees all of it or none."""
        if CODE_BYTES + len(head) + len(code) > self._bytes_max:
            self._count("unkept")
            return
        temporary = f".{name}.{os.getpid()}.{threading.get_ident()}"
        try:
            try:
                _write_new(folder, temporary, [self._sign(head, code), head, code])
                os.rename(temporary, name, src_dir_fd=folder, dst_dir_fd=folder)
                self._make_room(folder, name)
            except OSError:
                os.unlink(temporary, dir_fd=folder)
                raise
        except OSError:
            self._count("unkept")

    def _make_room(self, folder: int, newest: str) -> None:
        """Remove what was used least recently until the rest fits, and what writers left behind long ago."""
        found: list[tuple[int, str, int]] = []
        for name in os.listdir(folder):
            try:
                status = os.stat(name, dir_fd=folder, follow_symlinks=False)
            except FileNotFoundError:
                continue
            found.append((status.st_mtime_ns, name, status.st_size))
        now_ns = max((used for used, name, _ in found if name == newest), default=0)
        kept = sorted((each for each in found if NAME.match(each[1]) and each[1] != newest), reverse=True)
        total = sum(size for _, name, size in found if name == newest)
        for index, (_, name, size) in enumerate(kept):
            total += size
            if total > self._bytes_max or index >= FILES_MAX:
                self._remove(folder, name)
        for used, name, _ in found:
            if name.startswith(".") and now_ns - used > LEFTOVER_SECONDS * 1_000_000_000:
                self._remove(folder, name)

    def _remove(self, folder: int, name: str) -> None:
        try:
            os.unlink(name, dir_fd=folder)
        except FileNotFoundError:
            return
        self._count("removed")

    def _count(self, what: str) -> None:
        with self._lock:
            counted = {name: getattr(self._counts, name) for name in CacheCounts.__slots__}
            self._counts = CacheCounts(**{**counted, what: counted[what] + 1})


class _NotOurs(Exception):
    """What was found is not what this process or another one of this home wrote."""


def engine_settings() -> str:
    """Give 16 digits that stand for the engine's version, its settings, and what its code needs of a processor.

    They are of the code of an empty module, in which the engine writes all of that down.
    """
    package = wasmtime_package()
    engine = package.Engine(configure(package, is_pooling=False))
    return hashlib.sha256(serialise(package, engine, SMALLEST["core"], "core")).hexdigest()[:16]


def _check_ours(status: os.stat_result) -> None:
    if status.st_uid != os.geteuid() or stat.S_IMODE(status.st_mode) & 0o077:
        raise _NotOurs


def _read_all(file: int, size: int) -> bytes:
    """Read exactly so many bytes, into one piece of memory where the system gives them at once."""
    data = os.read(file, size)
    pieces = [data]
    missing = size - len(data)
    while missing:
        piece = os.read(file, missing)
        if not piece:
            raise _NotOurs
        pieces.append(piece)
        missing -= len(piece)
    return b"".join(pieces) if len(pieces) > 1 else data


def _write_new(folder: int, name: str, pieces: list[bytes]) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(name, flags, OWNER_ONLY, dir_fd=folder)
    try:
        for piece in pieces:
            view = memoryview(piece)
            while view:
                view = view[os.write(file, view) :]
        os.fsync(file)
    finally:
        os.close(file)
